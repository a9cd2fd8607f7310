package scheduler

import "slices"

// configure replaces the limits and returns the ids of those in line who can never fit. Each new
// window remembers what the old one did, or else one that is as long and counts the same from the same
// instants, or else the longest that does, and of several the fullest.
//
// If no old window counts the same from the same instants, the new one takes what was used at most of its
// unit to be used now. If it counts from release, what is held is known.
func (o *slowCore) configure(l Limits) (tooLarge []int) {
	old, past, observed := o.limits.Windows, o.past, o.observed
	used := make([]int, len(old))
	for i := range old {
		used[i] = o.used(o.granted, i, o.now)
	}
	for i, w := range old { // what has expired is not remembered by longer windows
		p := slowPast{vague: past[i].vague, forgotten: map[int]bool{}}
		for _, c := range past[i].charges {
			if o.now < o.ends(w, c.at) {
				p.charges = append(p.charges, c)
			}
		}
		for _, g := range o.granted {
			if from := g.from(w); past[i].forgotten[g.id] || from != never && o.ends(w, from) <= o.now {
				p.forgotten[g.id] = true
			}
		}
		past[i] = p
	}
	o.limits, o.past, o.observed = l, nil, nil
	for _, w := range l.Windows {
		same := func(o Window) bool { return o == w }
		counts := func(o Window) bool { return o.Unit == w.Unit && o.From == w.From }
		asLong := func(o Window) bool {
			return counts(o) && o.Per == w.Per && o.ResetAt == w.ResetAt && o.Zone == w.Zone
		}
		longest := func(o Window) bool { return counts(o) && w.From != FromReset }
		best := -1
		for _, alike := range []func(Window) bool{same, asLong, longest} {
			if best >= 0 {
				break
			}
			for i, o := range old {
				if alike(o) && (best < 0 || o.Per > old[best].Per || o.Per == old[best].Per && used[i] > used[best]) {
					best = i
				}
			}
		}
		if best < 0 {
			o.past = append(o.past, o.assume(w, old, used))
			o.observed = append(o.observed, slowObserved{})
			o.setApart(o.granted, len(o.past)-1)
			continue
		}
		p := past[best]
		p.charges = slices.Clone(p.charges)
		if w.Per > old[best].Per {
			p.vague = max(p.vague, o.now-moment(old[best].Per))
		}
		o.past = append(o.past, p)
		o.observed = append(o.observed, observed[best])
		o.setApart(o.granted, len(o.past)-1)
	}
	o.learn()
	for _, t := range o.line.All() {
		if _, is := o.oversize(o.asked[t.ID]); is {
			tooLarge = append(tooLarge, t.ID)
		}
	}
	for _, id := range tooLarge {
		o.line.Remove(id)
	}
	slices.Sort(tooLarge)
	return tooLarge
}

// assume returns what a window takes to be used that none before was like.
func (o *slowCore) assume(w Window, old []Window, used []int) slowPast {
	most, held := 0, 0
	for i := range old {
		if old[i].Unit == w.Unit {
			most = max(most, used[i])
		}
	}
	p := slowPast{vague: -1, forgotten: map[int]bool{}}
	for _, g := range o.granted {
		if g.released == never {
			held += g.asks[w.Unit]
		}
	}
	for _, g := range o.granted {
		p.forgotten[g.id] = g.released != never || w.From != FromRelease && held > 0
	}
	if held > 0 {
		p.vague = o.now // else nothing of before can be taken back
	}
	if w.From == FromRelease {
		most -= held
	}
	if most > 0 {
		p.charges = []slowCharge{{o.now, most}}
	}
	return p
}

// restarted returns what a new scheduler knows of the old one when its program has been down for a while: nothing
// of its tickets but when what they were granted counts, and of what is held that it counts from then on.
func (o *slowCore) restarted(down moment) *slowCore {
	r := newSlowCore(o.limits, o.epoch, o.maxQueue, o.nonBlocking)
	r.now = o.now + down
	if r.now < o.pausedUntil {
		r.pausedUntil = o.pausedUntil
	}
	for i := range o.limits.Windows {
		o.counted(o.granted, i, r.now, func(from moment, n int) {
			r.past[i].charges = append(r.past[i].charges, slowCharge{min(from, r.now), n})
		})
		r.setApart(nil, i)
		if until := o.observed[i].longest.until; r.now < until {
			r.observed[i].tell(slowObservation{r.now, until, max(0, o.left(i, o.now))})
			r.underway.counting = true
		}
	}
	return r
}
