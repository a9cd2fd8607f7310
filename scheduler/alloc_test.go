//go:build !race

package scheduler_test

import (
	"testing"

	"github.com/flowguard-go/flowguard/scheduler"
)

// What callers do all the time allocates nothing. (Under the race detector sync.Pool drops things at
// random.)
func TestAllocations(t *testing.T) {
	s := start(t, scheduler.Limits{Windows: []scheduler.Window{plenty}, MaxBurst: 2})
	for name, f := range map[string]func(){
		"Acquire and Release": func() {
			held, err := s.Acquire(background)
			if err != nil {
				t.Fatal(err)
			}
			held.Release()
		},
		"TryAcquire and Release": func() {
			held, ok := s.TryAcquire()
			if !ok {
				t.Fatal("no permit")
			}
			held.Release()
		},
		"Allow": func() {
			if !s.Allow() {
				t.Fatal("no permit")
			}
		},
		"Allow refused": func() {
			if s.AllowN(3) {
				t.Fatal("granted")
			}
		},
		"TryAcquire refused": func() {
			if _, ok := s.TryAcquireN(3); ok {
				t.Fatal("granted")
			}
		},
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
