package plan

import "github.com/flowguard-go/flowguard/scheduler"

// MostAtOnce is how many commands run at once if neither the limits nor the user say.
const MostAtOnce = 1000

// AtOnce returns the limits with a burst. It is their own burst, but no more than jobs, the number that the
// user allows; 0 means that the user gave none. Without both it is [MostAtOnce], so that a mistake in a rate
// does not fill the machine with processes. Below that the windows alone decide.
func AtOnce(limits scheduler.Limits, jobs int) scheduler.Limits {
	switch {
	case jobs > 0 && (limits.MaxBurst == 0 || jobs < limits.MaxBurst):
		limits.MaxBurst = jobs
	case limits.MaxBurst == 0:
		limits.MaxBurst = MostAtOnce
	}
	return limits
}
