package line_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/flowguard-go/flowguard/internal/line"
)

// A ticket in line by Enqueue takes no more than this until somebody asks for its channel.
func TestLazyPlaceTakesLittle(t *testing.T) {
	const most = 80
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("for 64 bits")
	}
	places := make([]*line.LazyPlace, 10_000)
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			places[i%len(places)] = line.NewLazyPlace()
		}
	})
	if got := r.AllocedBytesPerOp(); got > most {
		t.Errorf("%d bytes, want at most %d", got, most)
	}
}

// Whatever the owner tells and takes back in what order, before or after somebody asks, the channel is one and
// the same and delivers what was told last, once.
func TestLazyPlaceIsAChannel(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		p, plain := line.NewLazyPlace(), line.NewPlace()
		var asked <-chan error
		told := false
		for range 12 {
			switch r.IntN(4) {
			case 0:
				got := p.Ready()
				if asked != nil && got != asked {
					t.Fatalf("seed %d: another channel", seed)
				}
				asked = got
			case 1:
				if !told {
					var err error
					if r.IntN(2) == 0 {
						err = context.Canceled
					}
					p.Tell(err)
					plain.Tell(err)
					told = true
				}
			case 2:
				got, want := p.TakeBack(), plain.TakeBack()
				if got != want {
					t.Fatalf("seed %d: took back %v, want %v", seed, got, want)
				}
				told = told && !want // what was received stays told
			case 3:
				if asked == nil {
					continue
				}
				got, want := receive(asked), receive(plain.Ready())
				if got != want {
					t.Fatalf("seed %d: received %v, want %v", seed, got, want)
				}
			}
		}
	}
}

var errNothing = errors.New("nothing")

func receive(from <-chan error) error {
	select {
	case err := <-from:
		return err
	default:
		return errNothing
	}
}

// Of what the owner tells and takes back while others ask, one of them receives exactly what was not taken back.
func TestLazyPlaceIsAskedMeanwhile(t *testing.T) {
	for range 1000 {
		p := line.NewLazyPlace()
		var ask sync.WaitGroup
		channels := make([]<-chan error, 2)
		for i := range channels {
			ask.Go(func() { channels[i] = p.Ready() })
		}
		p.Tell(nil)
		if !p.TakeBack() {
			t.Fatal("nobody received it, and it was not there to take back")
		}
		p.Tell(context.Canceled)
		ask.Wait()
		if channels[0] != channels[1] {
			t.Fatal("two channels")
		}
		if got := receive(channels[0]); got != context.Canceled {
			t.Fatalf("received %v", got)
		}
		if p.TakeBack() || receive(p.Ready()) != errNothing {
			t.Fatal("told twice")
		}
	}
}
