package timeline

import (
	"io"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Timeline is what happened in a scheduler, ready to be drawn. Make one with [Record] or [New]; the zero
// Timeline has no events. All methods may be called from any goroutine.
type Timeline struct {
	mu  sync.Mutex
	run run // guarded by mu

	// Of Record; nil otherwise.
	s       *scheduler.Scheduler
	watcher *scheduler.Watcher
	flush   chan chan struct{} // asks the reader to take in all that was sent
	ended   chan struct{}      // closed when the reader has ended
}

// recordRoom is how many events may be unread while the reader does not run.
const recordRoom = 16_384

// New makes a timeline of events in the order in which they happened. The limits are those that held
// before the first event. [slices.Values] makes a sequence of the events of a [scheduler.EventLog]. New does
// not keep the events, so they need not all be in memory.
func New(limits scheduler.Limits, events iter.Seq[scheduler.Event]) *Timeline {
	t := &Timeline{}
	t.run.begin(limits)
	for e := range events {
		t.run.add(e)
	}
	return t
}

// Record records the events of s from now on, until Stop or until the scheduler ends. The picture also has what
// the windows remember of the time before.
//
// It watches the scheduler from a goroutine of its own, so the scheduler never waits for it. It takes about 3
// MB from the beginning, and about 90 bytes for each ticket, more if the ticket names costs. That grows without
// bound; see [RecordFirst]. If events come faster than the goroutine takes them, some are lost.
// [Timeline.Missed] counts them, and the picture says so. A test that must not miss any passes a
// [scheduler.EventLog] to scheduler.New, and its events to [New].
//
// It returns [scheduler.ErrClosed] if the scheduler is closed.
func Record(s *scheduler.Scheduler) (*Timeline, error) { return RecordFirst(s, math.MaxInt) }

// RecordFirst is [Record] for a run of unknown length. It ends the recording when one more ticket comes than
// the given number, counting refused ones. So memory is bounded, and the scheduler is not watched any more
// after that. The picture then says that it shows only the first tickets.
func RecordFirst(s *scheduler.Scheduler, tickets int) (*Timeline, error) {
	t := &Timeline{s: s, flush: make(chan chan struct{}), ended: make(chan struct{})}
	t.run.begin(s.Limits())
	t.run.most = tickets
	began := s.Clock().Now()
	first := s.Snapshot()
	watcher, err := s.Watch(recordRoom)
	if err != nil {
		return nil, err
	}
	t.watcher = watcher
	t.run.inherit(began, first, s.Snapshot(), s.Stats())
	go t.read()
	return t, nil
}

// read takes in events until there are no more.
func (t *Timeline) read() {
	defer close(t.ended)
	events := t.watcher.Events()
	for {
		if t.run.full { // only add sets it, here
			t.watcher.Stop()
			return
		}
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			t.add(e)
		case done := <-t.flush:
			for range len(events) {
				e, ok := <-events
				if !ok {
					break
				}
				t.add(e)
			}
			close(done)
		}
	}
}

func (t *Timeline) add(e scheduler.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.run.add(e)
}

// Stop ends the recording and waits for its goroutine. The timeline can still be drawn. Stopping again,
// or a timeline of [New], does nothing.
func (t *Timeline) Stop() {
	if t.watcher == nil {
		return
	}
	end := t.s.Clock().Now()
	t.watcher.Stop()
	<-t.ended
	t.mu.Lock()
	defer t.mu.Unlock()
	t.run.close(end)
}

// Missed returns how many events were lost so far.
func (t *Timeline) Missed() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.run.missed
}

// SVG writes a picture of the recording so far, in one call of Write. It may be called during the recording,
// and again later. If an option is invalid, it returns a [*scheduler.InvalidError] and writes nothing. Otherwise
// it returns the error of w.
//
// A picture of 20 tickets takes about 20 KB and a millisecond, one of 200,000 about 200 KB and half a
// second, on a 2-core cloud VM.
func (t *Timeline) SVG(w io.Writer, opts ...Option) error {
	settings, err := newSettings(opts)
	if err != nil {
		return err
	}
	_, err = w.Write(t.draw(settings))
	return err
}

// draw returns the file.
func (t *Timeline) draw(settings settings) []byte {
	var now time.Time
	if t.watcher != nil {
		t.s.Stats() // a barrier: what was decided before has been sent
		now = t.s.Clock().Now()
		done := make(chan struct{})
		select {
		case t.flush <- done:
			<-done
		case <-t.ended:
			now = time.Time{}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !now.IsZero() {
		t.run.close(now)
	}
	return newPicture(&t.run, settings).draw()
}
