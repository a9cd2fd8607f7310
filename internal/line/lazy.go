package line

import "sync/atomic"

// LazyPlace is a place whose channel is made when somebody asks for it. Most tickets in a long line are asked
// one after the other, so a channel for each would take more memory than all else that is kept of them.
//
// The owner of the line tells, and any goroutine may ask at the same time. What was told before somebody
// asked is kept in signal instead of the channel.
type LazyPlace struct {
	Place
	signal atomic.Pointer[signal] // nil: nothing was told, and nobody has asked
}

// signal is what one side has left for the other.
type signal struct {
	ready channelListener // nil: nobody has asked yet
	told  error           // if nobody has asked
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
