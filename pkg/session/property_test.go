package session_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/session"
)

// draw makes a log of a few sessions: events in any order of arrival, duplicates,
// conflicts, ticks and pauses long enough to pass every deadline.
func draw(t *rapid.T) []line {
	ids := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 40).Draw(t, "sessions")
	var lines []line
	clock := 0
	for i, id := range ids {
		clock += rapid.SampledFrom([]int{0, 0, 0, 1, 4, 5, 6, 600, 26 * 3600, 48 * 3600}).Draw(t, "pause")
		in := line{
			arrives: clock, happened: rapid.IntRange(0, 40).Draw(t, "happened"), session: fmt.Sprintf("s%d", id),
			typ: rapid.SampledFrom(callback.Types).Draw(t, "type"), id: fmt.Sprintf("e%d", i),
		}
		if i > 0 && rapid.IntRange(0, 9).Draw(t, "repeat") == 0 {
			in = rapid.SampledFrom(lines).Draw(t, "of")
			in.arrives = clock
			lines = append(lines, in)
			continue
		}
		switch in.typ {
		case callback.AttemptStarted:
			in.data.Kind = ptr("CALL")
		case callback.Snoozed:
			in.data.NextAttemptAt = ptr(at(rapid.IntRange(0, 500_000).Draw(t, "next")))
		case callback.Scheduled, callback.Rescheduled:
			in.data.DesiredTime = ptr(at(rapid.IntRange(0, 500_000).Draw(t, "desired")))
		}
		if rapid.IntRange(0, 19).Draw(t, "tick") == 0 {
			in = line{arrives: clock, typ: callback.Tick}
		}
		lines = append(lines, in)
	}
	return lines
}

// flatten puts the effects of all batches in one row, as a reader of the topics sees them.
func flatten(effects []*session.Effects) (all session.Effects) {
	for _, fx := range effects {
		all.UserEvents = append(all.UserEvents, fx.UserEvents...)
		all.Attached = append(all.Attached, fx.Attached...)
		for _, d := range fx.DeadLetters {
			all.DeadLetters = append(all.DeadLetters, session.SetAside{Bad: d.Bad})
		}
	}
	return all
}

// Invariant 3: batches, restarts and rebalances change nothing of what is sent.
func TestEffectsFollowFromTheLogAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lines := draw(rt)
		// A short life of markers lets sessions begin anew within a log.
		rules := session.Rules{Marker: time.Hour}
		one := &log{t: t, p: session.NewPartition(rules, 3)}
		var records []session.Record
		for _, in := range lines {
			r := one.record(in)
			r.Flush = r.Tick && rapid.Bool().Draw(rt, "flush")
			records = append(records, r)
		}
		for _, r := range records {
			one.process(r)
		}
		want := flatten(one.effects)

		p := session.NewPartition(rules, 3)
		changelog := map[string][]byte{}
		var got []*session.Effects
		for rest := records; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "batch")
			fx, err := p.Process(rest[:n], rest[n-1].Offset+1)
			require.NoError(t, err)
			kept := *fx
			kept.UserEvents = slices.Clone(fx.UserEvents)
			got = append(got, &kept)
			for _, s := range fx.States {
				if s.Encoded == nil {
					delete(changelog, s.ServiceID)
					continue
				}
				changelog[s.ServiceID] = s.Encoded
			}
			rest = rest[n:]
			if rapid.Bool().Draw(rt, "done") {
				fx.Done()
			}
			if rapid.Bool().Draw(rt, "restart") {
				p = session.NewPartition(rules, 3)
				p.RestorePosition(fx.Position)
				for id, state := range changelog {
					require.NoError(t, p.Restore(id, state))
				}
				require.NoError(t, p.Whole())
				for id := range changelog { // one is missing
					require.NoError(t, p.Restore(id, nil))
					require.ErrorContains(t, p.Whole(), "of the")
					require.NoError(t, p.Restore(id, changelog[id]))
					break
				}
			}
		}
		if got := flatten(got); !reflect.DeepEqual(want, got) {
			rt.Fatalf("batches or restarts changed what is sent:\n%s\n%s", summary(&want), summary(&got))
		}
	})
}

func summary(fx *session.Effects) string {
	var lines []string
	for i := range fx.UserEvents {
		lines = append(lines, fx.UserEvents[i].What.ServiceID()+" "+describe(&fx.UserEvents[i].What))
	}
	return strings.Join(lines, "\n")
}

// Invariant 3: the last UserEvent of a session that has ended is a function of the
// set of its events, in whatever order they arrived.
func TestTheLastUserEventIsAFunctionOfTheSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lines := draw(rt)
		lines = slices.DeleteFunc(lines, func(l line) bool { return l.typ == callback.Tick })
		for i := range lines {
			lines[i].session, lines[i].arrives = "s1", i%4 // no deadline passes before the end
		}
		shuffled := rapid.Permutation(lines).Draw(rt, "order")
		shuffled = append(shuffled, rapid.SliceOf(rapid.SampledFrom(append(lines, requested(0)))).Draw(rt, "again")...)
		for i := range shuffled {
			shuffled[i].arrives = i % 4
		}
		shuffled = slices.DeleteFunc(shuffled, func(l line) bool { return l.id == "" })
		a := newLog(t).read(lines...).flush(10)
		b := newLog(t).read(shuffled...).flush(10)
		wa, wb := last(a), last(b)
		// A session that goes on may have ended for a while in one order and not in the other.
		if ended(wa) != ended(wb) {
			rt.Fatalf("it has ended in one order and not in another: %t, %t", ended(wa), ended(wb))
		}
		if ended(wa) && !slices.Equal(values(wa), values(wb)) {
			rt.Fatalf("another order gives other values:\n%v", differing(values(wa), values(wb)))
		}
	})
}

func ended(u *callback.UserEvent) bool { return u != nil && u.KVPs[callback.KeyFinalRecord].Int == 1 }

func last(l *log) *callback.UserEvent {
	all := flatten(l.effects).UserEvents
	if len(all) == 0 {
		return nil
	}
	return &all[len(all)-1].What
}

func values(u *callback.UserEvent) (v []string) {
	for k := range callback.KVP(callback.NumKVPs) {
		if u.KVPs[k].Set {
			v = append(v, k.String()+"="+u.KVPs.Text(k))
		}
	}
	for _, n := range []*int64{u.DesiredTime, u.PushDeliveryConfirmed, u.CustomerReadyToStartIxn} {
		if n == nil {
			n = new(int64)
		}
		v = append(v, strconv.FormatInt(*n, 10))
	}
	return v
}

func differing(a, b []string) (d []string) {
	for _, v := range a {
		if !slices.Contains(b, v) {
			d = append(d, "-"+v)
		}
	}
	for _, v := range b {
		if !slices.Contains(a, v) {
			d = append(d, "+"+v)
		}
	}
	return d
}

// Partitions work side by side, and what one has done with is given to the others: what a batch has come to holds until
// it is done with, whatever they do meanwhile.
func TestPartitionsShareNoMemoryInUse(t *testing.T) {
	t.Parallel()
	lines := rapid.Custom(draw).Example(11)
	for len(lines) < 200 {
		lines = append(lines, rapid.Custom(draw).Example(11+len(lines))...)
	}
	one := &log{t: t, p: session.NewPartition(session.Rules{}, 3)}
	var records []session.Record
	clock := int64(0)
	for i, in := range lines {
		in.id = fmt.Sprint(i)
		in.data.ServiceName, in.data.IxnID = ptr(fmt.Sprint("service ", i%5)), ptr(fmt.Sprint("ixn ", i))
		r := one.record(in)
		clock = max(clock, r.Time)
		r.Offset, r.Time = int64(i), clock
		records = append(records, r)
	}
	run := func(done bool) (all []string) {
		p := session.NewPartition(session.Rules{}, 3)
		for i := 0; i < len(records); i += 7 {
			batch := records[i:min(i+7, len(records))]
			fx, err := p.Process(batch, batch[len(batch)-1].Offset+1)
			if err != nil {
				return []string{err.Error()}
			}
			runtime.Gosched() // the others take what they can
			written, err := json.Marshal([]any{append(make([]session.Due[callback.UserEvent], 0), fx.UserEvents...), fx.Attached, fx.States, fx.Position})
			if err != nil {
				return []string{err.Error()}
			}
			all = append(all, string(written))
			if done {
				fx.Done()
			}
		}
		return all
	}
	want := run(false)
	require.Greater(t, strings.Count(strings.Join(want, ""), "CALLBACK_ACCEPTED"), 5)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if got := run(true); !slices.Equal(want, got) {
					t.Error("another partition has changed what is sent")
					return
				}
			}
		})
	}
	wg.Wait()
}
