package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// ahead returns how many lines are read of an input that nobody takes lines from.
func ahead(t *testing.T, text string) (count int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, err := newReader(nil, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		go r.run(t.Context())
		synctest.Wait()
		count = int(r.count.Load())
		r.close()
		for range r.lines { // until the reader has seen that
		}
	})
	return count
}

func TestReadingAheadIsBounded(t *testing.T) {
	if n := ahead(t, strings.Repeat("\n", 3*aheadLines)); n != aheadLines+1 {
		t.Errorf("%d empty lines read ahead, want %d and one in hand", n, aheadLines)
	}
	if n := ahead(t, strings.Repeat(strings.Repeat("x", aheadBytes/4)+"\n", 9)); n != 5 {
		t.Errorf("%d quarters of the room read ahead, want 4 and one in hand", n)
	}
	if n := ahead(t, strings.Repeat(strings.Repeat("x", 2*aheadBytes)+"\n", 9)); n != 2 {
		t.Errorf("%d long lines read ahead, want 1 and one in hand", n)
	}
}

// Half a line must not be run as if it were one.
func TestInputThatBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := io.MultiReader(strings.NewReader("a\nrm -rf /tm"), iotest.ErrReader(errors.New("disk on fire")))
		start(t.Context(), in, "-limits", "9/s").
			check(t, 1, "a\n", "lines: reading: disk on fire\nlines: 1 line in")
	})
}
