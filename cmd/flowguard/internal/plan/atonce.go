package plan

import "github.com/flowguard-go/flowguard/scheduler"

// MostAtOnce is how many commands run at once if neither the limits nor the user say.
const MostAtOnce = 1000

// AtOnce returns the limits with a burst: their own, but no more than jobs, which is what the user allows
// and 0 if the user did not say. Without either it is [MostAtOnce], so that a mistake in a rate does
// not fill the machine with processes; the windows alone decide below that.
func AtOnce(limits scheduler.Limits, jobs int) scheduler.Limits {
	switch {
	case jobs > 0 && (limits.MaxBurst == 0 || jobs < limits.MaxBurst):
		limits.MaxBurst = jobs
	case limits.MaxBurst == 0:
		limits.MaxBurst = MostAtOnce
	}
	return limits
}
