package session_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/session"
)

func ptr[T any](v T) *T { return &v }

// epoch is the event time of the log's beginning, begin its arrival.
var (
	epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	begin = time.Date(2026, 3, 2, 9, 0, 1, 0, time.UTC).UnixMilli()
)

func at(s int) callback.Micros {
	return callback.Micros(epoch.Add(time.Duration(s) * time.Second).UnixMicro())
}

// line is one record: it arrives at second arrives, and says that something happened at second happened.
type line struct {
	arrives  int
	happened int
	typ      callback.Type
	id       string
	data     callback.Data
	session  string
}

type log struct {
	t       testing.TB
	p       *session.Partition
	offset  int64
	sent    []string
	reasons []callback.Reason
	effects []*session.Effects
}

func newLog(t testing.TB) *log {
	return &log{t: t, p: session.NewPartition(session.Rules{}, 3)}
}

func (l *log) record(in line) session.Record {
	if in.session == "" {
		in.session = "s1"
	}
	r := session.Record{Offset: l.offset, Time: begin + int64(in.arrives)*1000}
	l.offset++
	if in.typ == callback.Tick {
		r.Tick = true
		return r
	}
	r.Event = &callback.Event{Source: "/gms", ID: in.id, Type: in.typ, Subject: in.session, Time: at(in.happened), Data: in.data}
	if in.id == "" {
		r.Event.ID = fmt.Sprintf("e%d", r.Offset)
	}
	return r
}

// read takes the lines in, one batch each, and notes what was sent.
func (l *log) read(lines ...line) *log {
	for _, in := range lines {
		l.process(l.record(in))
	}
	return l
}

func (l *log) tick(second int) *log { return l.read(line{arrives: second, typ: callback.Tick}) }

func (l *log) flush(second int) *log {
	r := l.record(line{arrives: second, typ: callback.Tick})
	r.Flush = true
	l.process(r)
	return l
}

func (l *log) process(records ...session.Record) {
	fx, err := l.p.Process(records, l.offset)
	require.NoError(l.t, err)
	l.effects = append(l.effects, fx)
	for _, u := range fx.UserEvents {
		l.sent = append(l.sent, describe(&u.What))
	}
	for _, a := range fx.Attached {
		l.sent = append(l.sent, "attach "+string(a.What.Occasion)+" "+a.What.IxnID)
	}
	for _, d := range fx.DeadLetters {
		l.reasons = append(l.reasons, d.Bad.Reason)
	}
	pos := fx.Position
	require.Equal(l.t, pos.Read, pos.Applied+pos.AlreadyApplied+pos.DeadLettered+pos.Ticks, "invariant 2: the counts add up")
}

func describe(u *callback.UserEvent) string {
	return fmt.Sprintf("%d %s final=%d %s", u.Sequence, u.Cause, u.KVPs[callback.KeyFinalRecord].Int, u.KVPs[callback.KeyDisposition].Str)
}

func requested(arrives int) line {
	return line{arrives: arrives, happened: 10, typ: callback.Requested, data: callback.Data{CallbackType: ptr("IMMEDIATE")}}
}

func TestStartAndFinalAreSentWhenDue(t *testing.T) {
	t.Parallel()
	l := newLog(t).read(
		line{arrives: 0, happened: 0, typ: callback.Offered},
		line{arrives: 5, happened: 5, typ: callback.OfferAccepted},
		requested(10),
		line{arrives: 20, happened: 20, typ: callback.AttemptStarted, data: callback.Data{Kind: ptr("CALL"), IxnID: ptr("out-1")}},
		line{arrives: 30, happened: 30, typ: callback.CustomerConnected},
		line{arrives: 40, happened: 40, typ: callback.AgentConnected},
		line{arrives: 50, happened: 50, typ: callback.Completed},
	).tick(60)
	require.Equal(t, []string{
		"1 START final=0 QUEUED",
		"attach CUSTOMER_CONNECTED out-1",
		"2 FINAL final=1 COMPLETED.AGENT",
	}, l.sent)
}

func TestASessionThatEndsBeforeItsStartSendsBoth(t *testing.T) {
	t.Parallel()
	l := newLog(t).read(
		line{arrives: 0, happened: 0, typ: callback.Offered},
		line{arrives: 5, happened: 5, typ: callback.OfferRejected},
		line{arrives: 6, happened: 6, typ: callback.InboundCallEnded},
	)
	require.Equal(t, []string{"1 START final=0 COMPLETED.REJECTED", "2 FINAL final=1 COMPLETED.REJECTED"}, l.sent)
}

func TestADeclinedOfferEndsAfterTheGrace(t *testing.T) {
	t.Parallel()
	declined := []line{
		{arrives: 0, happened: 0, typ: callback.Offered},
		{arrives: 5, happened: 5, typ: callback.OfferRejected},
	}
	l := newLog(t).read(declined...).tick(604)
	require.Empty(t, l.sent, "the caller may be offered again")
	l.tick(605)
	require.Len(t, l.sent, 2)

	l = newLog(t).read(declined...).flush(6)
	require.Len(t, l.sent, 2, "the end of an import makes the grace due")

	l = newLog(t).read(declined...).read(
		line{arrives: 30, happened: 30, typ: callback.Offered},
		line{arrives: 35, happened: 35, typ: callback.OfferAccepted},
	).tick(900)
	require.Equal(t, []string{"1 START final=0 QUEUED"}, l.sent, "the next offer was taken")
}

func TestAMissingMandatoryKVPHoldsFinalBackForTheSettleTime(t *testing.T) {
	t.Parallel()
	l := newLog(t).read(line{arrives: 0, happened: 50, typ: callback.Completed}).tick(4)
	require.Empty(t, l.sent)
	l.tick(5)
	require.Equal(t, []string{"1 FINAL final=1 COMPLETED.FAILED"}, l.sent)

	l = newLog(t).read(line{arrives: 0, happened: 50, typ: callback.Completed}, requested(3)).tick(60)
	require.Equal(t, []string{"1 START final=0 COMPLETED.FAILED", "2 FINAL final=1 COMPLETED.FAILED"}, l.sent,
		"it came in time")
}

func TestNewsAfterFinalMakesOneCorrectionOnceSettled(t *testing.T) {
	t.Parallel()
	ended := []line{requested(0), {arrives: 1, happened: 50, typ: callback.Completed}}
	l := newLog(t).read(ended...).read(
		line{arrives: 10, happened: 20, typ: callback.AttemptStarted, data: callback.Data{Kind: ptr("CALL")}},
		line{arrives: 12, happened: 30, typ: callback.CustomerConnected},
	).tick(16)
	require.Len(t, l.sent, 2, "the news has not settled")
	l.tick(17)
	require.Equal(t, "3 CORRECTION final=1 COMPLETED.CONNECTED", l.sent[2])

	l = newLog(t).read(ended...).read(line{arrives: 10, happened: 60, typ: callback.InboundCallEnded}).tick(60)
	require.Len(t, l.sent, 2, "news that changes no KVP corrects nothing")
}

func TestNewsThatTakesTheTerminalEventAwayOpensTheSessionAgain(t *testing.T) {
	t.Parallel()
	l := newLog(t).read(
		line{arrives: 0, happened: 0, typ: callback.Offered},
		line{arrives: 1, happened: 5, typ: callback.OfferRejected},
		line{arrives: 2, happened: 6, typ: callback.InboundCallEnded},
		line{arrives: 30, happened: 5, typ: callback.Offered}, // at equal time its rank is lower: no news of the end
	).tick(40)
	require.Len(t, l.sent, 3)
	l.read(line{arrives: 50, happened: 70, typ: callback.Offered}).tick(55)
	require.Equal(t, "4 CORRECTION final=0 QUEUED", l.sent[3])
	l.read(line{arrives: 60, happened: 75, typ: callback.OfferRejected})
	require.Equal(t, "5 FINAL final=1 COMPLETED.REJECTED", l.sent[4], "an inbound_call_ended is in")
}

func TestASessionWithoutNewsTimesOutAndAnEventRevokesIt(t *testing.T) {
	t.Parallel()
	day := 26 * 3600
	l := newLog(t).read(requested(0)).tick(day - 1)
	require.Len(t, l.sent, 1)
	l.tick(day)
	require.Equal(t, "2 TIMEOUT final=1 QUEUED.FAILED", l.sent[1])
	l.read(line{arrives: day + 10, happened: day, typ: callback.Queued}).tick(day + 15)
	require.Equal(t, "3 CORRECTION final=0 QUEUED", l.sent[2])
	l.tick(day + 10 + day)
	require.Equal(t, "4 TIMEOUT final=1 QUEUED.FAILED", l.sent[3])
}

func TestATimeOutWaitsForTheDesiredTimeAndTheNextAttempt(t *testing.T) {
	t.Parallel()
	day := 24 * 3600
	desired := callback.Micros(epoch.Add(72 * time.Hour).UnixMicro())
	scheduled := line{arrives: 0, happened: 10, typ: callback.Requested, data: callback.Data{CallbackType: ptr("SCHEDULED"), DesiredTime: &desired}}
	l := newLog(t).read(scheduled).tick(3*day + 26*3600 - 2)
	require.Len(t, l.sent, 1)
	l.tick(3*day + 26*3600)
	require.Equal(t, "2 TIMEOUT final=1 SCHEDULED.FAILED", l.sent[1])

	far := callback.Micros(epoch.Add(900 * 24 * time.Hour).UnixMicro())
	l = newLog(t).read(line{arrives: 0, happened: 10, typ: callback.Requested, data: callback.Data{CallbackType: ptr("SCHEDULED"), DesiredTime: &far}})
	l.tick(400*day + 26*3600)
	require.Len(t, l.sent, 2, "a desired time is capped at 400 days ahead")
}

func TestAClosedSessionIsAMarkerAndItsEventsAreLate(t *testing.T) {
	t.Parallel()
	l := newLog(t).read(requested(0), line{arrives: 1, happened: 50, typ: callback.Completed}).tick(48 * 3600)
	require.NotEmpty(t, l.effects[1].States[0].Encoded)
	l.tick(48*3600 + 1)
	require.Equal(t, 1, l.p.Sessions().Closed)
	marker := l.effects[len(l.effects)-1].States[0].Encoded
	require.LessOrEqual(t, len(marker), 64)
	l.read(line{arrives: 48*3600 + 5, happened: 51, typ: callback.Queued})
	require.Equal(t, []callback.Reason{callback.ReasonLate}, l.reasons)

	gone := l.tick((48 + 436*24) * 3600).effects
	require.Equal(t, []session.Changed{{ServiceID: "s1"}}, gone[len(gone)-1].States, "the marker goes with the topic's records")
	require.Zero(t, l.p.Sessions())
}

func TestDuplicatesConflictsAndLimits(t *testing.T) {
	t.Parallel()
	first := line{id: "a", happened: 10, typ: callback.Requested, data: callback.Data{CallbackType: ptr("IMMEDIATE")}}
	other := first
	other.data.CallbackType = ptr("SCHEDULED")
	l := newLog(t).read(first, first, other)
	require.Equal(t, []callback.Reason{callback.ReasonConflict}, l.reasons)
	pos := l.p.Position()
	require.EqualValues(t, []int64{3, 1, 1, 1}, []int64{pos.Read, pos.Applied, pos.AlreadyApplied, pos.DeadLettered})
	require.Equal(t, []string{"1 START final=0 QUEUED"}, l.sent, "the first stays, and no refused event has an effect")

	l = &log{t: t, p: session.NewPartition(session.Rules{MaxBytes: 16 << 20}, 3)}
	for i := range 1001 {
		l.read(line{arrives: i, happened: i, typ: callback.Queued})
	}
	require.Equal(t, []callback.Reason{callback.ReasonTooLarge}, l.reasons)

	l = newLog(t)
	big := line{typ: callback.Queued, data: callback.Data{Target: ptr(string(make([]byte, 300<<10)))}}
	l.read(big)
	require.Equal(t, []callback.Reason{callback.ReasonTooLarge}, l.reasons)
	require.Zero(t, l.p.Sessions(), "a session whose only event was refused is none")
}

func TestAnEventOfTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	l := newLog(t).read(line{arrives: 0, happened: 24*3600 + 2, typ: callback.Offered}, line{arrives: 0, happened: 24 * 3600, typ: callback.Offered})
	require.Equal(t, []callback.Reason{callback.ReasonFutureTime}, l.reasons)
}

func TestAttachedDataIsSentOnceAndOnlyAfterStart(t *testing.T) {
	t.Parallel()
	l := newLog(t).read(
		line{arrives: 0, happened: 30, typ: callback.CustomerConnected, data: callback.Data{IxnID: ptr("out-1")}},
		line{arrives: 1, happened: 0, typ: callback.Offered, data: callback.Data{OriginationIxnID: ptr("in-1")}},
		requested(2),
		line{arrives: 3, happened: 5, typ: callback.OfferAccepted},
		line{arrives: 4, happened: 70, typ: callback.CustomerConnected, data: callback.Data{IxnID: ptr("out-2")}},
	)
	require.Equal(t, []string{
		"1 START final=0 ROUTING.CONNECTED",
		"attach CALLBACK_ACCEPTED in-1",
		"attach CUSTOMER_CONNECTED out-1",
		"attach CUSTOMER_CONNECTED out-2",
	}, l.sent)
}

func TestEachValueNamesTheEventThatSetIt(t *testing.T) {
	t.Parallel()
	l := newLog(t).read(line{arrives: 0, happened: 0, typ: callback.Offered, data: callback.Data{Channel: ptr("IVR")}}, requested(10))
	u := l.effects[1].UserEvents[0].What
	require.Len(t, u.Events, 2)
	require.Equal(t, 1, l.p.Sessions().Open)
	require.Contains(t, u.Events[0].Sets, "_CB_DIM_CHANNEL")
	require.Contains(t, u.Events[1].Sets, "_CB_DIM_TYPE")
	require.EqualValues(t, 3, u.Events[0].Partition)
	require.EqualValues(t, 1, u.Events[1].Offset)
}

// A tick may make any number of sessions due; what it comes to is cut into batches
// of bounded size, and reading it again goes on where the last one ended.
func TestATickThatMakesManySessionsDueIsReadInParts(t *testing.T) {
	t.Parallel()
	const sessions = 4500
	l := newLog(t)
	for i := range sessions {
		l.read(line{arrives: 0, happened: 0, typ: callback.Offered, session: fmt.Sprintf("s%04d", i)},
			line{arrives: 0, happened: 5, typ: callback.OfferRejected, session: fmt.Sprintf("s%04d", i)})
	}
	tick := l.record(line{arrives: 700, typ: callback.Tick})
	parts := 0
	for {
		fx, err := l.p.Process([]session.Record{tick}, l.offset)
		require.NoError(t, err)
		parts++
		require.LessOrEqual(t, len(fx.UserEvents), 4000)
		for _, u := range fx.UserEvents {
			l.sent = append(l.sent, u.What.ID())
		}
		// Invariant 3: only a state at the end of a record may be known again by its position.
		require.Equal(t, fx.Position.Next != l.offset, l.p.Parted())
		if fx.Position.Next == l.offset {
			require.EqualValues(t, 1, fx.Position.Ticks, "the tick counts once")
			break
		}
		require.Equal(t, tick.Offset, fx.Position.Next, "it is read again")
		require.Zero(t, fx.Position.Ticks)
	}
	require.Equal(t, 3, parts)
	require.Len(t, l.sent, 2*sessions)
	require.True(t, slices.IsSorted(l.sent), "in the order in which one batch would send them")
}
