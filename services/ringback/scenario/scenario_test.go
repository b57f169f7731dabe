package scenario_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/services/ringback/scenario"
)

func TestEveryScenarioIsDescribed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/scenarios.md")
	require.NoError(t, err)
	var described []string
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) > 1 {
			// The flags of simulate are set as code.
			if name := strings.TrimSpace(cells[1]); name != "scenario" && name != "flag" && name != "---" && name[0] != '`' {
				described = append(described, name)
			}
		}
	}
	require.ElementsMatch(t, scenario.Names(), described)
}

func TestSampleHoldsEveryScenarioInItsOrder(t *testing.T) {
	t.Parallel()
	all, err := scenario.Lines(scenario.Sample)
	require.NoError(t, err)
	bySubject := map[string][]string{}
	for _, line := range all {
		bySubject[subject(t, line)] = append(bySubject[subject(t, line)], string(line))
	}
	total := 0
	for _, name := range scenario.Names() {
		lines, err := scenario.Lines(name)
		require.NoError(t, err)
		want := map[string][]string{}
		for _, line := range lines {
			want[subject(t, line)] = append(want[subject(t, line)], string(line))
		}
		for id, events := range want {
			require.Equal(t, events, bySubject[id], "session %s of %s", id, name)
		}
		total += len(lines)
	}
	require.Len(t, all, total)
}

func subject(t *testing.T, line []byte) string {
	t.Helper()
	var head struct{ Subject string }
	require.NoError(t, json.Unmarshal(line, &head))
	return head.Subject
}

func TestOpen(t *testing.T) {
	t.Parallel()
	lines, err := scenario.Lines("immediate")
	require.NoError(t, err)
	file := scenario.Open("immediate")
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, lines, bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n")))
	require.True(t, bytes.HasSuffix(content, []byte("\n")))
}

func TestUnknownScenario(t *testing.T) {
	t.Parallel()
	_, err := scenario.Lines("no-such")
	require.ErrorContains(t, err, `"no-such"`)
	_, err = scenario.Golden("no-such")
	require.ErrorContains(t, err, `"no-such"`)
	_, err = io.ReadAll(scenario.Open("no-such"))
	require.ErrorContains(t, err, `"no-such"`)
}
