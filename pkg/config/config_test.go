package config_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
)

type nested struct {
	Addr string `env:"DEMO_ADDR, default=:8080"`
}

type checked struct {
	Limit int `env:"DEMO_LIMIT, default=3"`
}

func (c *checked) Validate() []error {
	if c.Limit > 10 {
		return []error{fmt.Errorf("DEMO_LIMIT: must be at most 10, is %d", c.Limit)}
	}
	return nil
}

type plain struct {
	Net   nested
	Peer  nested        `env:", prefix=PEER_"`
	Skip  string        `env:"-"`
	Wait  time.Duration `env:"DEMO_WAIT, default=5s"`
	Limit int           `env:"DEMO_LIMIT, default=3"`
	Token string        `env:"DEMO_TOKEN, required"`
	On    bool          `env:"DEMO_ON, default=true"`
}

func TestLoadFillsDefaultsAndNestedStructs(t *testing.T) {
	t.Parallel()
	var c plain
	require.NoError(t, config.Load(t.Context(), config.Environment{"DEMO_TOKEN": "x", "DEMO_WAIT": "2m", "PEER_DEMO_ADDR": ":9090"}, []string{"DEMO_"}, &c))
	require.Equal(t, plain{Net: nested{":8080"}, Peer: nested{":9090"}, Wait: 2 * time.Minute, Limit: 3, Token: "x", On: true}, c)
}

func TestLoadNamesEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	var c plain
	err := config.Load(t.Context(), config.Environment{
		"DEMO_WAIT": "soon", "DEMO_LIMIT": "many", "DEMO_ON": "perhaps", "DEMO_LIMITS": "4", "DEMO_OTHERWISE": "", "UNRELATED": "1",
		"DEMO_SERVICE_HOST": "10.0.0.1", "DEMO_PORT_9092_TCP_ADDR": "10.0.0.1", // Kubernetes adds such
	}, []string{"DEMO_"}, &c)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.Equal(t, `configuration: DEMO_WAIT: must be a duration such as 5s or 10m
DEMO_LIMIT: must be an integer
DEMO_TOKEN: is required
DEMO_ON: must be true or false
DEMO_LIMITS: no such variable; did you mean DEMO_LIMIT?
DEMO_OTHERWISE: no such variable`, err.Error())
}

func TestLoadAsksTheTargetToValidate(t *testing.T) {
	t.Parallel()
	err := config.Load(t.Context(), config.Environment{"DEMO_LIMIT": "11"}, []string{"DEMO_"}, &checked{})
	require.EqualError(t, err, "configuration: DEMO_LIMIT: must be at most 10, is 11")
}

func TestAFaultDoesNotRepeatTheValue(t *testing.T) {
	t.Parallel()
	var c plain
	err := config.Load(t.Context(), config.Environment{"DEMO_TOKEN": "x", "DEMO_LIMIT": "s3cret"}, nil, &c)
	require.NotContains(t, err.Error(), "s3cret") // invariant 10
}
