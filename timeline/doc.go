// Package timeline draws what a scheduler did: a picture of a run as one SVG file.
//
//	tl, err := timeline.Record(s)
//	…
//	defer tl.Stop()
//	work(s)
//	err = tl.SVG(file)
//
// [Record] watches a scheduler that runs. [New] makes the same of events that were kept elsewhere, such
// as those of a [scheduler.EventLog] or of a Recorder of package schedulertest, and misses none.
//
// # What the picture shows
//
// Time goes from left to right. From top to bottom there are
//   - the tickets, a bar for each: pale while it waits, solid while it holds permits, in the colour of
//     its flow. Above some 150 tickets three charts stand for the bars: tickets that wait, grants in
//     each stretch of time, and the median and longest wait;
//   - the tickets that were refused, and why;
//   - the permits held at once, against the burst;
//   - each window's fill against its limit, in its unit, with the share of the time in which it was full. The limit that
//     is full most of the time is the one to raise.
//
// A window of a unit such as tokens fills by what tickets cost. When the cost of a ticket is settled, the fill
// changes at that instant, so an estimate that was too low may lift it above the limit for a time. That
// is no error and is not red. A ticket that names no cost in a unit does not show in its windows. The tooltip of a
// ticket has its costs, and at what they were settled.
//
// Pauses are hatched bands. A grey band says that the source of a shared quota was out of reach. SetLimits is a dashed
// line with the new limits beside it. Fill above the
// limit is red where a grant broke the limit. No scheduler does that: it shows that the limits given to
// [New] are not those that the scheduler had.
//
// # The file
//
// The SVG needs nothing else: no script, no font, no link. It has a title, and a description in words
// for those who cannot see it. Each bar of the small form tells its ticket's times when the pointer
// rests on it. A viewer that prefers a dark scheme gets one; programs that know no CSS show the light
// one. The same events give the same bytes on every machine.
package timeline
