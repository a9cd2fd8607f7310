package keyed_test

import (
	"testing"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A ticket of Enqueue that waits says nothing before it is granted.
func TestReadyWaitsForTheGrant(t *testing.T) {
	s, err := keyed.New(func(string) scheduler.Limits { return scheduler.Limits{MaxBurst: 1} })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	held, ok := s.TryAcquire("a")
	if !ok {
		t.Fatal("not granted")
	}
	waits, err := s.Enqueue("a", 1)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-waits.Ready():
		t.Fatalf("told %v while the permit is held", err)
	default:
	}
	held.Release()
	if err := <-waits.Ready(); err != nil {
		t.Error(err)
	}
	waits.Release()
}
