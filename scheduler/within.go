package scheduler

import (
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/internal/line"
)

// within is a scheduler whose limits hold for all keys of a seat together. The holder of a seat may borrow the
// state of that scheduler, or wait for its owner. The owner never waits for a seat.
//
// A ticket that its key's limits would grant at once asks the scheduler too, while the seat is held: so both
// decide at one instant. A ticket that must wait is in the line of its key until it is the first there and fits
// the limits of the key. Then a representative takes a place for it in the line of the scheduler. When the
// representative is granted, the seat's owner charges the key's limits. If these have no room any more, because
// they were changed meanwhile, the representative's grant is undone.
type within struct {
	handle *Handle
	bell   func() // tells the seat's owner that there is news
	news   atomic.Pointer[representative]
	known  *representative // of the news: those that News has not returned yet

	held map[*line.Place]deposit // what the scheduler granted for the ticket at a place
}

// deposit is a ticket of the scheduler that belongs to one of a key.
type deposit struct {
	place  *line.Place
	number uint64
}

// representative is in the scheduler's line in place of the first ticket of a key.
type representative struct {
	line.Place
	of     *within
	first  *line.Place // the key's ticket
	number uint64      // its number
	key    any         // the key's name in package keyed

	told atomic.Int32
	why  error // set before told
	next *representative
}

const (
	toldNothing int32 = iota
	toldOnce
	toldAndHeard
)

// Told implements [line.Listener]. It is called by the holder of the scheduler's state.
func (r *representative) Told(err error) {
	r.why = err
	r.told.Store(toldOnce)
	for {
		last := r.of.news.Load()
		r.next = last
		if r.of.news.CompareAndSwap(last, r) {
			break
		}
	}
	r.of.bell()
}

// TakeBack implements [line.Listener].
func (r *representative) TakeBack() bool { return r.told.CompareAndSwap(toldOnce, toldNothing) }

// Within makes the limits of a scheduler hold for all keys together. It is called once, before all else.
func (s *seat) Within(h *Handle, bell func()) {
	s.within = &within{handle: h, bell: bell, held: make(map[*line.Place]deposit)}
	s.gate = s.firstMayPass
}

// News returns the name in package keyed of a key whose representative was told something, or nil if there is
// none. Those that were told since the news were last looked at come when all others have.
func (s *seat) News() (key any) {
	w := s.within
	if w == nil {
		return nil
	}
	if w.known == nil {
		w.known = w.news.Swap(nil)
	}
	r := w.known
	if r == nil {
		return nil
	}
	w.known, r.next = r.next, nil
	return r.key
}

// decide decides about a new ticket of the key that is open. If it is to be granted it also returns what the scheduler
// granted for it.
func (s *seat) decide(k call, r *request) (v verdict, d deposit, err error) {
	if !s.core.takes(r) {
		v, err = s.core.decideToWait(k, r)
		return v, d, err
	}
	if s.within == nil {
		return verdictGranted, d, nil
	}
	d, err = s.within.take(r)
	switch no := err.(type) {
	case nil:
		return verdictGranted, d, nil
	case *NoPermitError:
		v, err = s.decideToWaitWithin(k, r, no)
		return v, d, err
	}
	return verdictRefused, d, err
}

// decideToWaitWithin decides about a ticket that only the scheduler makes wait, in the order of decideToWait.
func (s *seat) decideToWaitWithin(k call, r *request, no *NoPermitError) (verdict, error) {
	c := s.core
	left := c.now.until(c.standing(r.deadline))
	switch {
	case k == callTry:
		return verdictRefused, ErrNoPermit
	case k == callNow, k == callAcquire && c.nonBlocking:
		return verdictRefused, no
	case c.full(nil):
		return verdictRefused, &QueueFullError{Max: c.maxQueue, Wait: no.Wait}
	case r.deadline != never && no.Wait != Forever && no.Wait > left:
		return verdictRefused, &DeadlineError{Wait: no.Wait, Left: left, Limit: no.Limit}
	}
	return verdictQueued, nil
}

// admit does what was decided about a new ticket.
func (s *seat) admit(v verdict, d deposit, p *line.Place, r *request, err error) {
	s.state.admit(v, p, r, err)
	switch {
	case v == verdictGranted && s.within != nil:
		s.within.held[p] = d
	case v == verdictQueued && s.within != nil:
		s.grant() // its representative
	}
}

// take takes a ticket of the scheduler that need not wait.
func (w *within) take(r *request) (d deposit, err error) {
	q := request{weight: r.weight, deadline: never, flow: w.handle.flow, costs: r.costs}
	if w.handle.invalid != nil {
		return d, w.handle.invalid
	}
	p, answered, err := w.handle.tryNow(callNow, &q)
	if !answered {
		p = w.handle.shared.place()
		if !w.handle.box.Send(&message{verb: verbNow, place: p, request: q}) {
			return d, ErrClosed
		}
		if err = <-p.Ready(); err != nil {
			w.handle.shared.places.Put(p)
		}
	}
	if err != nil {
		return d, err
	}
	return deposit{p, p.Number}, nil
}

// firstMayPass reports whether the first ticket of the key's line may be granted as far as the scheduler goes. It is
// asked before each grant.
func (s *seat) firstMayPass() bool {
	live := s.live
	for {
		p, _ := s.core.line.First()
		if p == nil || s.core.closed || !s.core.fits(s.core.demandOf(p)) {
			s.recall()
			return false
		}
		if r := live.stands; r == nil || r.first != p || r.number != p.Number {
			s.recall()
			s.represent(p)
		}
		r := live.stands
		if !r.told.CompareAndSwap(toldOnce, toldAndHeard) {
			return false
		}
		live.stands = nil
		if r.why == nil {
			s.within.held[p] = deposit{&r.Place, r.Number}
			return true
		}
		s.dismiss(p, nil, r.why)
	}
}

// represent puts a representative of the key's ticket at p into the scheduler's line.
func (s *seat) represent(p *line.Place) {
	w := s.within
	r := &representative{of: w, first: p, number: p.Number, key: s.key}
	r.Place = line.PlaceFor(r)
	s.live.stands = r
	if w.handle.invalid != nil {
		r.why = w.handle.invalid
		r.told.Store(toldOnce)
		return
	}
	list := line.ListOf(s.core.costsOf(p))
	defer list.Recycle()
	a, ok := w.handle.ask(&message{verb: verbEnqueue, place: &r.Place, request: request{weight: p.Weight, deadline: never, costs: list}})
	if !ok {
		a.err = ErrClosed
	}
	if a.err != nil { // it was told nothing
		r.why = a.err
		r.told.Store(toldOnce)
	}
}

// recall takes the representative back, if there is one. If it was granted that is undone.
func (s *seat) recall() {
	r := s.live.stands
	if r == nil {
		return
	}
	s.live.stands = nil
	s.within.handle.ask(&message{verb: verbWithdraw, place: &r.Place, err: errGivenUp})
}

// checkRepresentative takes the representative back if its ticket has gone.
func (s *seat) checkRepresentative() {
	if r := s.live.stands; r != nil {
		if p, _ := s.core.line.First(); p != r.first || p.Number != r.number {
			s.recall()
		}
	}
}

// ended gives back, or if undone takes back, what the scheduler granted for the ticket at p, if that has ended.
func (s *seat) ended(p *line.Place, undone bool) {
	d, ok := s.within.held[p]
	if !ok || p.State != line.Idle {
		return
	}
	delete(s.within.held, p)
	h := s.within.handle
	if undone {
		h.ask(&message{verb: verbWithdraw, place: d.place, err: errGivenUp})
		d.place.TakeBack()
		return
	}
	(*desk)(h).Release(d.place, d.number)
}

// wait returns how long a ticket of the scheduler taken now would wait.
func (w *within) wait(r *request) time.Duration {
	a, ok := w.handle.ask(&message{verb: verbWait, request: request{weight: r.weight, deadline: never, costs: r.costs}})
	if !ok {
		return Forever
	}
	return a.wait
}
