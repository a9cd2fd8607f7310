package line_test

import (
	"context"
	"testing"
	"unsafe"

	"github.com/flowguard-go/flowguard/internal/line"
)

// There is one place for each ticket, and its owner touches all of it.
func TestPlaceIsOneCacheLine(t *testing.T) {
	if n := unsafe.Sizeof(line.Place{}); n != 64 && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a place takes %d bytes", n)
	}
}

func TestNewPlaceIsIdle(t *testing.T) {
	if p := line.NewPlace(); p.State != line.Idle || p.Number != 0 {
		t.Errorf("%+v", p)
	}
}

// place is one with a channel.
type place interface {
	Tell(error)
	TakeBack() bool
	Ready() <-chan error
}

var kinds = map[string]func() place{
	"made with the place": func() place { return line.NewPlace() },
	"made when asked for": func() place { return line.NewLazyPlace() },
}

func TestTakeBack(t *testing.T) {
	for name, newPlace := range kinds {
		t.Run(name, func(t *testing.T) { takeBack(t, newPlace()) })
	}
}

func takeBack(t *testing.T, p place) {
	if p.TakeBack() {
		t.Error("took back what was not told")
	}
	p.Tell(nil)
	if !p.TakeBack() || p.TakeBack() {
		t.Error("what was told is there to take back once")
	}
	p.Tell(nil)
	<-p.Ready()
	if p.TakeBack() {
		t.Error("took back what was received")
	}
}

// Telling does not block, whether or not the caller receives.
func TestTell(t *testing.T) {
	for name, newPlace := range kinds {
		t.Run(name, func(t *testing.T) { tell(t, newPlace()) })
	}
}

func tell(t *testing.T, p place) {
	p.Tell(nil)
	if !p.TakeBack() {
		t.Fatal("nothing to take back")
	}
	p.Tell(context.Canceled)
	if err := <-p.Ready(); err != context.Canceled {
		t.Errorf("received %v", err)
	}
}

// bell is a listener.
type bell struct{ rung int }

func (b *bell) Told(error)     { b.rung++ }
func (b *bell) TakeBack() bool { return false }

func TestPlaceFor(t *testing.T) {
	var b bell
	p := line.PlaceFor(&b)
	p.Tell(nil)
	if b.rung != 1 || p.Ready() != nil || p.TakeBack() {
		t.Errorf("told %d times, Ready %v", b.rung, p.Ready())
	}
}
