package timeline

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// plainFill adds up what counts in a window at an instant, ticket by ticket. What a ticket costs of a unit it
// reads in the events: what the last one up to that instant says.
func plainFill(r *run, events []scheduler.Event, w scheduler.Window, at instant, layers int, layer func(int32) int) (sum int, by []int) {
	by = make([]int, layers)
	add := func(from, to instant, flow int32, n int) {
		if from <= at && at < to {
			sum += n
			by[layer(flow)] += n
		}
	}
	for _, s := range r.spans {
		if s.granted == unknown {
			continue
		}
		ends := func(from instant) instant {
			if w.From == scheduler.FromReset {
				return r.at(w.NextReset(r.start.Add(time.Duration(from))))
			}
			return from.plus(w.Per)
		}
		end := ends(s.granted)
		if w.From == scheduler.FromRelease {
			if end = forever; s.left != unknown {
				end = s.left.plus(w.Per)
			}
		}
		if s.undone {
			end = min(s.left, ends(s.granted))
		}
		n := int(s.weight)
		if w.Unit != "" {
			n = 0
			for _, e := range events {
				if e.Number == s.number && e.Kind != scheduler.EventReleased && e.Kind != scheduler.EventUndone && r.at(e.At) <= at {
					n = 0
					for _, c := range e.Costs {
						if c.Unit == string(w.Unit) {
							n = c.Amount
						}
					}
				}
			}
		}
		add(s.granted, end, s.flow, n)
	}
	for _, c := range r.charged {
		if sameRow(c.window, w) {
			end := c.at.plus(w.Per)
			if w.From == scheduler.FromReset {
				end = r.at(w.NextReset(r.start.Add(time.Duration(c.at))))
			}
			add(c.at, end, elsewhere, c.n)
		}
	}
	return sum, by
}

const tokens, rows scheduler.Unit = "tokens", "rows"

// randomEvents is a run that a scheduler need not have granted.
func randomEvents(random *rand.Rand, windows []scheduler.Window) []scheduler.Event {
	at := time.Unix(1000, 0)
	var events []scheduler.Event
	var waiting, held []scheduler.Event
	pick := func(from *[]scheduler.Event) scheduler.Event {
		i := random.IntN(len(*from))
		e := (*from)[i]
		*from = slices.Delete(*from, i, i+1)
		return e
	}
	for n := 1; len(events) < 120; {
		at = at.Add(time.Duration(random.IntN(4)) * time.Duration(random.IntN(400)) * time.Millisecond)
		e := scheduler.Event{At: at}
		switch k := random.IntN(14); {
		case k < 4:
			e.Kind, e.Number, e.Weight, e.Flow = scheduler.EventEnqueued, ticket.Number(n), random.IntN(3)+1, []string{"", "a", "b"}[random.IntN(3)]
			if random.IntN(3) > 0 {
				e.Costs = []ticket.Cost{tokens.Of(random.IntN(9)), rows.Of(1)}
			}
			n++
			waiting = append(waiting, e)
		case k < 7 && len(waiting) > 0:
			e = pick(&waiting)
			e.Kind, e.Wait, e.At = scheduler.EventGranted, at.Sub(e.At), at
			held = append(held, e)
		case k < 9 && len(held) > 0:
			e = pick(&held)
			e.Kind, e.At = scheduler.EventReleased, at
			if random.IntN(5) == 0 {
				e.Kind = scheduler.EventUndone
			}
		case k == 9 && len(waiting) > 0:
			e = pick(&waiting)
			e.Kind, e.At, e.Err = scheduler.EventGivenUp, at, scheduler.ErrClosed
		case k > 11 && len(held) > 0:
			i := random.IntN(len(held))
			if len(held[i].Costs) == 0 {
				continue
			}
			held[i].Costs = []ticket.Cost{tokens.Of(random.IntN(12)), rows.Of(random.IntN(3))}
			e = held[i]
			e.Kind, e.At = scheduler.EventSettled, at
		case k == 10:
			e.Kind, e.Window, e.Weight = scheduler.EventCharged, windows[random.IntN(len(windows))], random.IntN(3)+1
		default:
			e.Kind, e.Weight, e.Err = scheduler.EventRefused, 1, scheduler.ErrQueueFull
		}
		events = append(events, e)
	}
	return events
}

// Each column of a chart shows the largest fill that there is within it, and whose it is, as adding up
// ticket by ticket says.
func TestTraceAgainstPlainSums(t *testing.T) {
	windows := []scheduler.Window{
		scheduler.Per(3, time.Second),
		{Permits: 4, Per: 2 * time.Second, From: scheduler.FromRelease},
		tokens.Per(20, 2*time.Second),
		{Permits: 20, Per: time.Second, Unit: tokens, From: scheduler.FromRelease},
		{Permits: 9, Per: 3 * time.Second, Unit: rows, From: scheduler.FromReset},
		{Permits: 9, Per: time.Second, Unit: rows, Evenly: true},
	}
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(seed, 0))
		events := randomEvents(random, windows)
		tl := New(scheduler.Limits{Windows: windows}, slices.Values(events))
		r := &tl.run
		v := view{from: 0, to: r.last + 1, columns: 40 + random.IntN(80)}
		if random.IntN(2) == 0 {
			v.from, v.to = r.last/4, r.last/2+1
		}
		// Edges of columns on whole nanoseconds, so that each instant lies in one.
		v.to += instant(v.columns) - (v.to-v.from)%instant(v.columns)
		all, _ := r.windowRows(v.from, v.to)
		layer := func(flow int32) int { return int(flow) + 1 }
		layers := len(r.flows) + 1
		for i, rw := range all {
			ch := trace(rw, v, layers, layer)

			// All instants at which a fill may change, and the columns' edges.
			var instants []instant
			for _, c := range rw.changes {
				for _, at := range []instant{c.at - 1, c.at} {
					if v.shows(at) {
						instants = append(instants, at)
					}
				}
			}
			for at := v.from; at < v.to; at += (v.to - v.from) / instant(v.columns) {
				instants = append(instants, at)
			}
			most := make([]int, v.columns)
			highest := 0
			var full time.Duration
			slices.Sort(instants)
			for j, at := range instants {
				if at >= v.to {
					continue
				}
				sum, _ := plainFill(r, events, windows[i], at, layers, layer)
				highest = max(highest, sum)
				most[v.column(at)] = max(most[v.column(at)], sum)
				next := v.to
				if j+1 < len(instants) {
					next = min(instants[j+1], v.to)
				}
				if sum >= windows[i].Permits {
					full += time.Duration(next - at)
				}
			}
			if ch.highest != highest {
				t.Fatalf("seed %d, %v: highest %d, want %d", seed, windows[i], ch.highest, highest)
			}
			if ch.full != full {
				t.Fatalf("seed %d, %v: full for %v, want %v", seed, windows[i], ch.full, full)
			}
			for j, c := range ch.columns {
				if c.sum != most[j] {
					t.Fatalf("seed %d, %v: column %d shows %d, want %d", seed, windows[i], j, c.sum, most[j])
				}
				if sum := total(c.layers); sum != c.sum {
					t.Fatalf("seed %d, %v: column %d: layers %v, sum %d", seed, windows[i], j, c.layers, c.sum)
				}
			}
		}
	}
}

func total(ns []int) (sum int) {
	for _, n := range ns {
		sum += n
	}
	return sum
}

func TestView(t *testing.T) {
	v := view{from: 0, to: 10, columns: 5}
	for at, want := range []int{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4} {
		if got := v.column(instant(at)); got != want {
			t.Errorf("instant %d lies in column %d, want %d", at, got, want)
		}
		if got := v.begins(instant(at)); got != (at%2 == 0) {
			t.Errorf("instant %d begins a column: %v", at, got)
		}
	}
	// A hundred years in a wide picture do not overflow.
	century := view{from: 0, to: instant(100 * 365 * 24 * time.Hour), columns: 8000}
	if got := century.scale(century.to/2, 40_000); got != 20_000 {
		t.Errorf("half of a century lies at %d", got)
	}
}

// What ends at an instant makes room for what begins then, also where no event says in which order.
func TestNeighboursDoNotOverlap(t *testing.T) {
	var w row
	w.occupy(10, 20, 0, 0, 1)
	w.occupy(0, 10, 0, 0, 1)
	w.occupy(10, 10, 0, 0, 5) // nobody saw it
	w.sort()
	c := trace(w, view{from: 0, to: 30, columns: 3}, 1, func(int32) int { return 0 })
	if c.highest != 1 {
		t.Errorf("highest %d", c.highest)
	}
}

// Red is what a grant brought above the limit, for as long as it stays above. What comes from elsewhere is
// not, nor is what a lower limit left above itself.
func TestBrokenEndsWithTheExcess(t *testing.T) {
	w := row{isWindow: true}
	w.limit(regime{from: unknown}, 2, "2")
	w.occupy(0, 20, 1, 0, 2)
	w.occupy(10, 30, 2, 0, 1)         // a grant too much, until 20
	w.occupy(30, 60, 3, elsewhere, 5) // not a grant
	w.limit(regime{from: 70, seq: 5}, 5, "5")
	w.occupy(70, 100, 6, 0, 4)
	w.limit(regime{from: 80, seq: 7}, 1, "1")
	w.sort()
	c := trace(w, view{from: 0, to: 100, columns: 10}, 2, func(flow int32) int { return int(flow + 1) })
	for i, col := range c.columns {
		if want := i == 1; col.broken != want {
			t.Errorf("column %d is broken: %v", i, col.broken)
		}
	}
	if !slices.Equal(c.broken, []instant{10}) {
		t.Errorf("broken at %v", c.broken)
	}
}
