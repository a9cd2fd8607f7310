package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// direct is a network for a bubble: it calls the handler.
func direct(h http.Handler) (http.RoundTripper, func(), error) {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return w.Result(), nil
	}), func() {}, nil
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What the program's comment says to look for is there.
func TestDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		without, err := download(t.Context(), direct, "burst 10")
		if err != nil {
			t.Fatal(err)
		}
		with, err := download(t.Context(), direct, "20/s from release burst 4")
		if err != nil {
			t.Fatal(err)
		}
		if without.refused < 20 || with.refused > 0 || with.elapsed > without.elapsed {
			t.Errorf("without a limit %+v, with one %+v", without, with)
		}
		// 60 items at 20 a second take at least two seconds, and what windows from release cost.
		if with.elapsed < 2*time.Second || with.elapsed > 3*time.Second {
			t.Errorf("took %v", with.elapsed)
		}
	})
}

func TestCompete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, err := compete(t.Context(), direct, oneLine)
		if err != nil {
			t.Fatal(err)
		}
		each, err := compete(t.Context(), direct, lineEach)
		if err != nil {
			t.Fatal(err)
		}
		if one.slowest < 800*time.Millisecond || each.slowest > 100*time.Millisecond {
			t.Errorf("one line: %+v, a line each: %+v", one, each)
		}
		if one.greedy < 40 || each.greedy < 40 {
			t.Errorf("the greedy client gets too little: one line: %+v, a line each: %+v", one, each)
		}
	})
}

// An interruption and a server that fails end the program with their reason.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := show(ctx, new(bytes.Buffer), direct); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("interrupted: %v", err)
		}
		broken := errors.New("broken")
		fails := func(http.Handler) (http.RoundTripper, func(), error) {
			return roundTrip(func(*http.Request) (*http.Response, error) { return nil, broken }), func() {}, nil
		}
		if _, err := download(t.Context(), fails, "burst 10"); !errors.Is(err, broken) {
			t.Errorf("download: %v", err)
		}
		if _, err := compete(t.Context(), fails, oneLine); !errors.Is(err, broken) {
			t.Errorf("compete: %v", err)
		}
	})
}

func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		began := time.Now()
		if err := show(t.Context(), &out, direct); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("takes %v", took)
		}
		want := regexp.MustCompile(`^The server allows 20/s burst 4\.
1\. a client without a limit +60 items, +\d+ times 429, \d\.\ds
2\. a client with the server's limits +60 items, +0 times 429, \d\.\ds
The server allows 5/100ms burst 10, and requests may wait\.
3\. one line for all +the modest client waits [01]\.\d\ds at most; the greedy one gets \d+ answers a second
4\. a line for each client +the modest client waits 0\.\d\ds at most; the greedy one gets \d+ answers a second
$`)
		if !want.Match(out.Bytes()) {
			t.Errorf("printed\n%s", out.String())
		}
	})
}
