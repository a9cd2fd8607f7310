package pipeline

import (
	"fmt"
	"math"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Option changes how much a concurrent stage does at a time. Options are made by [Concurrency] and
// [Buffer].
type Option interface {
	apply(*bounds)
}

type optionFunc func(*bounds)

func (f optionFunc) apply(b *bounds) { f(b) }

// bounds say how much a concurrent stage does at a time.
type bounds struct {
	concurrency int
	buffer      int
}

// Concurrency lets a stage run up to n calls of its work at a time. The burst of its scheduler holds
// besides, for all stages on it together. Without this option a stage may use the whole burst; with
// a scheduler that has none it runs one call at a time, because nobody has said how many the far side
// bears. Concurrency panics if n is below 1.
func Concurrency(n int) Option {
	if n < 1 {
		panic(fmt.Sprintf("pipeline: Concurrency must be 1 or more, got %d", n))
	}
	return optionFunc(func(b *bounds) { b.concurrency = n })
}

// Buffer lets [OrderedMap] and [OrderedMapN] keep up to n finished results while an earlier item is
// still in work or the reader does not read: behind a slow item, work goes on for n items more. The
// default is the stage's concurrency. The other stages keep no results. Buffer panics if n is below 0.
func Buffer(n int) Option {
	if n < 0 {
		panic(fmt.Sprintf("pipeline: Buffer must be 0 or more, got %d", n))
	}
	return optionFunc(func(b *bounds) { b.buffer = n })
}

// newBounds returns the bounds of a stage on s.
func newBounds(s *scheduler.Scheduler, opts []Option) bounds {
	b := bounds{buffer: -1}
	for _, opt := range opts {
		opt.apply(&b)
	}
	burst := s.Limits().MaxBurst
	switch {
	case b.concurrency == 0:
		b.concurrency = max(burst, 1)
	case burst > 0:
		b.concurrency = min(b.concurrency, burst)
	}
	if b.buffer < 0 {
		b.buffer = b.concurrency
	}
	b.buffer = min(b.buffer, math.MaxInt-b.concurrency) // so that they can be added
	return b
}
