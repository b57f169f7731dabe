package oracle

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/ringback/ringback/integration/process/load"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold/foldtest"
	"github.com/ringback/ringback/pkg/kafka"
)

// Accepted checks invariant 1 and what the log holds besides: each accepted event lies where the producer said, and
// each event of the log is one that was sent. garbage counts the records that were written on purpose.
func (f *Findings) Accepted(accepted []load.Accepted, x *Expected) error {
	lost := f.Check("accepted events are in the log")
	sent := map[string][]foldtest.Event{}
	for _, a := range accepted {
		want, err := foldtest.ParseLine(a.Line)
		if err != nil {
			return err
		}
		key := want.Source + "\x00" + want.ID
		sent[key] = append(sent[key], want)
		e := x.Events[a.Partition][a.Offset]
		if e == nil {
			lost("event %q of %q was accepted at %d/%d, where there is none", want.ID, want.Source, a.Partition, a.Offset)
			continue
		}
		if got := foldtest.FromEvent(e); !reflect.DeepEqual(got, want) {
			lost("event %q of %q was accepted at %d/%d, where there is\n  %v\n  sent was\n  %v", want.ID, want.Source, a.Partition, a.Offset, got, want)
		}
	}
	foreign := f.Check("events of the log were sent")
	for n, events := range x.Events {
		for offset, e := range events {
			got := foldtest.FromEvent(e)
			known := false
			for _, want := range sent[e.Source+"\x00"+e.ID] {
				known = known || reflect.DeepEqual(got, want)
			}
			if !known {
				foreign("%d/%d: event %q of %q was not sent so: %v", n, offset, e.ID, e.Source, got)
			}
		}
	}
	return nil
}

// Same checks that a topic holds what is expected: byte for byte, in order, nothing missing, nothing twice.
func (f *Findings) Same(got *Topic, want [][]kafka.Record) {
	differ := f.Check(got.Name + " is what the log says, byte for byte")
	for n := range want {
		g, w := got.Partitions[n], want[n]
		for i := range max(len(g), len(w)) {
			switch {
			case i >= len(g):
				differ("partition %d: record %d of %d is missing: %s", n, i, len(w), show(&w[i]))
			case i >= len(w):
				differ("partition %d: one too many at offset %d: %s", n, g[i].Offset, show(&g[i]))
			case !equal(&g[i], &w[i]):
				differ("partition %d, record %d, offset %d: there is\n  %s\n  expected\n  %s", n, i, g[i].Offset, show(&g[i]), show(&w[i]))
			default:
				continue
			}
			break // what follows is only shifted
		}
	}
}

func equal(a, b *kafka.Record) bool {
	if !bytes.Equal(a.Key, b.Key) || !bytes.Equal(a.Value, b.Value) || a.Time.UnixMilli() != b.Time.UnixMilli() || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i := range a.Headers {
		if a.Headers[i].Key != b.Headers[i].Key || !bytes.Equal(a.Headers[i].Value, b.Headers[i].Value) {
			return false
		}
	}
	return true
}

func show(r *kafka.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "key %q time %d value %x", r.Key, r.Time.UnixMilli(), r.Value)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, " %s=%q", h.Key, h.Value)
	}
	return b.String()
}

// Sequences checks that the UserEvents of each service count from 1 without a gap, in the order of the topic.
func (f *Findings) Sequences(userEvents *Topic) {
	gap := f.Check("EVENT_SEQUENCE counts from 1 without a gap")
	next := map[string]int64{}
	for n, records := range userEvents.Partitions {
		for i := range records {
			r := &records[i]
			id, _ := r.Header("ce_id")
			service, number, _ := strings.Cut(string(id), "/")
			if at := strings.LastIndexByte(string(id), '/'); at >= 0 {
				service, number = string(id[:at]), string(id[at+1:])
			}
			next[service]++
			if got, err := strconv.ParseInt(number, 10, 64); err != nil || got != next[service] {
				gap("service %s: offset %d/%d has number %q, expected %d", service, n, r.Offset, number, next[service])
			}
		}
	}
}

// Count is the number of sessions that Fold has held against the reference.
type Count struct{ Sessions, Checked, Pending, Open, Conflicts int }

// reasonsOfEvents are those for which an event is not applied.
var aside = map[callback.Reason]bool{
	callback.ReasonLate: true, callback.ReasonTooLarge: true, callback.ReasonFutureTime: true, callback.ReasonMiskeyed: true,
}

// Fold holds the last UserEvent of each ended session against the reference implementation, folding the set of the
// events that the log holds of it (invariant 3). pending are sessions of which a deadline is still to come.
func (f *Findings) Fold(log *Topic, upTo []int64, x *Expected, last map[string]*callback.UserEvent, pending map[string]bool) Count {
	differ := f.Check("the last UserEvent is what the reference folds")
	conflict := f.Check("CONFLICT follows from the log")
	var count Count
	for n := range log.Partitions {
		applied := map[string][]foldtest.Event{}
		for i := range log.Partitions[n] {
			r := &log.Partitions[n][i]
			e := x.Events[n][r.Offset]
			if e == nil || r.Offset >= upTo[n] {
				continue
			}
			id := (&callback.DeadLetter{Component: "enricher", Topic: log.Name, Partition: int32(n), Offset: r.Offset}).ID()
			letter, dead := x.Letters[id]
			if dead && aside[letter.Reason] {
				continue
			}
			one := foldtest.FromEvent(e)
			known, same := false, false
			for _, a := range applied[e.Subject] {
				if a.ID == one.ID && a.Source == one.Source {
					known, same = true, reflect.DeepEqual(a, one)
				}
			}
			switch {
			case !known:
				applied[e.Subject] = append(applied[e.Subject], one)
				if dead {
					conflict("%s is dead-lettered as %s, and the log holds no other event of that id before it", id, letter.Reason)
				}
			case !same:
				count.Conflicts++
				if !dead || letter.Reason != callback.ReasonConflict {
					conflict("%s has another content than the first event of that id, and is not dead-lettered as CONFLICT", id)
				}
			case dead:
				conflict("%s repeats an event, and is dead-lettered as %s", id, letter.Reason)
			}
		}
		for service, events := range applied {
			count.Sessions++
			u := last[service]
			switch {
			case pending[service]:
				count.Pending++
				continue
			case u == nil || u.Cause == callback.CauseStart || !final(u):
				count.Open++
				continue
			}
			count.Checked++
			want := foldtest.Session(events, foldtest.Options{MaxAttempts: 3}, u.Cause == callback.CauseTimeout)
			want.KVPs["_CB_FINAL_RECORD"] = int64(1)
			if got := foldtest.FromKVPs(&u.KVPs); !reflect.DeepEqual(got, want.KVPs) {
				differ("service %s, UserEvent %d (%s): it says\n  %v\n  the reference\n  %v", service, u.Sequence, u.Cause, got, want.KVPs)
			}
		}
	}
	return count
}

func final(u *callback.UserEvent) bool {
	v := u.KVPs[callback.KeyFinalRecord]
	return v.Set && v.Int == 1
}
