package processes

import (
	"slices"
	"testing"

	"github.com/flowguard-go/flowguard/scheduler"
)

// findings is what the oracle found out about the grants of all nodes.
type findings struct {
	granted  []int // permits, by node
	together []int // of those, what came while all were at it
	total    int
	most     []int // in any interval of each window
	held     int   // most at once
	grants   []change
	first    int64 // the first grant
	last     int64
}

// change is one change of what counts.
type change struct {
	at      int64
	granted int
	held    int
	node    int
}

// judge looks at all grants of all nodes, which were all at it from begun to done. It knows nothing of leases: it counts.
func judge(t *testing.T, l scheduler.Limits, begun, done int64, nodes ...*node) (f findings) {
	t.Helper()
	var all []change
	for node, n := range nodes {
		grants := map[uint64]int{}
		sum := 0
		for _, r := range n.records(t, maxRecords) {
			switch scheduler.EventKind(r.kind) {
			case scheduler.EventGranted:
				grants[r.number] = len(all)
				all = append(all, change{at: r.at, granted: int(r.weight), held: int(r.weight), node: node})
				sum += int(r.weight)
			case scheduler.EventReleased, scheduler.EventUndone:
				i := grants[r.number]
				delete(grants, r.number)
				if scheduler.EventKind(r.kind) == scheduler.EventUndone {
					sum -= all[i].granted
					all[i] = change{at: all[i].at}
					continue
				}
				at := r.at
				if n.cut != 0 && all[i].at <= n.cut {
					at = max(all[i].at, min(at, n.alive))
				}
				all = append(all, change{at: at, held: -int(r.weight)})
			}
		}
		for _, i := range grants {
			if n.cut != 0 {
				all = append(all, change{at: max(all[i].at, n.alive), held: -all[i].held})
			}
		}
		f.granted = append(f.granted, sum)
		f.total += sum
	}
	slices.SortStableFunc(all, func(a, b change) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return a.held - b.held // what is released in an instant makes room in it
	})
	f.grants = all
	for _, w := range l.Windows {
		sum, most, first := 0, 0, 0
		for _, c := range all {
			sum += c.granted
			for all[first].at <= c.at-int64(w.Per) {
				sum -= all[first].granted
				first++
			}
			most = max(most, sum)
		}
		f.most = append(f.most, most)
	}
	held := 0
	for _, c := range all {
		held += c.held
		f.held = max(f.held, held)
	}
	f.together = make([]int, len(nodes))
	if len(all) > 0 {
		f.first, f.last = all[0].at, min(done, all[len(all)-1].at)
	}
	for _, c := range all {
		if c.at > begun && c.at <= done {
			f.together[c.node] += c.granted
		}
	}
	return f
}

// exceeded reports whether a limit was.
func (f findings) exceeded(l scheduler.Limits) bool {
	for i, w := range l.Windows {
		if f.most[i] > w.Permits {
			return true
		}
	}
	return l.MaxBurst > 0 && f.held > l.MaxBurst
}

// use returns what part of a window was used in whole Pers after the first one, in which the windows were empty.
func (f findings) use(w scheduler.Window) float64 {
	begin := f.first + int64(w.Per)
	periods := (f.last - begin) / int64(w.Per)
	sum := 0
	for _, c := range f.grants {
		if c.at > begin && c.at <= begin+periods*int64(w.Per) {
			sum += c.granted
		}
	}
	return float64(sum) / float64(max(1, periods)) / float64(w.Permits)
}
