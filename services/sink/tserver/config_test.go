package tserver

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/fault"
)

func TestServices(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "services.json")
	require.NoError(t, os.WriteFile(file, []byte(`{
		"vip":   {"_rep_userevent_dn": "REPORTING_VIP", "_rep_userevent_mediatype": "3"},
		"quiet": {"_rep_userevent_enable": "false"},
		"other": {"_rep_userevent_enable": true, "_rep_userevent_switch": "SIP_2", "_rep_userevent_mediatype": 5}
	}`), 0o600))
	cfg := Defaults("SIP_1")
	cfg.ServicesFile = file
	s, err := NewServices(cfg)
	require.NoError(t, err)
	name := func(n string) *string { return &n }
	for service, want := range map[*string]Options{
		nil:             {true, "REPORTING", "SIP_1", 0},
		name("unknown"): {true, "REPORTING", "SIP_1", 0},
		name("vip"):     {true, "REPORTING_VIP", "SIP_1", 3},
		name("quiet"):   {false, "REPORTING", "SIP_1", 0},
		name("other"):   {true, "REPORTING", "SIP_2", 5},
	} {
		require.Equal(t, want, s.For(service))
	}
}

func TestServicesFileFaultsAreNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, want string }{
		"no JSON":           {`services: vip`, "must be a JSON object"},
		"two objects":       {`{} {}`, "nothing after it"},
		"unknown option":    {`{"vip": {"_rep_userevent_dns": "X"}}`, `service "vip": _rep_userevent_dns: no such option`},
		"not a flag":        {`{"vip": {"_rep_userevent_enable": "yes"}}`, "must be true or false"},
		"not a number":      {`{"vip": {"_rep_userevent_mediatype": "voice"}}`, "must be a number from 0"},
		"negative":          {`{"vip": {"_rep_userevent_mediatype": -1}}`, "must be a number from 0"},
		"a list":            {`{"vip": {"_rep_userevent_dn": ["X"]}}`, "must be a text"},
		"empty DN":          {`{"vip": {"_rep_userevent_dn": ""}}`, "are required where it is enabled"},
		"both are reported": {`{"vip": {"_rep_userevent_enable": 7, "x": 1}}`, "no such option"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseServices(strings.NewReader(tc.file), Options{Enable: true, DN: "R", Switch: "S"})
			require.ErrorContains(t, err, tc.want)
		})
	}
	cfg := Defaults("SIP_1")
	cfg.ServicesFile = filepath.Join(t.TempDir(), "absent")
	_, err := NewServices(cfg)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.ErrorContains(t, err, "TSERVER_SERVICES_FILE")
}

func FuzzServicesFile(f *testing.F) {
	f.Add(`{"vip": {"_rep_userevent_enable": "true", "_rep_userevent_dn": "X", "_rep_userevent_switch": "Y", "_rep_userevent_mediatype": 1}}`)
	f.Add(`{"": {}}`)
	f.Add(`{"a": {"_rep_userevent_enable": null}}`)
	f.Fuzz(func(t *testing.T, file string) {
		services, err := parseServices(strings.NewReader(file), Options{Enable: true, DN: "R", Switch: "S"})
		if err != nil {
			return
		}
		for name, o := range services {
			if o.Enable && (o.DN == "" || o.Switch == "") || o.MediaType < 0 {
				t.Errorf("%q: %+v", name, o)
			}
		}
	})
}

func TestConfigFaultsAreNamed(t *testing.T) {
	t.Parallel()
	good := Defaults("S")
	require.Empty(t, good.Validate())
	off := Config{Parallel: 1}
	require.Empty(t, off.Validate(), "nothing is required of a sink that sends nothing")
	long := good
	long.Drain = 21 * time.Second
	require.ErrorContains(t, errors.Join(long.Validate()...), "TSERVER_DRAIN: must be at most 20s, is 21s")
	bad := Config{Enable: true, MediaType: -1, MaxAge: -1, Drain: -1}
	err := errors.Join(bad.Validate()...)
	for _, name := range []string{"TSERVER_REP_USEREVENT_DN", "TSERVER_REP_USEREVENT_SWITCH", "TSERVER_REP_USEREVENT_MEDIATYPE", "TSERVER_MAX_AGE", "TSERVER_PARALLEL", "TSERVER_DRAIN"} {
		require.ErrorContains(t, err, name+":")
	}
}

func TestReferenceIDs(t *testing.T) {
	t.Parallel()
	const partitions = 4
	seen := map[int32]bool{}
	for _, attached := range []bool{false, true} {
		for p := range int32(partitions) {
			last := int32(0)
			for offset := range int64(100) {
				ref := referenceID(offset, p, partitions, attached)
				require.Greater(t, ref, last, "it grows along a partition")
				require.False(t, seen[ref], "no two records share one")
				seen[ref], last = true, ref
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10_000).Draw(t, "partitions")
		p := rapid.IntRange(0, n-1).Draw(t, "partition")
		offset := rapid.Int64Range(0, math.MaxInt64).Draw(t, "offset")
		if ref := referenceID(offset, int32(p), n, rapid.Bool().Draw(t, "attached")); ref < 1 {
			t.Fatal(ref)
		}
	})
}
