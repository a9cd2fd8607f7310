package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/internal/memnet"
	"github.com/flowguard-go/flowguard/scheduler"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seeds returns how many seeds are tried. With each other calls come, their ways differ, and answers are of other
// lengths. A run is a fifth of a second of work.
func seeds() uint64 {
	if testing.Short() {
		return 1
	}
	return 5
}

// runInBubble is the program's run, in simulated time and over a network in memory.
func runInBubble(t *testing.T, w way, seed uint64) (got tally) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if got, err = run(t.Context(), w, memory, seed); err != nil {
			t.Fatalf("%s, seed %d: %v", w.name, seed, err)
		}
	})
	if all := got.answered + got.refused + got.gaveUp; all != len(load(seed)) {
		t.Errorf("%s, seed %d: %d calls ended, want %d", w.name, seed, all, len(load(seed)))
	}
	return got
}

func TestWays(t *testing.T) {
	for seed := range seeds() {
		got := make(map[string]tally)
		for _, w := range ways() {
			got[w.name] = runInBubble(t, w, seed)
		}
		// What the server counts from the arrival of a call on, the client has counted before, and still counts
		// when the server has stopped. So with upper bounds no call is refused, settled or not.
		for name, g := range got {
			if g.refused > 0 != (name == "together, guessed and settled") {
				t.Errorf("%s, seed %d: %d times 429, want none with upper bounds and some with guesses", name, seed, g.refused)
			}
			requests, tokens := name == "in turn, requests first", name == "in turn, tokens first"
			if g.lostRequests > 0 != requests || g.lostTokens > 0 != tokens {
				t.Errorf("%s, seed %d: charged %d requests and %d tokens for calls that never ran", name, seed, g.lostRequests, g.lostTokens)
			}
			if g.tokens > 1 || g.requests > 1 {
				t.Errorf("%s, seed %d: used %.2f of the tokens and %.2f of the requests, which are more than there are", name, seed, g.tokens, g.requests)
			}
		}
		kept, settled := got["together"], got["together, settled"]
		if settled.tokens < 1.3*kept.tokens || settled.answered <= kept.answered {
			t.Errorf("seed %d: settled %.0f %% of the tokens and %d answers, not settled %.0f %% and %d; want a third more tokens",
				seed, 100*settled.tokens, settled.answered, 100*kept.tokens, kept.answered)
		}
	}
}

// Where the server never corrects what it reserved, the client must not either.
func TestServerThatKeepsWhatItReserved(t *testing.T) {
	w := way{name: "the server keeps", open: newTogether, estimate: atMost, serverKeeps: true}
	for seed := range seeds() {
		if got := runInBubble(t, w, seed); got.refused > 0 {
			t.Errorf("seed %d: %d times 429, want none", seed, got.refused)
		}
	}
}

// These show that the tests above would see a limit that is broken.
func TestOthersAreRefused(t *testing.T) {
	fromGrant := func(l scheduler.Limits) (limiter, error) {
		for i := range l.Windows {
			l.Windows[i].From = scheduler.FromGrant
		}
		return newTogether(l)
	}
	oneMore := func(l scheduler.Limits) (limiter, error) {
		l.MaxBurst++
		return newTogether(l)
	}
	for _, w := range []way{
		{name: "from grant", open: fromGrant, estimate: atMost, settles: true},
		{name: "a burst of one more", open: oneMore, estimate: atMost, settles: true},
		{name: "settled though the server keeps what it reserved", open: newTogether, estimate: atMost, settles: true, serverKeeps: true},
	} {
		refused := 0
		for seed := range seeds() {
			refused += runInBubble(t, w, seed).refused
		}
		if refused < int(seeds()) {
			t.Errorf("%s: %d times 429 in %d runs, want one in each at least", w.name, refused, seeds())
		}
	}
}

func TestInterrupted(t *testing.T) {
	for _, w := range ways() {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), minute)
			defer cancel()
			began := time.Now()
			_, err := run(ctx, w, memory, 1)
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > minute+patience {
				t.Errorf("%s: ended with %v after %v, want the end of the context after %v", w.name, err, took, minute)
			}
		})
	}
}

func TestTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		if err := compare(t.Context(), &out, memory, 1); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2+len(ways()) {
			t.Fatalf("printed %d lines, want a title, a head and one for each of %d ways:\n%s", len(lines), len(ways()), out.String())
		}
		for i, w := range ways() {
			if line := strings.TrimSpace(lines[2+i]); !strings.HasPrefix(line, w.name+" ") {
				t.Errorf("line %d is %q, want it to begin with %q", 3+i, line, w.name)
			}
		}
	})
}

// memory is a network for a bubble.
func memory() (net.Listener, dialer, error) {
	l := memnet.Listen("server.test:80")
	return l, l.Dial, nil
}
