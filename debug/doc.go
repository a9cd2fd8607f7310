// Package debug serves a live page about schedulers, in the manner of net/http/pprof and expvar:
//
//	http.Handle("/debug/flowguard/", debug.Handler(map[string]*scheduler.Scheduler{
//		"github": github,
//		"search": search,
//	}))
//
// The page shows the present state of each scheduler: the limits and how full they are, when the next permit is
// free, how many are in use, how many tickets wait and for how long, the flows and their parts of the grants,
// and pauses. A timeline shows the last minutes. The page loads no script or font from elsewhere, works in all
// current browsers, and has a light and a dark scheme.
//
// # For machines
//
// Below the path of the page there are
//
//	state.json                              the present state of all schedulers: a [Report]
//	state.json?scheduler=github             that of one
//	events                                  what the page reads: server-sent events, whose form may change
//	timeline.svg?scheduler=github&seconds=10   a picture of the next 10 seconds, by package timeline
//
// # What it costs
//
// It costs nothing while no page is open. Handler starts no goroutine and watches no scheduler. While pages are
// open, each scheduler is watched once, however many pages there are. A page gets the newest state, so a slow
// page skips states. A connection that takes nothing for ten seconds is closed. The scheduler never waits for a
// page. If events come faster than they can be counted, the page says how many were missed.
//
// # Who may see it
//
// Everybody who can reach the handler may see it. Put it on a listener that only you can reach, or wrap it in a
// handler that authenticates. The page shows the keys of flows, which may be names of customers. Use [Hosts] if
// other people's browsers are on that network.
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
// The page accepts such a request only if
//   - it does not come from another site, as far as its headers say ([http.CrossOriginProtection]). Clients
//     other than browsers send no such headers, and pass;
//   - its content type is application/json, which a form of another site cannot send;
//   - its Host is an IP address, localhost, or a name given to [Hosts]. A site can make its own name point to
//     your address (DNS rebinding). The browser then takes the page for that site's own, but Host has the
//     site's name.
//
// Another site cannot put the page into a frame.
package debug
