package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
)

func TestTheExitCodeSaysWhoMustAct(t *testing.T) {
	t.Parallel()
	verbs := []Verb{{"infomart", "write facts"}, {"migrate", "make tables"}}
	for name, tc := range map[string]struct {
		verbs    []Verb
		args     []string
		fails    error
		code     int
		ran      string
		out, err string
	}{
		"it ends":            {nil, nil, nil, ExitOK, "-", "", ""},
		"it fails":           {nil, nil, errors.New("a disk is full"), ExitFailed, "-", "", "demo v1: a disk is full\n"},
		"misconfigured":      {nil, nil, fault.Misconfigf("DEMO_A: is required"), ExitMisusage, "-", "", "demo v1: DEMO_A: is required\n"},
		"an outage":          {verbs, []string{"migrate"}, fault.Outagef("away"), ExitFailed, "migrate", "", "demo v1: away\n"},
		"a verb":             {verbs, []string{"migrate"}, nil, ExitOK, "migrate", "", ""},
		"no verb":            {verbs, nil, nil, ExitMisusage, "", "", "demo infomart"},
		"another verb":       {verbs, []string{"oracle"}, nil, ExitMisusage, "", "", "usage:"},
		"two verbs":          {verbs, []string{"infomart", "migrate"}, nil, ExitMisusage, "", "", "usage:"},
		"a verb too many":    {nil, []string{"run"}, nil, ExitMisusage, "", "", "usage:"},
		"the version":        {verbs, []string{"--version"}, nil, ExitOK, "", "demo v1\ncommit   ", ""},
		"the version, short": {nil, []string{"-version"}, nil, ExitOK, "", "lifecycle-event v", ""},
		"help":               {verbs, []string{"--help"}, nil, ExitOK, "", "demo migrate    make tables\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, stderr bytes.Buffer
			ran := ""
			p := Program{Name: "demo", Version: "v1", Verbs: tc.verbs, Run: func(_ context.Context, verb string, with Process) error {
				ran = cmp.Or(verb, "-")
				require.Equal(t, "x", with.Env["A"])
				return tc.fails
			}}
			require.Equal(t, tc.code, p.main(t.Context(), tc.args, Process{Env: config.Environment{"A": "x"}, Out: &out, Err: &stderr}))
			require.Equal(t, tc.ran, ran)
			require.Contains(t, out.String(), tc.out)
			require.Contains(t, stderr.String(), tc.err)
			require.True(t, (tc.out == "") == (out.Len() == 0) && (tc.err == "") == (stderr.Len() == 0), "nothing else is said")
		})
	}
}
