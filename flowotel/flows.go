package flowotel

import (
	"maps"
	"sync"

	"github.com/flowguard-go/flowguard/scheduler"
)

// flows counts the grants of each flow. A nil one counts nothing.
type flows struct {
	watcher *scheduler.Watcher
	most    int

	mu      sync.Mutex
	granted map[string]uint64
}

// other is the common key of all flows beyond the number that is told apart.
const other = "other"

// room is how many events may be uncounted.
const room = 4096

// follow counts from now on, in a goroutine that ends with stop or with the scheduler.
func follow(s *scheduler.Scheduler, most int) (*flows, error) {
	w, err := s.Watch(room)
	if err != nil {
		return nil, err
	}
	f := &flows{watcher: w, most: most, granted: map[string]uint64{}}
	go func() {
		for e := range w.Events() {
			if e.Kind == scheduler.EventGranted {
				f.count(e.Flow)
			}
		}
	}()
	return f, nil
}

func (f *flows) count(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.granted[key]; !known && len(f.granted) >= f.most {
		key = other
	}
	f.granted[key]++
}

// counts returns a copy of the counts.
func (f *flows) counts() map[string]uint64 {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.granted)
}

func (f *flows) stop() {
	if f != nil {
		f.watcher.Stop()
	}
}
