package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
)

// Secret is one as packages have them.
type Secret string

func (Secret) String() string { return "***" }

type window struct {
	Min time.Duration `env:"DEMO_MIN, default=1s"`
	Max time.Duration `env:"DEMO_MAX, default=9s"`
	Len int           `env:"DEMO_LEN, default=5" unit:"records"`
}

func (w *window) Validate() []error {
	var faults []error
	if w.Max < w.Min {
		faults = append(faults, errors.New("DEMO_MAX: must not be less than DEMO_MIN"))
	}
	if w.Len < 1 {
		faults = append(faults, errors.New("DEMO_LEN: must be over 0"))
	}
	return faults
}

// joined validates as a package does that returns its faults under another name.
type joined struct {
	Addr     string `env:"ADDR" empty:"refused"`
	Password Secret `env:"PASSWORD" empty:"none"`
	Own      Secret `env:"OWN" empty:"none"`
	OwnFile  string `env:"OWN_FILE" empty:"none"`
}

func (j joined) Faults() []error {
	if j.Addr == "" {
		return []error{errors.New("PEER_ADDR: is required")}
	}
	return nil
}

type whole struct {
	Window window
	Peer   joined `env:", prefix=PEER_"`
	Token  Secret `env:"DEMO_TOKEN, required"`
}

func load(t *testing.T, env config.Environment) (whole, error) {
	t.Helper()
	var c whole
	err := config.Load(t.Context(), env, []string{"DEMO_", "PEER_"}, &c)
	return c, err
}

// What is held is validated too, whatever else is at fault, and each variable has one fault.
func TestFaultsOfEveryKindAreNamedTogether(t *testing.T) {
	t.Parallel()
	_, err := load(t, config.Environment{"DEMO_LEN": "some", "DEMO_MIN": "10s", "PEER_PASSWROD": "marked"})
	require.EqualError(t, err, `configuration: DEMO_LEN: must be an integer
DEMO_TOKEN: is required
DEMO_MAX: must not be less than DEMO_MIN
PEER_ADDR: is required
PEER_PASSWROD: no such variable; did you mean PEER_PASSWORD?`)
}

// A value that cannot be read leaves its default, so that nothing is said of a zero that nobody gave.
func TestWhatCannotBeReadCausesNoSecondFault(t *testing.T) {
	t.Parallel()
	_, err := load(t, config.Environment{"DEMO_TOKEN": "x", "PEER_ADDR": "a", "DEMO_MAX": "soon"})
	require.EqualError(t, err, "configuration: DEMO_MAX: must be a duration such as 5s or 10m")
}

func TestEmptyIsNotSet(t *testing.T) {
	t.Parallel()
	c, err := load(t, config.Environment{"DEMO_TOKEN": "x", "PEER_ADDR": "a", "DEMO_LEN": "", "DEMO_MAX": "", "PEER_PASSWORD_FILE": ""})
	require.NoError(t, err)
	require.Equal(t, window{time.Second, 9 * time.Second, 5}, c.Window)
	_, err = load(t, config.Environment{"DEMO_TOKEN": "", "PEER_ADDR": "a"})
	require.ErrorContains(t, err, "DEMO_TOKEN: is required")
}

func TestASecretMayBeInAFile(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	c, err := load(t, config.Environment{"PEER_ADDR": "a", "DEMO_TOKEN_FILE": file("pencil, with a comma\r\n"), "PEER_PASSWORD_FILE": file("rubber"), "PEER_OWN_FILE": "/its/own"})
	require.NoError(t, err)
	require.Equal(t, []string{"pencil, with a comma", "rubber", "", "/its/own"}, []string{string(c.Token), string(c.Peer.Password), string(c.Peer.Own), c.Peer.OwnFile})

	_, err = load(t, config.Environment{
		"PEER_ADDR": "a", "DEMO_TOKEN": "marked", "DEMO_TOKEN_FILE": file("marked"), "PEER_PASSWORD_FILE": file("\n"), "PEER_ADDR_FILE": "x",
	})
	require.ErrorContains(t, err, "DEMO_TOKEN: is given and so is DEMO_TOKEN_FILE")
	require.ErrorContains(t, err, "PEER_PASSWORD_FILE: ")
	require.ErrorContains(t, err, " is empty")
	require.ErrorContains(t, err, "PEER_ADDR_FILE: no such variable", "only a secret has a file")
	require.NotContains(t, err.Error(), "marked") // invariant 10
	_, err = load(t, config.Environment{"PEER_ADDR": "a", "DEMO_TOKEN": "x", "PEER_PASSWORD_FILE": "/no/such/file"})
	require.ErrorContains(t, err, "PEER_PASSWORD_FILE: open /no/such/file: no such file")
}

func TestVariables(t *testing.T) {
	t.Parallel()
	var got []string
	for _, v := range config.Variables(reflect.TypeFor[whole]()) {
		got = append(got, fmt.Sprint(v.Name, "|", v.Form, "|", v.Unit, "|", v.Default, "|", v.Empty, "|", v.Secret, v.File, "|", v.Struct.Name(), ".", v.Field))
	}
	require.Equal(t, []string{
		"DEMO_MIN|a duration such as 5s or 10m||1s||false false|window.Min",
		"DEMO_MAX|a duration such as 5s or 10m||9s||false false|window.Max",
		"DEMO_LEN|an integer|records|5||false false|window.Len",
		"PEER_ADDR|a text|||refused|false false|joined.Addr",
		"PEER_PASSWORD|a text|||none|true true|joined.Password",
		"PEER_OWN|a text|||none|true false|joined.Own",
		"PEER_OWN_FILE|a text|||none|false false|joined.OwnFile",
		"DEMO_TOKEN|a text||||true true|whole.Token",
	}, got)
}
