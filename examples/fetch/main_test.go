package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/internal/memnet"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seeds returns so many seeds, or with -short a tenth of them. With each the requests are on their way for other times.
func seeds(n uint64) uint64 {
	if testing.Short() {
		return n / 10
	}
	return n
}

// crawlInBubble is the program's crawl, in simulated time and over a network in memory.
func crawlInBubble(t *testing.T, name string, seed uint64) (got tally) {
	t.Helper()
	for _, w := range ways() {
		if w.name != name {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			n := memnet.Listen("server.test:80")
			var err error
			if got, err = crawl(t.Context(), n, n.Dial, w.limits, seed, func(tally) {}); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
	if got.fetched != pages {
		t.Errorf("seed %d: fetched %d pages, want %d", seed, got.fetched, pages)
	}
	if least := best(serverLimits(), pages); got.elapsed < least {
		t.Errorf("seed %d: took %v, the best possible is %v", seed, got.elapsed, least)
	}
	return got
}

func TestWithoutLimitManyAreRefused(t *testing.T) {
	for seed := range seeds(20) {
		if got := crawlInBubble(t, "none", seed); got.refused < pages {
			t.Errorf("seed %d: %d times 429, want at least one for each of %d pages", seed, got.refused, pages)
		}
	}
}

// This is what counting from grant leaves to chance, and so it shows that the jitter here would break
// the promise of the test below if it could be broken.
func TestFromGrantFewAreRefused(t *testing.T) {
	for seed := range seeds(20) {
		if got := crawlInBubble(t, "grant", seed); got.refused < 1 || got.refused > pages/10 {
			t.Errorf("seed %d: %d times 429, want a few", seed, got.refused)
		}
	}
}

func TestFromReleaseNoneIsRefused(t *testing.T) {
	for seed := range seeds(50) {
		got := crawlInBubble(t, "release", seed)
		if got.refused > 0 {
			t.Errorf("seed %d: %d times 429, want none", seed, got.refused)
		}
		// None refused is easy for a crawler that dawdles.
		if most := 3 * time.Second; got.elapsed > most {
			t.Errorf("seed %d: took %v, want less than %v", seed, got.elapsed, most)
		}
	}
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := memnet.Listen("server.test:80")
		got, err := crawl(ctx, n, n.Dial, serverLimits(), 1, func(tally) {})
		if !errors.Is(err, context.DeadlineExceeded) || got.elapsed != time.Second {
			t.Errorf("ended with %v after %v, want the end of the context after 1s", err, got.elapsed)
		}
	})
}
