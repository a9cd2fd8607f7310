package keyed

// KeepState makes the owners lend nothing, so that every call is a message.
func KeepState() Option {
	return optionFunc(func(cfg *config) error {
		cfg.keepsState = true
		return nil
	})
}

// Shards sets how many owners there are, a power of two.
func Shards(n int) Option {
	return optionFunc(func(cfg *config) error {
		cfg.shards = n
		return nil
	})
}
