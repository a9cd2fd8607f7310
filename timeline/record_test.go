package timeline

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/flowguard-go/flowguard/scheduler"
)

// A picture also shows what the reader has not taken in yet when SVG is called.
func TestPictureShowsWhatIsUnread(t *testing.T) {
	s, err := scheduler.New(scheduler.MustParseLimits("burst 8000"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tl, err := Record(s)
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Stop()
	tl.mu.Lock() // the reader stops at the first event
	for range 8000 {
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
	}
	drawn := make(chan []byte)
	go func() { drawn <- tl.draw(settings{width: defaultWidth}) }()
	for range 10_000 {
		runtime.Gosched() // until it asks the reader for all that was sent
	}
	tl.mu.Unlock()
	if svg := <-drawn; !bytes.Contains(svg, []byte("8,000 granted.")) {
		t.Errorf("what was unread is missing: %.1000s", svg)
	}
}
