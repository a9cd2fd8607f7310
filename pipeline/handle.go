package pipeline

import "github.com/flowguard-go/flowguard/scheduler"

// handleOf returns the handle that a stage takes its permits with. It panics with what the stage wants if
// there is no scheduler.
func handleOf(s scheduler.Source, stage, want string) *scheduler.Handle {
	if s == nil {
		must(false, stage, want)
	}
	h := s.Handle()
	must(h != nil, stage, want)
	return h
}
