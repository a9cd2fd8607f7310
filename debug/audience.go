package debug

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// audience is the set of open pages. The first one starts a show, and the last one ends it.
type audience struct {
	schedulers []named
	mu         sync.Mutex
	show       *show // nil: no page is open
	recordings int
}

// maxLookers bounds the streams and the recordings that are open at once.
const maxLookers = 100

// looker is one open page.
type looker struct {
	frames chan []byte // the newest frame; room for one
}

// offer gives the looker a frame, which replaces one that it has not taken yet.
func (l *looker) offer(frame []byte) {
	select {
	case <-l.frames:
	default:
	}
	select {
	case l.frames <- frame:
	default: // another was offered in between, which is as new
	}
}

// join adds a looker. It returns the looker, which has the newest state, and the end of the show. It returns
// false if there are too many lookers. Call leave afterwards.
func (a *audience) join() (l *looker, ended <-chan struct{}, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.show == nil || a.show.over() {
		a.show = newShow(a.schedulers)
		go a.show.run()
	}
	if !a.show.admit() {
		return nil, nil, false
	}
	l = &looker{frames: make(chan []byte, 1)}
	a.show.add(l)
	return l, a.show.ended, true
}

// leave removes the looker.
func (a *audience) leave(l *looker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.show != nil && a.show.remove(l) {
		a.show = nil
	}
}

// frameData is one event of the stream: the state of all schedulers and what was counted.
type frameData struct {
	At         time.Time    `json:"at"` // by the computer's clock
	Schedulers []frameState `json:"schedulers"`
}

// frameState is a [State] with what was counted since the first page was opened.
type frameState struct {
	State
	Closed bool    `json:"closed,omitempty"` // it will not open again
	Seen   counted `json:"seen"`
}

// interval is the time between two frames.
const interval = 250 * time.Millisecond

// show watches the schedulers while a page is open.
type show struct {
	schedulers []named
	tallies    []*tally
	watchers   []*scheduler.Watcher // nil where the scheduler was closed already

	mu      sync.Mutex
	lookers map[*looker]bool
	stop    chan struct{} // closed when the last has left
	ended   chan struct{} // closed when all schedulers are closed, or the last has left
}

// watchRoom is how many events may be uncounted, of all schedulers together.
const watchRoom = 32_768

func newShow(schedulers []named) *show {
	s := &show{
		schedulers: schedulers,
		lookers:    map[*looker]bool{},
		stop:       make(chan struct{}),
		ended:      make(chan struct{}),
	}
	for _, n := range schedulers {
		t := newTally(n.s.Clock().Now())
		w, err := n.s.Watch(max(64, watchRoom/max(len(schedulers), 1)))
		if err != nil {
			w, t.ended = nil, true
		} else {
			go t.follow(w.Events())
		}
		s.tallies, s.watchers = append(s.tallies, t), append(s.watchers, w)
	}
	return s
}

// run shows the schedulers until the last has left, or all are closed.
func (s *show) run() {
	defer close(s.ended)
	defer func() {
		for _, w := range s.watchers {
			if w != nil {
				w.Stop() // which ends its tally
			}
		}
	}()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ticks := 1; ; ticks++ {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		if ticks%int(time.Second/interval) == 0 {
			for _, t := range s.tallies {
				t.tick()
			}
		}
		frame, closed := s.frame()
		s.mu.Lock()
		for l := range s.lookers {
			l.offer(frame)
		}
		s.mu.Unlock()
		if closed && len(s.schedulers) > 0 {
			return
		}
	}
}

// over reports whether the show has ended.
func (s *show) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *show) admit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lookers) < maxLookers
}

func (s *show) add(l *looker) {
	frame, _ := s.frame()
	l.offer(frame)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookers[l] = true
}

// remove reports whether it was the last, with whom the show ends.
func (s *show) remove(l *looker) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.lookers[l] {
		return false
	}
	delete(s.lookers, l)
	if len(s.lookers) > 0 {
		return false
	}
	close(s.stop)
	return true
}

// frame returns the present state as JSON, and whether all schedulers are closed.
func (s *show) frame() (frame []byte, closed bool) {
	f := frameData{At: time.Now(), Schedulers: []frameState{}}
	closed = true
	for i, n := range s.schedulers {
		state := frameState{State: stateOf(n)}
		state.Seen, state.Closed = s.tallies[i].report(state.At, state.Stats.Waiting)
		closed = closed && state.Closed
		f.Schedulers = append(f.Schedulers, state)
	}
	frame, err := json.Marshal(f)
	if err != nil {
		frame, _ = json.Marshal(map[string]string{"error": err.Error()})
	}
	return frame, closed
}
