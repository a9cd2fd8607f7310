// Package settings is what the options of package scheduler set. It stands apart so that package
// schedulertest can make an option of its own, and nobody else can.
package settings

import (
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// Settings are what a scheduler works with besides its limits.
type Settings struct {
	Clock       Clock
	MaxQueue    int
	NonBlocking bool
	Journal     *Journal // nil: nothing is written down
	KeepCore    bool     // the owner lends nothing; for tests, which must pass either way
}

// Clock is documented as scheduler.Clock.
type Clock interface {
	Now() time.Time
	Since(t time.Time) time.Duration
	AfterFunc(d time.Duration, f func()) *clock.Timer
}

// Kind says what happened to a ticket.
type Kind uint8

// What can happen to a ticket, as a journal tells it.
const (
	Enqueued Kind = iota
	Granted
	Released
	GivenUp // while waiting, or by the end of the scheduler
	Undone  // after the grant, of which nobody knew
)

// Entry is one line of a journal.
type Entry struct {
	Kind   Kind
	Number uint64
	Weight int
	Flow   string
	At     time.Time
}

// Journal is a list of all that happened, for tests: it grows without bound. A scheduler's owner
// writes it, anybody reads it.
type Journal struct {
	mu      sync.Mutex
	entries []Entry
}

// Write adds an entry.
func (j *Journal) Write(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
}

// Entries returns what was written so far. The entries of the result must not be changed.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[:len(j.entries):len(j.entries)]
}
