package scheduler

// parts are those of a scheduler whose owner does not run.
type parts struct {
	handle *Handle
	state  *state
	owner  *owner
}

func newParts(l Limits, c Clock) *parts {
	h := new(Handle)
	h.init(newShared(c, &l), newMailbox(true, true))
	return &parts{h, newState(h.shared, l, unlimited, false), newOwner(h.shared, h.box)}
}

// run is the owner's life.
func (p *parts) run() { p.owner.run(p.state) }

// lend lends the state out while it does something.
func (p *parts) lend(do func(h *Handle)) {
	p.handle.box.lend(p.state)
	do(p.handle)
	p.state = p.handle.box.callIn()
}

// withState does something with the borrowed state, as ask would. It returns false if the state is not
// to be had.
func (h *Handle) withState(do func(*state)) bool {
	st := h.box.borrow()
	if st == nil {
		return false
	}
	defer h.box.giveBack(st)
	st.catchUp()
	do(st)
	st.grant()
	return true
}
