package loop

import "time"

// Await waits until done is closed, but no longer than most.
func Await(done <-chan struct{}, most time.Duration) {
	late := time.NewTimer(most)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
}
