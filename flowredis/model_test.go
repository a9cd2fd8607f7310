package flowredis

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// model is what quota.lua does, in Go: the memory of an engine, plain data that is told the time. Tests
// compare it with the script call by call, and run clusters on it.
//
// Per window it keeps a log of what was used and when, rounded up, and per node what it holds: what was leased
// to it and not yet reported as used. What a window counts at an instant is the log of the last Per and all that is
// held. It leases only what keeps that within the limit. A permit that is leased at g and used at u counts from g until
// at least u+Per: it is held until reported, and then in the log at an instant not before u. What a silent
// node holds is logged at the end of its lease, after which the node does not use it. So take all uses in (x, x+Per]
// and the latest of their leases: at that instant all the others counted.
type model struct {
	gen    string
	quotas map[string]*memory

	broken breakage // what a test breaks on purpose
}

// breakage names a rule that the model leaves out, to see that tests notice.
type breakage string

const (
	leasesNotCounted breakage = "leases not counted"
	deadNotCharged   breakage = "dead lease not charged"
	restartUnnoticed breakage = "restart unnoticed"
	noTurns          breakage = "no turns"
	burstUnshared    breakage = "burst unshared"
	ageDoubled       breakage = "age doubled"
	lateLog          breakage = "late log" // what is reported is logged with the next report
	noHistory        breakage = "no history"
	leaseRevived     breakage = "ended lease revived"
	slotsFreed       breakage = "slots freed after a stall"
	waitersForgotten breakage = "who waits is forgotten"
	loggedLater      breakage = "logged later than it may have been"
)

type memory struct {
	gen, config           string
	last, ready, grace    int64
	windows               []modelWindow
	nodes                 []*node
	lease, burst, longest int64
	recovery              int64
}

type modelWindow struct {
	permits, per, total int64
	log                 []entry
}

type entry struct{ at, n int64 }

type node struct {
	id                       string
	serial, used, held, busy int64
	seen                     int64
	tag                      int64 // what it was served; the lowest comes first
	head, waiting            int64
	asked                    int64 // when it last waited
	owes                     int64 // charged when its lease ended, so not again when it is reported
	lease, again             int64 // of the last answer
	late                     entry // lateLog only
}

func newModel() *model { return &model{quotas: map[string]*memory{}} }

func numbers(text string) (n []int64) {
	for _, word := range strings.Fields(text) {
		i, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			panic(err)
		}
		n = append(n, i)
	}
	return n
}

func newMemory(gen, config string) *memory {
	n := numbers(config)
	m := &memory{gen: gen, config: config, lease: n[0], recovery: n[1], burst: n[2]}
	for i := 3; i < len(n); i += 2 {
		m.windows = append(m.windows, modelWindow{permits: n[i], per: n[i+1]})
		m.longest = max(m.longest, n[i+1])
	}
	return m
}

// delay is for how long nothing is leased after memory was lost.
func (m *memory) delay() int64 {
	switch Recovery(m.recovery) {
	case Recollect:
		return m.lease
	case Quarantine:
		return m.lease + m.longest
	}
	return 0
}

func (w *modelWindow) charge(at, n int64) {
	cell := max(1, w.per/128)
	i := len(w.log) - 1
	for i >= 0 && w.log[i].at > at {
		i--
	}
	w.total += n
	of := func(at int64) float64 { return math.Floor(float64(at) / float64(cell)) }
	switch {
	case i+1 < len(w.log) && of(w.log[i+1].at) == of(at):
		w.log[i+1].n += n
	case i >= 0 && of(w.log[i].at) == of(at):
		w.log[i].at = at
		w.log[i].n += n
	default:
		w.log = slices.Insert(w.log, i+1, entry{at, n})
	}
}

func (w *modelWindow) expire(now int64) {
	first := 0
	for first < len(w.log) && w.log[first].at+w.per <= now {
		w.total -= w.log[first].n
		first++
	}
	w.log = slices.Delete(w.log, 0, first)
}

func (m *memory) charge(at, n int64) {
	for i := range m.windows {
		m.windows[i].charge(at, n)
	}
}

func (m *memory) find(id string) *node {
	for _, n := range m.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (m *memory) live(n *node, now int64) bool { return n.seen+m.lease > now }

// contends reports whether the node wants more than there was when it last asked, or wanted that lately.
func (e *model) contends(m *memory, n *node, now int64) bool {
	return now-n.asked < m.lease/2 || n.head > 0 && m.live(n, now) && e.broken != waitersForgotten
}

// call runs one exchange when the engine's clock shows raw.
func (e *model) call(raw int64, key string, c *call) result {
	renew := func() { e.gen = fmt.Sprintf("%d-%s", raw, c.nonce) }
	var m *memory
	stale := false
	if c.begin || e.gen == "" {
		renew()
	} else if m = e.quotas[key]; m != nil && m.gen != e.gen {
		m, stale = nil, true
	}
	var nd *node
	lapsed := false
	now := raw
	if m != nil {
		now = max(raw, m.last)
		nd = m.find(c.id)
		remembered := c.known == e.gen && c.acked > 0
		if remembered && e.broken != restartUnnoticed && (nd != nil && nd.serial < c.acked || nd == nil && c.silent < m.longest+5*m.lease) {
			renew()
			m, nd = nil, nil
		} else if m.config != c.config {
			for _, other := range m.nodes {
				if m.live(other, now) {
					return result{code: codeDisagree, clock: raw, text: m.config}
				}
			}
			before := m
			m, nd = newMemory(e.gen, c.config), nil
			m.last, m.ready = now, now+before.lease+before.longest
		}
	} else if !stale && c.known == e.gen && c.acked > 0 {
		m = newMemory(e.gen, c.config)
		m.last, m.ready = now, now+m.delay()
		if c.silent >= m.longest+5*m.lease {
			m.ready = 0
		}
	}
	if m == nil {
		m = newMemory(e.gen, c.config)
		m.last = now
		since, _, _ := strings.Cut(e.gen, "-")
		m.ready = numbers(since)[0] + m.delay()
	}
	e.quotas[key] = m

	if now-m.last > m.lease/2 && e.broken != slotsFreed {
		m.grace = now + m.lease
	}
	m.last = now

	for i := len(m.nodes) - 1; i >= 0; i-- {
		n := m.nodes[i]
		if m.live(n, now) {
			continue
		}
		lapsed = lapsed || n == nd
		if n.held > 0 {
			if e.broken != deadNotCharged {
				m.charge(n.seen+m.lease+1, n.held)
			}
			n.owes += n.held
			n.busy += n.held // it may be in use
			n.held = 0
		}
		if now >= m.grace {
			n.busy = 0
		}
		if n.seen+m.longest+10*m.lease <= now {
			m.nodes = slices.Delete(m.nodes, i, i+1)
			if n == nd {
				nd = nil
			}
		}
	}
	var highest int64
	for _, n := range m.nodes {
		highest = max(highest, n.tag)
	}

	age := c.age
	switch e.broken {
	case ageDoubled:
		age *= 2
	case loggedLater:
		age -= m.lease / 4
	}
	if nd == nil {
		if c.past == "-" {
			return result{code: codeResend, clock: raw, text: e.gen}
		}
		if c.leased > 0 && now >= m.ready {
			return result{code: codeStale, clock: raw, text: e.gen} // as below
		}
		for i, list := range strings.FieldsFunc(c.past, func(r rune) bool { return r == ';' }) {
			for _, one := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
				a, n, _ := strings.Cut(one, ":")
				if e.broken != noHistory {
					m.windows[i].charge(now+1-numbers(a)[0], numbers(n)[0])
				}
			}
		}
		nd = &node{id: c.id, serial: c.serial, used: c.used, seen: now, tag: highest, asked: now}
		m.nodes = append(m.nodes, nd)
	} else {
		// What was leased when the request was made has been charged meanwhile, and may count no longer.
		if c.serial < nd.serial || c.leased > 0 && lapsed && e.broken != leaseRevived {
			return result{code: codeStale, clock: raw, text: e.gen}
		}
		if c.serial == nd.serial {
			return result{lease: nd.lease, again: nd.again, clock: raw, text: e.gen}
		}
		delta := max(0, c.used-nd.used)
		if due := max(0, delta-nd.owes); due > 0 {
			at := now + 1 - age
			if e.broken == lateLog {
				at, nd.late.at = nd.late.at, at
				due, nd.late.n = nd.late.n, due
			}
			if due > 0 {
				m.charge(at, due)
			}
		}
		nd.tag -= max(0, nd.held-delta-c.leased)
		least := int64(1<<53 - 1)
		if m.burst > 0 {
			least = m.burst
		}
		for i := range m.windows {
			least = min(least, m.windows[i].permits)
		}
		if now-nd.asked > m.lease {
			nd.tag = max(nd.tag, highest-least)
		}
		nd.serial, nd.used, nd.owes = c.serial, max(c.used, nd.used), 0
	}
	nd.held, nd.busy, nd.seen, nd.head, nd.waiting = c.leased, c.inUse, now, c.head, c.waiting
	if c.head > 0 {
		nd.asked = now
	}

	var held, busy, live int64
	for i := range m.windows {
		m.windows[i].expire(now)
	}
	for _, n := range m.nodes {
		held += n.held
		busy += n.busy
		if m.live(n, now) {
			live++
		}
	}
	if e.broken == burstUnshared {
		busy = nd.busy
	}
	if e.broken == leasesNotCounted {
		held = 0
	}
	free, least := int64(1<<53-1), int64(1<<53-1)
	for i := range m.windows {
		w := &m.windows[i]
		free, least = min(free, w.permits-w.total-held), min(least, w.permits)
	}
	if m.burst > 0 {
		free, least = min(free, m.burst-held-busy), min(least, m.burst)
	}
	clump := (least + 15) / 16

	contenders := int64(1)
	for _, n := range m.nodes {
		if n != nd && e.contends(m, n, now) {
			contenders++
		}
	}
	others := func() (before, behind, fair int64) {
		fair = max(clump, max(0, free)/contenders)
		if e.broken == noTurns {
			return 0, 0, max(0, free)
		}
		mine := false
		for _, n := range m.nodes {
			switch {
			case n == nd:
				mine = true
			case e.contends(m, n, now):
				part := max(n.head, min(n.waiting, fair+max(0, nd.tag-n.tag)))
				if n.tag < nd.tag || n.tag == nd.tag && !mine {
					before += part
				} else {
					behind += part
				}
			}
		}
		return before, behind, fair
	}

	var grant, again int64
	before, behind, fair := others()
	left := free - before
	if now < m.ready {
		if c.head > 0 {
			again = m.ready - now
		}
	} else {
		if c.head > 0 && left >= c.head {
			grant = min(c.waiting+c.ahead, left, max(c.head, fair))
		}
		if c.head == 0 {
			if spare := left - behind; spare > 0 {
				grant = min(c.ahead, (spare+live-1)/live)
			}
		}
		nd.held += grant
		nd.tag += grant
		nd.waiting = c.waiting + c.ahead
		nd.head = 0
		if grant < c.waiting {
			nd.head = c.head
		}
		if c.head > 0 && grant < c.waiting {
			before, _, _ = others()
			rest, need := c.waiting-grant, int64(1)
			if grant == 0 {
				need = c.head
			}
			at := func(x int64) int64 {
				when := now
				for i := range m.windows {
					w := &m.windows[i]
					missing := x - (w.permits - w.total - held - grant)
					for _, l := range w.log {
						if missing <= 0 {
							break
						}
						if missing -= l.n; missing <= 0 {
							when = max(when, l.at+w.per)
						}
					}
					if missing > 0 {
						when = max(when, now+m.lease/4)
					}
				}
				if m.burst > 0 && x > m.burst-held-busy-grant {
					when = max(when, now+m.lease/20)
				}
				return when
			}
			first, enough := at(before+need), at(before+min(rest, max(need, clump)))
			again = max(1000, max(first, min(enough, now+m.lease/4))-now)
		}
	}
	nd.lease, nd.again = grant, again
	return result{lease: grant, again: again, clock: raw, text: e.gen}
}
