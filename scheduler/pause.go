package scheduler

// pause is a stop of all grants. It is in force from Pause to Resume, or until an instant.
type pause struct {
	halted bool   // until Resume
	until  moment // else
}

// extend makes the pause last until the instant, if it does not last longer already.
func (p *pause) extend(until moment) {
	if until == never {
		p.halted = true
		return
	}
	p.until = max(p.until, until)
}

func (p *pause) paused(now moment) bool { return p.halted || now < p.until }

// fits is only asked while the pause is in force.
func (p *pause) fits(moment, int) bool { return false }

// roomAt does not count a pause that lasts until Resume, because nothing is known of its end.
func (p *pause) roomAt(now moment, _ *foreseen, _ demand) (at moment, sure bool) {
	return max(now, p.until), !p.halted
}

func (p *pause) grant(moment, int)        {}
func (p *pause) release(moment, int)      {}
func (p *pause) undo(moment, moment, int) {}
func (p *pause) String() string           { return "pause" }
