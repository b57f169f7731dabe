package tserver

// WithDefaults shows a configuration as New takes it.
func WithDefaults(c Config) Config { return c.withDefaults() }
