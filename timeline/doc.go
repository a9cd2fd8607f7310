// Package timeline draws what a scheduler did: a picture of a run as one SVG file.
//
//	tl, err := timeline.Record(s)
//	…
//	defer tl.Stop()
//	work(s)
//	err = tl.SVG(file)
//
// [Record] watches a running scheduler. [New] makes a timeline of events that were kept elsewhere, such as
// those of a [scheduler.EventLog] or of a Recorder of package schedulertest. It misses no event.
//
// # What the picture shows
//
// Time goes from left to right. From top to bottom there are
//   - a bar for each ticket, in the colour of its flow: pale while it waits, solid while it holds permits. If
//     there are more than 160 tickets, three charts replace the bars: waiting tickets, grants over time, and
//     the median and longest wait;
//   - the tickets that were refused, and why;
//   - the permits held at once, against the burst;
//   - each window's fill against its limit, in its unit, with the share of the time in which it was full. The limit that
//     is full most of the time is the one to raise.
//
// A window of a unit such as tokens fills by what tickets cost. When the cost of a ticket is settled, the fill
// changes at that instant. So if an estimate was too low, the fill may be above the limit for a time. That is
// not an error and is not red. A ticket that names no cost in a unit does not appear in its windows. The
// tooltip of a ticket shows its estimated and its settled costs.
//
// Pauses are hatched bands. A grey band says that the source of a shared quota could not be reached. SetLimits
// is a dashed line with the new limits beside it. Fill above the limit is red if a grant broke the limit. A
// scheduler never does that, so red means that the limits given to [New] are not those that the scheduler had.
//
// # The file
//
// The SVG stands alone: it has no script, font or link. It has a title, and a description in words for people
// who cannot see it. Each bar of a ticket has a tooltip with its times. A viewer that prefers a dark scheme
// gets one, and programs without CSS show the light one. The same events give the same bytes on every machine.
package timeline
