package pipeline

import (
	"fmt"

	"github.com/flowguard-go/flowguard/ticket"
)

// Option changes how much a concurrent stage does at a time, or what its items cost. [Concurrency], [Buffer]
// and [Cost] make options.
type Option interface {
	apply(*bounds)
}

type optionFunc func(*bounds)

func (f optionFunc) apply(b *bounds) { f(b) }

// bounds say how much a concurrent stage does at a time, and what its items cost.
type bounds struct {
	concurrency int   // 0: not given
	buffer      int   // -1: not given
	costs       []any // of func(T) ticket.Cost
}

// Cost makes a stage ask the function what each item costs in a unit other than permits, such as the tokens of
// a prompt. The item's ticket names that cost; see [scheduler.Unit]. Pass several Costs for several units:
//
//	pipeline.Map(ctx, s, prompts, complete, pipeline.Cost(func(p Prompt) ticket.Cost { return tokens.Of(p.Estimate) }))
//
// The work of [Map], [OrderedMap], [ForEach] and their N forms then gets a context that carries the ticket. The
// work calls [ticket.FromContext], and settles what the item really cost. A throttle does not settle. A cost
// that a limit can never hold, one below 0, and a unit that the limits never named are refused as weights are.
// The refusal is the result of the item, or the fault of a throttle.
//
// A stage panics when it is called if T is not the type of its items. The function must not be nil. Cost takes
// one allocation for each item, for the context.
func Cost[T any](of func(T) ticket.Cost) Option {
	if of == nil {
		panic("pipeline: Cost needs a function, got nil")
	}
	return optionFunc(func(b *bounds) { b.costs = append(b.costs, of) })
}

// costsOf returns the functions for what items of a stage cost.
func costsOf[T any](stage string, b bounds) (costs []func(T) ticket.Cost) {
	for _, of := range b.costs {
		f, ok := of.(func(T) ticket.Cost)
		if !ok {
			var item T
			panic(fmt.Sprintf("pipeline: %s: Cost got a %T, but the items of the stage are of type %T", stage, of, item))
		}
		costs = append(costs, f)
	}
	return costs
}

// pricer asks what items cost, one after the other.
type pricer[T any] struct {
	of    []func(T) ticket.Cost
	costs []ticket.Cost // of the last item; used again
}

func (p *pricer[T]) price(item T) []ticket.Cost {
	p.costs = p.costs[:0]
	for _, of := range p.of {
		p.costs = append(p.costs, of(item))
	}
	return p.costs
}

// Concurrency lets a stage run up to n calls of its work at a time. The burst of its scheduler still holds, for
// all of its stages together. Use Concurrency if the server or this program can bear fewer calls than the
// limits allow, or if calls may hang. Concurrency panics if n is below 1.
//
// Without this option only the limits decide how many calls run. That is the burst, or without a burst the
// windows and the length of the calls. A stage looks at the burst whenever it is about to take an item, so
// [scheduler.Scheduler.SetLimits] changes it for running stages. A full stage looks again when a call ends or a
// result is taken.
func Concurrency(n int) Option {
	if n < 1 {
		panic(fmt.Sprintf("pipeline: Concurrency must be 1 or more, got %d", n))
	}
	return optionFunc(func(b *bounds) { b.concurrency = n })
}

// Buffer lets [OrderedMap] and [OrderedMapN] keep up to n finished results while an earlier item is still in
// work or the reader does not read. So work goes on for n items behind a slow one. The default is the stage's
// concurrency if [Concurrency] is given. Otherwise it is 1,000, so that a slow item or a pausing reader leaves
// no permits unused. Use less if results are large. Buffer panics if n is below 0.
//
// If the scheduler has no burst and Concurrency is not given, nothing bounds a stage's calls. Such a stage
// takes no item while more than n finished results wait. Calls that run then, and the item in line, still add
// their results. This holds for [Map] and [MapN] too. If their calls are bounded, these two keep no results.
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
