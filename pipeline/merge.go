package pipeline

import (
	"context"
	"reflect"
)

// Merge hands on the items of all inputs and closes its output when all inputs have closed. The items
// of one input keep their order.
//
// It is fair: it goes round the inputs and takes one waiting item from each. So before a waiting item it hands
// on at most one item of each other input, however busy they are.
//
// Nil inputs are left out; if all are nil the output is nil. With no inputs the output is closed.
//
// When ctx ends, the one item in hand is dropped.
//
// Merge is not concurrent, and ordered for each of its inputs.
func Merge[T any](ctx context.Context, ins ...<-chan T) <-chan T {
	m := merger[T]{ctx: ctx}
	for _, in := range ins {
		if in != nil {
			m.ins = append(m.ins, in)
		}
	}
	if len(m.ins) == 0 && len(ins) > 0 {
		return nil
	}
	out := make(chan T)
	go func() {
		defer close(out)
		for {
			item, ok := m.next()
			if !ok || !send(ctx, out, item) {
				return
			}
		}
	}()
	return out
}

// merger takes items from several inputs in turn.
type merger[T any] struct {
	ctx   context.Context
	ins   []<-chan T           // those not yet closed
	turn  int                  // index of the input whose turn it is, counted round
	cases []reflect.SelectCase // of ins, and last of ctx; made when first needed
}

// next returns the next item, or false if there are no more or ctx has ended.
func (m *merger[T]) next() (item T, ok bool) {
	for len(m.ins) > 0 && m.ctx.Err() == nil {
		i, item, ok := m.poll()
		if i < 0 {
			i, item, ok = m.wait()
		}
		switch {
		case i == len(m.ins):
			return item, false
		case ok:
			m.turn = (i + 1) % len(m.ins)
			return item, true
		}
		m.drop(i)
	}
	return item, false
}

// poll goes round the inputs, beginning with the one whose turn it is, and receives from the first
// that is ready. It returns its index, or -1 if none is ready.
func (m *merger[T]) poll() (i int, item T, ok bool) {
	for n := range m.ins {
		i = (m.turn + n) % len(m.ins)
		select {
		case item, ok = <-m.ins[i]:
			return i, item, ok
		default:
		}
	}
	return -1, item, false
}

// wait receives from the first input that becomes ready. It returns its index, or len(m.ins) if ctx
// has ended before.
func (m *merger[T]) wait() (i int, item T, ok bool) {
	if m.cases == nil {
		for _, in := range m.ins {
			m.cases = append(m.cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(in)})
		}
		m.cases = append(m.cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(m.ctx.Done())})
	}
	i, v, ok := reflect.Select(m.cases)
	if ok {
		item, _ = v.Interface().(T) // a nil interface is the zero T
	}
	return i, item, ok
}

// drop forgets the input i, which has closed. The turn stays with the one that followed it.
func (m *merger[T]) drop(i int) {
	m.ins = append(m.ins[:i], m.ins[i+1:]...)
	m.cases = nil
	if m.turn > i {
		m.turn--
	}
}
