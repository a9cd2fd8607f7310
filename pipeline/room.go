package pipeline

import (
	"context"
	"sync"
)

// keeps is how many finished results a stage keeps if it was given neither [Concurrency] nor [Buffer].
// A reader that keeps up with the limits may still pause for a moment, or get the results of many calls
// at once. The more results may wait for it meanwhile, the less often that costs permits.
const keeps = 1000

// room decides when a concurrent stage may take one more item.
type room struct {
	bounds
	ordered bool       // the stage keeps finished results beside the items in calls
	burst   func() int // of the scheduler, now; 0: none
	freed   chan struct{}

	mu       sync.Mutex
	calls    int // items taken whose calls have not ended
	finished int // items whose calls have ended and whose results have not been handed on
}

func newRoom(b bounds, ordered bool, burst func() int) *room {
	return &room{bounds: b, ordered: ordered, burst: burst, freed: make(chan struct{}, 1)}
}

// wait waits until there is room for one more item, and returns false if ctx ends before. A stage calls
// it before it takes an item: a permit must not wait for room.
func (r *room) wait(ctx context.Context) bool {
	for ctx.Err() == nil {
		if r.fits() {
			return true
		}
		select {
		case <-r.freed:
		case <-ctx.Done():
		}
	}
	return false
}

// fits reports whether there is room for one more item.
func (r *room) fits() bool {
	limit := r.limit()
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit == 0 {
		return r.finished <= r.kept(limit)
	}
	return r.calls < limit && r.calls-limit+r.finished < r.kept(limit)
}

// limit returns how many calls may run at a time, or 0 if the stage has no bound of its own.
func (r *room) limit() int {
	burst := r.burst()
	if r.concurrency == 0 || 0 < burst && burst < r.concurrency {
		return burst
	}
	return r.concurrency
}

// kept returns how many finished results the stage may keep. If its calls are limited, these results do not
// count as calls. But an unordered stage then keeps none, because a waiting result counts as a call.
func (r *room) kept(limit int) int {
	switch {
	case limit > 0 && !r.ordered:
		return 0
	case r.buffer >= 0:
		return r.buffer
	case r.concurrency > 0:
		return limit
	}
	return keeps
}

// take counts an item that was taken.
func (r *room) take() {
	r.mu.Lock()
	r.calls++
	r.mu.Unlock()
}

// finish counts a call that has ended.
func (r *room) finish() {
	r.mu.Lock()
	r.calls--
	r.finished++
	r.mu.Unlock()
	r.free()
}

// handOn counts a result that was handed on or dropped.
func (r *room) handOn() {
	r.mu.Lock()
	r.finished--
	r.mu.Unlock()
	r.free()
}

// free makes wait check again.
func (r *room) free() {
	select {
	case r.freed <- struct{}{}:
	default:
	}
}
