package scheduler

import "github.com/flowguard-go/flowguard/internal/line"

// Workers that share a context would each wait for a grant and for the context's end in one select. All of them
// would wait on the context's one channel, which costs as much as being granted does. So if many calls in a row
// wait with the same context, the scheduler registers once for the end of that context. Those calls then wait
// only for their tickets. Everything works the same without, only slower.

// sharedContext is a context that many calls wait with.
type sharedContext struct {
	done  <-chan struct{} // of the context
	ended func()          // tells the owner
	stop  func() bool     // makes the context tell no longer
}

// contextWatch is the state's part of it.
type contextWatch struct {
	current *sharedContext // that will tell of its end; nil: none
	waiting int            // calls in line that rely on it, whose places are marked

	last   <-chan struct{} // of the context of the call that came to wait last
	streak int             // calls in a row that came with that
}

// shareAfter is how many calls in a row must wait with one context before it is asked to tell.
const shareAfter = 8

// outcome is the result of acquireNow.
type outcome uint8

const (
	outcomeUnanswered   outcome = iota // the owner must be asked
	outcomeRefused                     // the error says why
	outcomeGranted                     // the place is told nothing
	outcomeWaiting                     // in line; wait for the ticket and the context
	outcomeWatched                     // in line; wait for the ticket alone
	outcomeWorthSharing                // in line, with a context that is worth being asked; see contextwatch.go
)

// enter notes that the ticket at p waits with the context whose Done channel is done. It returns how to wait.
func (w *contextWatch) enter(p *line.Place, done <-chan struct{}) outcome {
	switch {
	case done == nil:
		return outcomeWatched // the context never ends
	case w.current != nil && w.current.done == done:
		p.Marked = true
		w.waiting++
		return outcomeWatched
	case w.last != done:
		w.last, w.streak = done, 0
	}
	if w.streak++; w.streak >= shareAfter && w.waiting == 0 {
		return outcomeWorthSharing
	}
	return outcomeWaiting
}

// leave notes that the ticket at p has left the line.
func (w *contextWatch) leave(p *line.Place) {
	if p.Marked {
		p.Marked = false
		w.waiting--
	}
}

// install makes another context the one that tells, if no call relies on the present one. It returns the
// context that need no longer tell.
func (w *contextWatch) install(c *sharedContext) (idle *sharedContext) {
	if w.waiting > 0 || w.current != nil && w.current.done == c.done {
		return c
	}
	idle, w.current = w.current, c
	return idle
}

// end is called when the scheduler ends.
func (w *contextWatch) end() {
	if w.current != nil {
		go w.current.stop() // it is the code of a context, which may not belong to the standard library
	}
}

// contextEnded dismisses all tickets that rely on a context that has ended.
func (st *state) contextEnded(c *sharedContext, why error) {
	if st.contexts.current != c {
		return
	}
	st.contexts.current = nil
	if st.contexts.waiting == 0 {
		return
	}
	st.begin(&chore{why: func(p *line.Place) error {
		if p.Marked {
			return why
		}
		return nil
	}})
}
