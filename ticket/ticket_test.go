package ticket_test

import (
	"slices"
	"testing"

	"github.com/flowguard-go/flowguard/internal/line"
	"github.com/flowguard-go/flowguard/ticket"
)

// The zero Ticket is what failed calls return.
func TestZeroTicket(t *testing.T) {
	var zero ticket.Ticket
	zero.Release()
	zero.Cancel()
	if err := <-zero.Ready(); err == nil {
		t.Error("the zero Ticket says it was granted")
	}
	if zero.Number() != 0 || zero.Weight() != 0 {
		t.Errorf("%+v", zero)
	}
}

// desk writes down the numbers of the tickets given back.
type desk struct {
	released, cancelled []uint64
	settled             []ticket.Cost
}

func (d *desk) Release(_ *line.Place, n uint64) { d.released = append(d.released, n) }
func (d *desk) Cancel(_ *line.Place, n uint64)  { d.cancelled = append(d.cancelled, n) }

func (d *desk) Settle(_ *line.Place, n uint64, costs *line.CostList) error {
	for _, c := range costs.All() {
		d.settled = append(d.settled, ticket.Cost(c))
	}
	return nil
}

// A ticket is the handle that a scheduler made for it.
func TestTicketIsItsHandle(t *testing.T) {
	var lines line.Lines
	var d desk
	at := line.Desk(&d)
	a, b := line.NewLazyPlace(), line.NewPlace()
	lines.Push(&a.Place, 2, nil)
	lines.Push(b, 3, nil)
	var first ticket.Ticket
	(*line.Handle)(&first).Wait(&at, a, a.Number, a.Weight)
	second := granted(&at, b)
	if first.Number() != 1 || first.Weight() != 2 || second.Number() != 2 || second.Weight() != 3 {
		t.Errorf("%+v, %+v", first, second)
	}
	if first.Ready() != a.Ready() {
		t.Error("another channel than that of the place")
	}
	if err := <-second.Ready(); err != nil {
		t.Errorf("granted, and told %v", err)
	}
	first.Cancel()
	second.Release()
	if !slices.Equal(d.cancelled, []uint64{1}) || !slices.Equal(d.released, []uint64{2}) {
		t.Errorf("released %v, cancelled %v", d.released, d.cancelled)
	}
}

// idleDesk does nothing.
type idleDesk struct{}

func (idleDesk) Release(*line.Place, uint64)                      {}
func (idleDesk) Cancel(*line.Place, uint64)                       {}
func (idleDesk) Settle(*line.Place, uint64, *line.CostList) error { return nil }

func TestTicketAllocatesNothing(t *testing.T) {
	p := line.NewLazyPlace()
	p.Number = 1
	d := line.Desk(idleDesk{})
	if n := testing.AllocsPerRun(100, func() {
		granted := granted(&d, &p.Place)
		granted.Release()
		granted.Cancel()
	}); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}

func granted(d *line.Desk, p *line.Place) (t ticket.Ticket) {
	(*line.Handle)(&t).Grant(d, p)
	return t
}
