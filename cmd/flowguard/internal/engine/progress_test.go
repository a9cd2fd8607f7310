package engine

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/screen"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

func TestProgress(t *testing.T) {
	for name, tt := range map[string]struct {
		total  int
		change func(*run)
		want   string
	}{
		"begins":        {20, nil, "  0% [..........] 0/20  ETA 9s  waiting for input"},
		"in the middle": {20, func(r *run) { r.did(10) }, " 50% [#####.....] 10/20  2/s  ETA 5s  waiting for input"},
		"at its turn": {20, func(r *run) {
			r.did(10)
			r.await(&job{})
		}, " 50% [#####.....] 10/20  2/s  ETA 5s  next in 1s"},
		"running and failed": {20, func(r *run) {
			r.did(10)
			r.tally.Begun, r.tally.Failed = 12, 3
			r.running[&job{attempt: 1}], r.running[&job{attempt: 2}] = ticket.Ticket{}, ticket.Ticket{}
		}, " 50% [#####.....] 10/20  2/s  ETA 4s  2 running  3 failed"},
		"resumed":       {20, func(r *run) { r.did(5); r.tally.Skipped = 10 }, " 75% [#######...] 15/20  1/s  ETA 3s  waiting for input"},
		"to retry":      {20, func(r *run) { r.did(10); r.tally.Begun = 11; r.due.add(time.Now(), &job{}) }, " 50% [#####.....] 10/20  2/s  ETA 5s  1 to retry"},
		"total unknown": {0, func(r *run) { r.did(10) }, "10 done  2/s  waiting for input"},
		"stopping": {20, func(r *run) {
			r.did(10)
			r.running[&job{item: items.Item{Text: []byte("x")}, began: time.Now().Add(-3 * time.Second)}] = ticket.Ticket{}
			r.stop(130)
		}, " 50% [#####.....] 10/20  2/s  stopping: waiting for 1 command: cmd x (3s)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var err error
				e := &Engine{Total: tt.total, Work: takes(0), Screen: screen.New(io.Discard, "", false, true)}
				if e.Turns, err = scheduler.New(scheduler.MustParseLimits("2/s")); err != nil {
					t.Fatal(err)
				}
				defer e.Turns.Close()
				if e.Input, err = items.NewReader(items.Options{}, strings.NewReader("")); err != nil {
					t.Fatal(err)
				}
				defer e.Input.Close()
				r := &run{Engine: e, began: time.Now(), running: map[*job]ticket.Ticket{}}
				time.Sleep(5 * time.Second)
				if tt.change != nil {
					tt.change(r)
				}
				if got := r.progress(time.Now()); got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		})
	}
}

// did lets jobs have been done, the last two of them just now.
func (r *run) did(n int) {
	r.tally.Begun, r.tally.Done = n, n
	for range 2 {
		r.Turns.TryAcquire()
	}
}

// What is known of the total is what counts, not how far the reader is ahead.
func TestTotalOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ said, lines, want int }{{0, 5000, -1}, {7000, 5000, 7000}, {0, 10, 10}, {7000, 10, 10}} {
			input, err := items.NewReader(items.Options{}, numbers(tt.lines))
			if err != nil {
				t.Fatal(err)
			}
			go input.Run(t.Context())
			synctest.Wait()
			r := &run{Engine: &Engine{Input: input, Total: tt.said}}
			n, known := r.total()
			if !known {
				n = -1
			}
			if n != tt.want {
				t.Errorf("%d lines, said to be %d: %d, want %d", tt.lines, tt.said, n, tt.want)
			}
			input.Close()
			for range input.Items() {
			}
		}
	})
}
