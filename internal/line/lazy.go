package line

import "sync/atomic"

// LazyPlace is a place that makes its channel when the caller first asks for it. Callers ask most tickets of a
// long line one after the other. A channel for each ticket would take more memory than everything else about
// it.
//
// The owner of the line tells, and any goroutine may ask at the same time. If the owner tells before a caller
// asks, signal keeps the result instead of the channel.
type LazyPlace struct {
	Place
	signal atomic.Pointer[signal] // nil: nothing was told, and no caller has asked
}

// signal is what one side has left for the other.
type signal struct {
	ready channelListener // nil: no caller has asked yet
	told  error           // if no caller has asked
}

var granted signal // told nil; most tickets are

// NewLazyPlace returns an idle place.
func NewLazyPlace() *LazyPlace {
	p := new(LazyPlace)
	p.listener = p
	return p
}

// Told implements [Listener].
func (p *LazyPlace) Told(err error) {
	news := &granted
	if err != nil {
		news = &signal{told: err}
	}
	if !p.signal.CompareAndSwap(nil, news) {
		p.signal.Load().ready.Told(err) // the owner takes back what it told before it tells again
	}
}

// TakeBack implements [Listener].
func (p *LazyPlace) TakeBack() bool {
	s := p.signal.Load()
	if s == nil || s.ready == nil && p.signal.CompareAndSwap(s, nil) {
		return s != nil
	}
	return p.signal.Load().ready.TakeBack()
}

// Ready returns the channel that delivers what was told or will be. Any goroutine may call it.
func (p *LazyPlace) Ready() <-chan error {
	for {
		s := p.signal.Load()
		if s != nil && s.ready != nil {
			return s.ready
		}
		asked := &signal{ready: make(channelListener, 1)}
		if s != nil {
			asked.ready <- s.told
		}
		if p.signal.CompareAndSwap(s, asked) {
			return asked.ready
		}
	}
}
