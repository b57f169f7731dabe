package tserver

import (
	"context"

	"github.com/ringback/ringback/pkg/config"
)

// LoadConfig reads the configuration from the environment. The error names every fault.
func LoadConfig(ctx context.Context, env config.Environment) (Config, error) {
	var c Config
	err := config.Load(ctx, env, []string{"TSERVER_SIM_"}, &c)
	return c, err
}
