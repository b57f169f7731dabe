package session_test

import (
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/schemas"
)

func schemaCodec(t testing.TB) *goavro.Codec {
	text, err := schemas.FS.ReadFile("avro/session-state/v1.avsc")
	require.NoError(t, err)
	codec, err := goavro.NewCodec(string(text))
	require.NoError(t, err)
	return codec
}

// events are what a state must hold whole.
func events() []*callback.Event {
	when := callback.Micros(1_772_000_000_000_000)
	return []*callback.Event{
		{
			Source: "/gms", ID: "e1", Type: callback.Offered, Subject: "s1", Time: -5, TenantDBID: ptr(int64(101)), ORSSessionID: ptr("ors"),
			Data: callback.Data{Channel: ptr("IVR"), EWT: ptr(int64(-3)), VirtualQueue: &callback.VirtualQueue{Name: "VQ", DBID: ptr(int64(7))}},
		},
		{Source: "", ID: "e2", Type: callback.Completed, Subject: "s1", Time: 7},
		{
			Source: "/gms", ID: "e3", Type: callback.Requested, Subject: "s1", Time: 6, ORSSessionID: ptr("ors"), Data: callback.Data{
				CallbackType: ptr("IVR"), DesiredTime: &when, Parameters: map[string]string{"_cb_b": "IVR", "_cb_a": ""}, IgnoringAvailability: ptr(false),
			},
		},
	}
}

func full() *session.State {
	s := &session.State{
		ServiceID: "s1", DueAt: 1 << 41, Pending: true, NextSequence: 3, Started: true, Final: true, TimedOut: true, Dirty: true,
		OriginationAttached: true, ConnectedAttached: []int64{5, 900}, LastNews: 77, WakeAt: 78, FinalAt: 79, SentDigest: [16]byte{4},
	}
	for i, e := range events() {
		s.Add(e, 1<<40+int64(i*i))
	}
	e := *events()[1]
	e.Extensions = map[string]string{"partition": "north"}
	s.Add(&e, 8)
	return s
}

func TestAStateHoldsItsEventsWhole(t *testing.T) {
	t.Parallel()
	read, err := session.Parse("s1", full().Append(nil))
	require.NoError(t, err)
	require.Len(t, read.Events, 4)
	for i, want := range events() {
		got, err := read.Full(i)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, int64(1<<40+i*i), read.Events[i].Offset)
	}
	require.EqualValues(t, 8, read.Events[3].Offset)
	// It goes on where it was written, and keeps what it has read.
	one, two := full(), read
	one.Add(events()[0], 900)
	two.Add(events()[0], 900)
	require.Equal(t, one.Append(nil), two.Append(nil))
}

// The numbers of the types are in the topic: none may change, a new type takes the next.
func TestTypesAreNumberedForGood(t *testing.T) {
	t.Parallel()
	require.Equal(t, []callback.Type{
		"callback.offered", "callback.offer_accepted", "callback.offer_rejected", "callback.offer_abandoned", "callback.requested",
		"callback.scheduled", "callback.rescheduled", "callback.queued", "callback.ready_to_start_media", "callback.attempt_started",
		"callback.attempt_ended", "callback.snoozed", "callback.customer_connected", "callback.dialog_ended", "callback.agent_requested",
		"callback.agent_connected", "callback.agent_transfer_failed", "callback.customer_abandoned", "callback.wait_timed_out",
		"callback.inbound_call_ended", "callback.cancelled", "callback.completed",
	}, session.Types())
	require.ElementsMatch(t, callback.Types, session.Types(), "every type has a number")
}

func TestTheStateIsARecordOfItsSchema(t *testing.T) {
	t.Parallel()
	codec := schemaCodec(t)
	for name, s := range map[string]*session.State{
		"full": full(), "new": session.New("s1"), "closed": {ServiceID: "s1", DueAt: 5, ClosedAt: 4, NextSequence: 3},
	} {
		b := s.Append(nil)
		native, rest, err := codec.NativeFromBinary(b)
		require.NoError(t, err, name)
		require.Empty(t, rest, name)
		m := native.(map[string]any)
		require.Len(t, m["events"], len(s.Events), name)
		require.EqualValues(t, s.DueAt, m["due_at"], name)
		require.EqualValues(t, s.NextSequence, m["next_sequence"], name)
		again, err := codec.BinaryFromNative(nil, native)
		require.NoError(t, err, name)
		require.Equal(t, again, b, name)

		back, err := session.Parse("s1", b)
		require.NoError(t, err, name)
		require.Equal(t, b, back.Append(nil), name)
		head, err := session.ParseHead(b)
		require.NoError(t, err, name)
		require.Equal(t, session.Head{DueAt: s.DueAt, Pending: s.Pending, Closed: s.Closed(), Ended: s.Final}, head, name)
	}
}

func TestAStateThatIsCutOrLongerIsRefused(t *testing.T) {
	t.Parallel()
	b := full().Append(nil)
	for n := range b {
		_, err := session.Parse("s1", b[:n])
		require.Error(t, err, "cut at %d", n)
	}
	_, err := session.Parse("s1", append(b, 0))
	require.ErrorContains(t, err, "after its end")
}

// What a newer release has written is refused by name, not read as something else.
func TestAStateOfANewerReleaseIsRefused(t *testing.T) {
	t.Parallel()
	s := session.New("s1")
	s.Add(&callback.Event{ID: "e", Type: callback.Queued}, 1)
	b := s.Append(nil)
	at := len(s.Append(nil)) - len("\x02\x02\x00\x00\x02\x00\x02e\x10\x00\x00\x00\x00\x02\x00\x00")
	require.EqualValues(t, 2, b[at], "the form")
	b[at] = 4
	_, err := session.Parse("s1", b)
	require.ErrorContains(t, err, "form 2")
	b[at] = 2
	b[at+8] = 2 * 23
	_, err = session.Parse("s1", b)
	require.ErrorContains(t, err, "newer release")
}

func FuzzParse(f *testing.F) {
	f.Add(full().Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := session.Parse("s1", b)
		if err != nil {
			return
		}
		again, err := session.Parse("s1", s.Append(nil))
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}
