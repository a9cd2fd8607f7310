package scheduler

import "github.com/flowguard-go/flowguard/internal/settings"

// KeepCore makes the owner lend nothing, so that every call is a message. All tests must pass
// either way.
func KeepCore() Option {
	return optionFunc(func(set *settings.Settings) error {
		set.KeepCore = true
		return nil
	})
}

// RaceEnabled says that the race detector is on, and that long tests should be short.
const RaceEnabled = raceEnabled
