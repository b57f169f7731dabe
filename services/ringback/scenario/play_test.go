package scenario

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/intake"
)

// A session goes the same way at every speed: the same events in the same order, in less time, and those of
// the three virtual queues of the guide among them.
func TestASessionGoesTheSameWayAtEverySpeed(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	queues, dispositions, ids := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for n := range 500 {
		life, ends := Play(7, n, start, 1)
		fast, same := Play(7, n, start, 600)
		require.Equal(t, ends, same)
		require.Len(t, fast, len(life))
		require.InDelta(t, life[len(life)-1].At.Sub(start).Seconds()/600, fast[len(fast)-1].At.Sub(start).Seconds(), 0.1)
		dispositions[ends] = true
		for i := range life {
			a, b := parse(t, life[i]), parse(t, fast[i])
			require.Equal(t, []string{a.ID, a.Type, a.Subject}, []string{b.ID, b.Type, b.Subject})
			require.True(t, fast[i].At.Equal(b.Time), "an event is of the moment at which it is due")
			require.False(t, ids[b.ID], "an id for each")
			ids[b.ID] = true
			if i > 0 && life[i].At.After(life[i-1].At) {
				require.True(t, fast[i].At.After(fast[i-1].At), "the order of events stays")
			}
			if q := b.Data.VirtualQueue.Name; q != "" {
				queues[q[:strings.LastIndexByte(q, '_')]] = true
			}
		}
	}
	require.Equal(t, map[string]bool{"VQ_Inbound": true, "VQ_Callback": true, "VQ_Outbound": true}, queues)
	require.Greater(t, len(dispositions), 10)
	require.InDelta(t, 10, MeanEvents(), 4)
	other, _ := Play(8, 0, start, 1)
	require.False(t, ids[parse(t, other[0]).ID], "of another seed")
}

type parsed struct {
	ID, Type, Subject string
	Time              time.Time
	Data              struct {
		VirtualQueue struct{ Name string } `json:"virtual_queue"`
		Desired      *time.Time            `json:"desired_time"`
	}
}

func parse(t *testing.T, e Event) parsed {
	t.Helper()
	_, refusal := intake.Parse(e.Line, e.At)
	require.Nil(t, refusal)
	var p parsed
	require.NoError(t, json.Unmarshal(e.Line, &p))
	if p.Data.Desired != nil {
		require.False(t, p.Data.Desired.Before(p.Time), "it is desired for later")
	}
	return p
}
