package pipeline

import "fmt"

// Option changes how much a concurrent stage does at a time. Options are made by [Concurrency] and
// [Buffer].
type Option interface {
	apply(*bounds)
}

type optionFunc func(*bounds)

func (f optionFunc) apply(b *bounds) { f(b) }

// bounds say how much a concurrent stage does at a time.
type bounds struct {
	concurrency int // 0: not given
	buffer      int // -1: not given
}

// Concurrency lets a stage run up to n calls of its work at a time. The burst of its scheduler holds
// besides, for all stages on it together. Give it where the far side or this program bears fewer calls
// than the limits allow, or where calls may hang. Concurrency panics if n is below 1.
//
// Without this option the limits alone decide how many calls run: the burst, or in a scheduler that has
// none the windows and the length of the calls. A stage looks at the burst whenever it is about to take an
// item, so [scheduler.Scheduler.SetLimits] changes it for stages that run. A stage that is full looks
// again when a call ends or a result is taken.
func Concurrency(n int) Option {
	if n < 1 {
		panic(fmt.Sprintf("pipeline: Concurrency must be 1 or more, got %d", n))
	}
	return optionFunc(func(b *bounds) { b.concurrency = n })
}

// Buffer lets [OrderedMap] and [OrderedMapN] keep up to n finished results while an earlier item is
// still in work or the reader does not read: behind a slow item, work goes on for n items more. The
// default is the stage's concurrency if [Concurrency] is given, and otherwise 1,000: a slow item or a
// reader that pauses should not cost permits. Give less where results are large. Buffer panics if n is
// below 0.
//
// A stage that has no bound of calls, because its scheduler has no burst and Concurrency is not given,
// takes no item while more than n finished results wait. Calls that run then, and the item in line, still
// add theirs. This holds for [Map] and [MapN] too. With a bound of calls these two keep no results.
func Buffer(n int) Option {
	if n < 0 {
		panic(fmt.Sprintf("pipeline: Buffer must be 0 or more, got %d", n))
	}
	return optionFunc(func(b *bounds) { b.buffer = n })
}

// newBounds returns what the options say.
func newBounds(opts []Option) bounds {
	b := bounds{buffer: -1}
	for _, opt := range opts {
		opt.apply(&b)
	}
	return b
}
