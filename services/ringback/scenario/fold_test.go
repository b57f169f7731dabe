package scenario_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
	"github.com/ringback/ringback/pkg/fold/foldtest"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/services/ringback/scenario"
)

// arrival is when the scenarios are imported.
var arrival = time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC)

// parsed reads the lines as the intake does.
func parsed(t *testing.T, lines [][]byte) []callback.Event {
	t.Helper()
	events := make([]callback.Event, len(lines))
	for i, line := range lines {
		e, refusal := intake.Parse(line, arrival)
		require.Nil(t, refusal, "line %d", i+1)
		require.Empty(t, e.Validate(), "line %d", i+1)
		require.Empty(t, e.ValidateParameters(), "line %d", i+1)
		events[i] = *e
	}
	return events
}

// The fold of a session's applied events says what the golden's last UserEvent says.
func TestFoldGivesGolden(t *testing.T) {
	t.Parallel()
	for _, name := range append(scenario.Names(), scenario.Sample) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := scenario.Lines(name)
			require.NoError(t, err)
			golden, err := scenario.Golden(name)
			require.NoError(t, err)

			applied := map[string][]callback.Event{}
			for _, e := range parsed(t, lines) {
				same := func(known callback.Event) bool { return known.ID == e.ID && known.Source == e.Source }
				if !slices.ContainsFunc(applied[e.Subject], same) {
					applied[e.Subject] = append(applied[e.Subject], e)
				}
			}
			require.Len(t, golden.Sessions, len(applied))
			for _, s := range golden.Sessions {
				events := applied[s.ServiceID]
				require.Len(t, events, s.Applied)
				fold.Sort(events)
				if !s.Open {
					foldEquals(t, events, false, s.Latest())
				}
				if s.Timeout != nil {
					foldEquals(t, events, true, s.Timeout)
				}
			}
		})
	}
}

func foldEquals(t *testing.T, events []callback.Event, timedOut bool, want *scenario.UserEvent) {
	t.Helper()
	result := fold.Session(events, fold.Options{MaxAttempts: 3}, timedOut)
	result.KVPs.SetInt(callback.KeyFinalRecord, 1, -1)
	require.Equal(t, map[string]any(want.KVPs), foldtest.FromKVPs(&result.KVPs))
	require.Equal(t, want.Columns, map[string]int64{
		"DESIRED_TIME_TS":                result.DesiredTime.Int,
		"PUSH_DELIVERY_CONFIRMED_TS":     result.PushDeliveryConfirmed.Int,
		"CUSTOMER_READY_TO_START_IXN_TS": result.CustomerReadyToStartIxn.Int,
	})
}

// records are the events as the lifecycle log gives them to the enricher.
func records(t *testing.T, events []callback.Event) []session.Record {
	t.Helper()
	log := make([]session.Record, len(events))
	for i := range events {
		log[i] = session.Record{Offset: int64(i), Time: arrival.UnixMilli() + int64(i), Event: &events[i]}
	}
	return log
}

func tick(after []session.Record, at time.Duration, flush bool) session.Record {
	last := after[len(after)-1]
	return session.Record{Offset: last.Offset + 1, Time: last.Time + at.Milliseconds(), Tick: true, Flush: flush}
}

func partition() *session.Partition {
	return session.NewPartition(session.Rules{Fold: fold.Options{MaxAttempts: 3}}, 0)
}

// The enricher's rules make the golden's UserEvents, attached data and dead letters, one after another.
func TestEnricherGivesGolden(t *testing.T) {
	t.Parallel()
	for _, name := range append(scenario.Names(), scenario.Sample) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := scenario.Lines(name)
			require.NoError(t, err)
			golden, err := scenario.Golden(name)
			require.NoError(t, err)

			log := records(t, parsed(t, lines))
			log = append(log, tick(log, 0, true))
			effects, err := partition().Process(log, int64(len(log)))
			require.NoError(t, err)

			userEvents := map[string][]scenario.UserEvent{}
			for _, due := range effects.UserEvents {
				userEvents[due.What.ServiceID()] = append(userEvents[due.What.ServiceID()], fromUserEvent(&due.What))
			}
			attached := map[string][]scenario.AttachedData{}
			for _, due := range effects.Attached {
				plain := foldtest.FromAttachedData(&due.What)
				attached[due.What.ServiceID] = append(attached[due.What.ServiceID],
					scenario.AttachedData{IxnID: plain.IxnID, Occasion: plain.Occasion, KVPs: plain.KVPs})
			}
			applied, already := 0, 0
			for _, s := range golden.Sessions {
				require.Equal(t, s.UserEvents, userEvents[s.ServiceID])
				require.Equal(t, s.AttachedData, attached[s.ServiceID])
				applied, already = applied+s.Applied, already+s.AlreadyApplied
			}
			require.Equal(t, int64(applied), effects.Position.Applied)
			require.Equal(t, int64(already), effects.Position.AlreadyApplied)
			var conflicts []scenario.DeadLetter
			for _, aside := range effects.DeadLetters {
				conflicts = append(conflicts, scenario.DeadLetter{
					Component: "enricher", Reason: string(aside.Bad.Reason), ServiceID: log[aside.Record].Event.Subject,
				})
			}
			require.Equal(t, setAside(golden, "enricher"), conflicts)
		})
	}
}

// setAside lists the dead letters of one component.
func setAside(golden scenario.Result, component string) (letters []scenario.DeadLetter) {
	for _, d := range golden.DeadLetters {
		if d.Component == component {
			letters = append(letters, d)
		}
	}
	return letters
}

// An open session gets the golden's TIMEOUT once its time-out has passed by the log's clock, not before.
func TestTimeoutGivesGolden(t *testing.T) {
	t.Parallel()
	for _, name := range timesOut {
		lines, err := scenario.Lines(name)
		require.NoError(t, err)
		golden, err := scenario.Golden(name)
		require.NoError(t, err)
		log := records(t, parsed(t, lines))
		p := partition()
		_, err = p.Process(append(log, tick(log, 26*time.Hour-time.Millisecond, true)), 0)
		require.NoError(t, err)
		effects, err := p.Process([]session.Record{tick(log, 26*time.Hour, false)}, 0)
		require.NoError(t, err)
		require.Len(t, effects.UserEvents, 1)
		require.Equal(t, *golden.Sessions[0].Timeout, fromUserEvent(&effects.UserEvents[0].What))
	}
}

// Shuffled and repeated input ends with what the golden's last UserEvent says (invariant 3).
func TestShuffledSampleEndsAlike(t *testing.T) {
	t.Parallel()
	golden, err := scenario.Golden(scenario.Sample)
	require.NoError(t, err)
	lines, err := scenario.Lines(scenario.Sample)
	require.NoError(t, err)
	events := parsed(t, lines)
	// Which of two events in conflict comes first decides what the session says; so leave out the one that comes second.
	seen := map[string]int{}
	events = slices.DeleteFunc(events, func(e callback.Event) bool {
		seen[e.Source+e.ID]++
		return seen[e.Source+e.ID] > 1
	})
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 0))
		shuffled := append(slices.Clone(events), events[:len(events)/3]...)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		log := records(t, shuffled)
		log = append(log, tick(log, 0, true))
		effects, err := partition().Process(log, 0)
		require.NoError(t, err)
		require.Empty(t, effects.DeadLetters)
		latest := map[string]scenario.UserEvent{}
		for _, due := range effects.UserEvents {
			latest[due.What.ServiceID()] = fromUserEvent(&due.What)
		}
		for _, s := range golden.Sessions {
			if s.Open {
				continue
			}
			got, want := latest[s.ServiceID], *s.Latest()
			got.Sequence, got.Cause, want.Sequence, want.Cause = 0, "", 0, ""
			require.Equal(t, want, got, "seed %d", seed)
		}
	}
}

func fromUserEvent(u *callback.UserEvent) scenario.UserEvent {
	value := func(n *int64) int64 {
		if n == nil {
			return 0
		}
		return *n
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	got := scenario.UserEvent{
		Sequence: u.Sequence, Cause: string(u.Cause), KVPs: foldtest.FromKVPs(&u.KVPs),
		Columns: map[string]int64{
			"DESIRED_TIME_TS":                value(u.DesiredTime),
			"PUSH_DELIVERY_CONFIRMED_TS":     value(u.PushDeliveryConfirmed),
			"CUSTOMER_READY_TO_START_IXN_TS": value(u.CustomerReadyToStartIxn),
		},
		ServiceName: text(u.ServiceName), MediaType: text(u.MediaType),
	}
	for _, k := range u.KVPs.Missing() {
		got.Missing = append(got.Missing, k.String())
	}
	slices.SortFunc(got.Missing, func(a, b string) int { return slices.Index(mandatory, a) - slices.Index(mandatory, b) })
	return got
}

// mandatory are the KVPs without which Info Mart makes no record, in the guide's order.
var mandatory = []string{"_CB_SERVICE_ID", "_CB_T_SERVICE_START", "_CB_D_CALLBACK_OFFER", "_CB_N_CALLBACK_OFFERED", "_CB_T_CALLBACK_OFFERED"}
