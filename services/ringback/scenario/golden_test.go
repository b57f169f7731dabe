package scenario_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fold/foldtest"
	"github.com/ringback/ringback/services/ringback/scenario"
)

var update = flag.Bool("update", false, "write the golden results anew from the reference reading of the rules")

// defaults are the enricher's.
var defaults = foldtest.Options{MaxAttempts: 3}

// timesOut names the scenarios whose golden result tells what a time-out makes of the open session.
var timesOut = []string{"timed-out"}

// sessions reads the lines into plain events by service id, in order of arrival.
func sessions(t *testing.T, lines [][]byte) (ids []string, events map[string][]foldtest.Event) {
	t.Helper()
	events = map[string][]foldtest.Event{}
	for i, line := range lines {
		e, err := foldtest.ParseLine(line)
		require.NoError(t, err, "line %d", i+1)
		if events[e.Subject] == nil {
			ids = append(ids, e.Subject)
		}
		events[e.Subject] = append(events[e.Subject], e)
	}
	return ids, events
}

// expected is what the reference says of the lines.
func expected(t *testing.T, lines [][]byte, timedOut bool) scenario.Result {
	t.Helper()
	var result scenario.Result
	ids, events := sessions(t, lines)
	for _, id := range ids {
		replayed := foldtest.Replay(events[id], defaults, false)
		s := scenario.Session{ServiceID: id, Applied: replayed.Applied, AlreadyApplied: replayed.AlreadyApplied, Open: replayed.Open}
		for _, u := range replayed.UserEvents {
			s.UserEvents = append(s.UserEvents, userEvent(u))
			if missing := u.Missing(); len(missing) > 0 {
				result.DeadLetters = append(result.DeadLetters, scenario.DeadLetter{
					Component: "infomart", Reason: "MISSING_MANDATORY_KVP", ServiceID: id, Missing: missing,
				})
			}
		}
		for _, a := range replayed.Attached {
			s.AttachedData = append(s.AttachedData, scenario.AttachedData{IxnID: a.IxnID, Occasion: a.Occasion, KVPs: a.KVPs})
		}
		for range replayed.Conflicts {
			result.DeadLetters = append(result.DeadLetters, scenario.DeadLetter{Component: "enricher", Reason: "CONFLICT", ServiceID: id})
		}
		if timedOut && replayed.Open {
			after := foldtest.Replay(events[id], defaults, true).UserEvents
			u := userEvent(after[len(after)-1])
			s.Timeout = &u
		}
		result.Sessions = append(result.Sessions, s)
	}
	return result
}

func userEvent(u foldtest.UserEvent) scenario.UserEvent {
	text := func(v any) string {
		s, _ := v.(string)
		return s
	}
	g := scenario.UserEvent{
		Sequence: int32(u.Sequence), Cause: u.Cause, KVPs: u.KVPs, Columns: u.Columns,
		ServiceName: text(u.ServiceName), MediaType: text(u.MediaType),
	}
	if missing := u.Missing(); len(missing) > 0 {
		g.Missing = missing
	}
	return g
}

// The golden results are what the rules say, by a reading of them that shares no code with the fold.
func TestGoldenIsTheReference(t *testing.T) {
	t.Parallel()
	for _, name := range scenario.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := scenario.Lines(name)
			require.NoError(t, err)
			want := expected(t, lines, slices.Contains(timesOut, name))
			if *update {
				text, err := json.MarshalIndent(want, "", "  ")
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join("files", name+".golden.json"), append(text, '\n'), 0o644))
				return
			}
			golden, err := scenario.Golden(name)
			require.NoError(t, err)
			require.Equal(t, want, golden)
		})
	}
}
