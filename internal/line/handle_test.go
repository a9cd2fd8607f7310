package line_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/flowguard-go/flowguard/internal/line"
)

// desk writes down what it was asked to do.
type desk struct{ asked []string }

func (d *desk) Release(p *line.Place, n uint64) { d.write("release", p, n) }
func (d *desk) Cancel(p *line.Place, n uint64)  { d.write("cancel", p, n) }

func (d *desk) Settle(p *line.Place, n uint64, costs *line.CostList) error {
	d.write(fmt.Sprint("settle ", costs.All()), p, n)
	return nil
}

func (d *desk) desk() *line.Desk {
	desk := line.Desk(d)
	return &desk
}

func (d *desk) write(verb string, p *line.Place, n uint64) {
	d.asked = append(d.asked, fmt.Sprint(verb, " ", n, " at the place of ", p.Number))
}

// A handle names the ticket it was made for, also when its place serves another by now.
func TestWaiting(t *testing.T) {
	var lines line.Lines
	var d desk
	p := line.NewLazyPlace()
	lines.Push(&p.Place, 3, nil)
	var h line.Handle
	h.Wait(d.desk(), p, p.Number, p.Weight)
	if h.Number() != 1 || h.Weight() != 3 || h.Ready() != p.Ready() {
		t.Errorf("%+v", h)
	}
	h.Cancel()
	lines.Remove(&p.Place, nil)
	lines.Push(&p.Place, 1, nil)
	h.Release()
	if h.Number() != 1 || h.Weight() != 3 {
		t.Errorf("%+v", h)
	}
	if want := []string{"cancel 1 at the place of 1", "release 1 at the place of 2"}; !slices.Equal(d.asked, want) {
		t.Errorf("asked to %q, want %q", d.asked, want)
	}
}

func TestGranted(t *testing.T) {
	var lines line.Lines
	var d desk
	p := line.NewPlace()
	lines.Issue(p, 2)
	var h line.Handle
	h.Grant(d.desk(), p)
	for range 2 { // a channel for each call
		if err := <-h.Ready(); err != nil {
			t.Errorf("granted, and told %v", err)
		}
	}
	h.Release()
	if want := []string{"release 1 at the place of 1"}; h.Number() != 1 || h.Weight() != 2 || !slices.Equal(d.asked, want) {
		t.Errorf("%d of weight %d asked to %q", h.Number(), h.Weight(), d.asked)
	}
}

func TestZeroHandle(t *testing.T) {
	var zero line.Handle
	zero.Release()
	zero.Cancel()
	if err := <-zero.Ready(); err == nil {
		t.Error("the zero Handle says it was granted")
	}
}
