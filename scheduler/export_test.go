package scheduler

// KeepCore makes the owner lend nothing, so that every call is a message. All tests must pass
// either way.
func KeepCore() Option {
	return optionFunc(func(cfg *config) error {
		cfg.keepsState = true
		return nil
	})
}

// KeepCount makes callers borrow the state where they would only count, and take a calm state for any other. All tests
// must pass either way.
func KeepCount() Option {
	return optionFunc(func(cfg *config) error {
		cfg.keepsCount = true
		return nil
	})
}

// RaceEnabled says that the race detector is on, and that long tests should be short.
const RaceEnabled = raceEnabled
