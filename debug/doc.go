// Package debug serves a live page about schedulers, in the manner of net/http/pprof and expvar:
//
//	http.Handle("/debug/flowguard/", debug.Handler(map[string]*scheduler.Scheduler{
//		"github": github,
//		"search": search,
//	}))
//
// The page shows for each scheduler what holds now: the limits and how full they are, when the next permit
// comes, how many are in use, how many tickets wait and for how long, the flows and what part of the
// grants each gets, and pauses. The last minutes move by as a timeline. It needs no script or font from
// elsewhere, works in every browser of today, and has a light and a dark scheme.
//
// # For machines
//
// Below the path of the page there are
//
//	state.json                              what holds now, of all schedulers: a [Report]
//	state.json?scheduler=github             of one
//	events                                  the same four times a second, as server-sent events
//	timeline.svg?scheduler=github&seconds=10   a picture of the next 10 seconds, by package timeline
//
// # What it costs
//
// Nothing while nobody looks: Handler starts no goroutine and watches no scheduler. While at least one
// page is open, each scheduler is watched once, however many look. A page is sent the newest state; one that reads
// slowly misses what it was too slow for, and a connection that takes nothing for ten seconds is closed.
// The scheduler never waits for any of it. If more happens than can be counted, the page says how many
// events were not seen.
//
// # Who may see it
//
// Everybody who can reach the handler: put it on a listener that only you can reach, or wrap it in a
// handler that asks who it is. The page tells the keys of flows, which may be names of customers. Give
// [Hosts] if browsers of others can be on that network.
//
// # Buttons
//
// With [Controls] the page has buttons that pause, resume and set limits. They are POST requests:
//
//	POST pause   {"scheduler":"github"}                     until resume
//	POST pause   {"scheduler":"github","seconds":30}
//	POST resume  {"scheduler":"github"}
//	POST limits  {"scheduler":"github","limits":"5/s burst 2"}
//
// Such a request is refused unless
//   - the browser says that it comes from the page itself ([http.CrossOriginProtection]); a client that is
//     no browser says nothing of the kind and is let through;
//   - its content type is application/json, which a form of another site cannot send;
//   - its Host is an IP address, localhost, or a name given to Hosts. A site can make its own name point to
//     your address (DNS rebinding) and would then be the same site to the browser, but its name is in Host.
//
// And the page cannot be put into a frame of another site.
package debug
