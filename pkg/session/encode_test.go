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

func full() *session.State {
	e := session.NewApplied(&callback.Event{
		Source: "/gms", ID: "e1", Type: callback.Offered, Subject: "s1", Time: -5, TenantDBID: ptr(int64(101)), ORSSessionID: ptr("ors"),
	}, [16]byte{1, 2, 3}, 3, 1<<40, []byte{0, 2, 0})
	bare := session.NewApplied(&callback.Event{Source: "", ID: "e2", Type: callback.Completed, Subject: "s1", Time: 7}, [16]byte{9}, 3, 8, nil)
	return &session.State{
		ServiceID: "s1", DueAt: 1 << 41, Pending: true, NextSequence: 3, Started: true, Final: true, TimedOut: true, Dirty: true,
		OriginationAttached: true, ConnectedAttached: []int64{5, 900}, LastNews: 77, WakeAt: 78, FinalAt: 79, SentDigest: [16]byte{4},
		Events: []session.Applied{e, bare},
	}
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
