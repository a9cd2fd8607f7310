package engine

import (
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process"
	"github.com/flowguard-go/flowguard/ticket"
)

// Work is what is done with an item whose turn has come.
type Work interface {
	// Do works on an item, in a goroutine of its own. It returns soon after stop says so.
	Do(stop process.Stop, i items.Item) process.Exit

	// Publish writes what Do has kept for later. One call is made at a time.
	Publish(o *process.Output) error

	// Line is the item's command in one line, for logs and messages.
	Line(i items.Item) string
}

// fatal is an error after which no further item is begun.
type fatal struct {
	status int
	err    error
}

func (f *fatal) Error() string { return f.err.Error() }
func (f *fatal) Unwrap() error { return f.err }

// Fatal returns an error of work after which no further item is begun, and with which status the run
// then ends.
func Fatal(status int, err error) error { return &fatal{status, err} }

// job is an item on its way.
type job struct {
	item    items.Item
	costs   []ticket.Cost // of each attempt
	attempt int           // the present one, from 1
	began   time.Time
	took    time.Duration
	exit    process.Exit

	unlogged bool // what it wrote is published, but the job does not count as done
}
