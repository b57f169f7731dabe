package tserver_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/services/tserver"
)

func load(t *testing.T, env config.Environment) (tserver.Config, error) {
	t.Helper()
	var cfg tserver.Config
	err := config.Load(t.Context(), env, []string{"TSERVER_SIM_"}, &cfg)
	return cfg, err
}

// Every variable is set here; no field may be left out.
func TestEveryVariableIsRead(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("4f0c9be1d2a7\n"), 0o600))
	pair, _ := certificate(t)
	env := config.Environment{
		"TSERVER_SIM_TLS_CERT_FILE": pair.CertFile, "TSERVER_SIM_TLS_KEY_FILE": pair.KeyFile,
		"TSERVER_SIM_ADDR": ":9000", "TSERVER_SIM_LOG": "/var/log/t.log", "TSERVER_SIM_LOG_MAX_BYTES": "1000", "TSERVER_SIM_TOKEN_FILE": tokens,
		"TSERVER_SIM_MAX_BODY": "2000", "TSERVER_SIM_TIME_ZONE": "Europe/Berlin", "TSERVER_SIM_VERSION": "8.5", "TSERVER_SIM_CUSTOMER_ID": "Acme",
		"TSERVER_SIM_REQUESTER": "ORS@7/0a", "TSERVER_SIM_CLIENTS": "Icon_Voice@508/0000000c/10.0.0.1:42678/REPORTING+2001, Stat_Server@588",
		"TSERVER_SIM_GONE_CALLS": "a,b*", "TSERVER_SIM_EVENT_ERRORS": "NOWHERE=71:no such DN, 2001=-5", "TSERVER_SIM_OUTAGE": "true", "TSERVER_SIM_LATENCY": "3ms",
	}
	cfg, err := load(t, env)
	require.NoError(t, err)
	require.Equal(t, tserver.Config{
		Addr: ":9000", Log: "/var/log/t.log", LogMaxBytes: 1000, TokenFile: tokens, TLS: pair, MaxBody: 2000, TimeZone: "Europe/Berlin", Version: "8.5",
		CustomerID: "Acme", Requester: tserver.Client{Name: "ORS", Socket: 7, ID: 10},
		Clients: tserver.Clients{
			{Name: "Icon_Voice", Socket: 508, ID: 0xc, Address: "10.0.0.1:42678", DNs: []string{"REPORTING", "2001"}},
			{Name: "Stat_Server", Socket: 588},
		},
		GoneCalls:   []string{"a", "b*"},
		EventErrors: tserver.EventErrors{"NOWHERE": {Code: 71, Message: "no such DN"}, "2001": {Code: -5, Message: "simulated error"}},
		Outage:      true, Latency: 3 * time.Millisecond,
	}, cfg)
	v := reflect.ValueOf(cfg)
	require.Len(t, config.Variables(v.Type()), len(env))
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
	}

	cfg, err = load(t, config.Environment{"TSERVER_SIM_CLIENTS": "none"})
	require.NoError(t, err)
	require.Equal(t, tserver.Clients{}, cfg.Clients)
}

// Whatever the variables hold, they are read or refused.
func FuzzDecodeVariables(f *testing.F) {
	f.Add("Icon_Voice@508/0000000c/10.0.0.1:42678/REPORTING+2001, Stat_Server@588", "NOWHERE=71:no such DN, 2001=-5")
	f.Add("none", "")
	f.Fuzz(func(t *testing.T, clients, faults string) {
		var c tserver.Clients
		if err := c.EnvDecode(clients); err != nil {
			require.NotEmpty(t, err.Error())
			require.Nil(t, c, "nothing is taken over by halves")
		} else if clients != "" && clients != "none" {
			require.Len(t, c, strings.Count(clients, ",")+1)
		}
		var e tserver.EventErrors
		if e.EnvDecode(faults) != nil {
			require.Nil(t, e, "nothing is taken over by halves")
		}
	})
}

func TestWrongVariablesAreNamed(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"TSERVER_SIM_CLIENTS": "Icon_Voice", "TSERVER_SIM_REQUESTER": "ORS@x", "TSERVER_SIM_EVENT_ERRORS": "NOWHERE", "TSERVER_SIM_LATENCY": "soon",
		"TSERVER_SIM_ADDR": "9000", "TSERVER_SIM_TIME_ZONE": "Mars/Base", "TSERVER_SIM_QUITE_ANOTHER_NAME": "1",
	} {
		_, err := load(t, config.Environment{name: value})
		require.ErrorContains(t, err, name)
		require.Equal(t, 1, strings.Count(err.Error(), "TSERVER_SIM_"), err)
	}
	for _, value := range []string{"a@1/zz", "a@1/123456789", "=5", "x=y"} {
		require.Error(t, new(tserver.Clients).EnvDecode(value), value)
		require.Error(t, new(tserver.EventErrors).EnvDecode(value), value)
	}
}

// A Config that is put together in code and one that is loaded from an empty environment mean the same.
func TestDefaultsOfTheEnvironmentAreThoseOfTheZeroValue(t *testing.T) {
	t.Parallel()
	cfg, err := load(t, config.Environment{})
	require.NoError(t, err)
	require.Equal(t, tserver.WithDefaults(tserver.Config{}), tserver.WithDefaults(cfg))
}

func TestReadmeListsEveryVariable(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, v := range config.Variables(reflect.TypeFor[tserver.Config]()) {
		row := "| `" + v.Name + "` | "
		if v.Default != "" {
			row += "`" + v.Default + "` |"
		}
		require.Contains(t, string(readme), row)
	}
	require.Contains(t, string(readme), "not wire-compatible")
}
