package oracle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/wire"
)

// Counted is how many dead letters there are by component and reason, and how many were written more than once.
type Counted struct {
	ByReason map[string]int
	Repeated int
}

// Letters holds the dead letters against what is expected (invariant 2): the enricher's exactly once, as they are part
// of its transactions; the sinks' at least once. Each has its record as it lies in its topic.
func (f *Findings) Letters(ctx context.Context, got *Topic, x *Expected, codec *wire.Codec, lifecycle, userEvents, attached *Topic) (Counted, error) {
	differ := f.Check("dead letters are the expected ones")
	kept := f.Check("dead letters keep their records")
	count := Counted{ByReason: map[string]int{}}
	seen := map[string]int{}
	missing, err := owedBySinks(ctx, userEvents, attached, codec)
	if err != nil {
		return count, err
	}
	records := map[string]*Topic{lifecycle.Name: lifecycle, userEvents.Name: userEvents, attached.Name: attached}
	for n := range got.Partitions {
		for i := range got.Partitions[n] {
			d, err := codec.ParseDeadLetter(ctx, &got.Partitions[n][i])
			if err != nil {
				differ("the letter at %d/%d cannot be read: %v", n, got.Partitions[n][i].Offset, err)
				continue
			}
			id := d.ID()
			if what := keeps(d, records[d.Topic]); what != "" {
				kept("%s: %s", id, what)
			}
			if seen[id]++; seen[id] > 1 {
				if count.Repeated++; d.Component == "enricher" {
					differ("%s is written %d times", id, seen[id])
				}
				continue
			}
			count.ByReason[d.Component+" "+string(d.Reason)]++
			if w, ok := missing[id]; ok && d.Reason == w.reason && slices.Equal(d.Missing, w.keys) {
				continue
			}
			if w, ok := x.Letters[id]; !ok || w.Reason != d.Reason || w.Detail != d.Detail {
				differ("%s: %s (%s); expected %q (%s)", id, d.Reason, d.Detail, w.Reason, w.Detail)
			}
		}
	}
	for id, w := range x.Letters {
		if seen[id] == 0 {
			differ("%s is missing: %s (%s)", id, w.Reason, w.Detail)
		}
	}
	for id, w := range missing {
		if seen[id] == 0 {
			differ("%s is missing: %s: %s", id, w.reason, strings.Join(w.keys, ", "))
		}
	}
	return count, nil
}

// keeps says in what a letter is not its record.
func keeps(d *callback.DeadLetter, t *Topic) string {
	if t == nil || int(d.Partition) >= len(t.Partitions) {
		return fmt.Sprintf("there is no %s/%d", d.Topic, d.Partition)
	}
	records := t.Partitions[d.Partition]
	at, there := slices.BinarySearchFunc(records, d.Offset, func(r kafka.Record, offset int64) int { return cmp.Compare(r.Offset, offset) })
	if !there {
		return "there is no such record"
	}
	r := &kafka.Record{Time: d.RecordTime, Key: d.RecordKey, Value: d.RecordValue}
	for _, h := range d.RecordHeaders {
		r.Headers = append(r.Headers, kafka.Header{Key: h.Name, Value: h.Value})
	}
	if (r.Key == nil) != (records[at].Key == nil) || (r.Value == nil) != (records[at].Value == nil) || !equal(r, &records[at]) {
		return fmt.Sprintf("there is\n  %s\n  the record is\n  %s", show(r), show(&records[at]))
	}
	if key := string(records[at].Key); d.ServiceID == nil || *d.ServiceID != key {
		return fmt.Sprintf("its service id is not the key %q", key)
	}
	return ""
}

// owedLetter is what is expected of a sink's letter.
type owedLetter struct {
	reason callback.Reason
	keys   []string
}

// owedBySinks are the letters that the sink infomart owes for UserEvents without a mandatory KVP (invariant 9), and
// each sink for what it cannot read.
func owedBySinks(ctx context.Context, userEvents, attached *Topic, codec *wire.Codec) (map[string]owedLetter, error) {
	owed := map[string]owedLetter{}
	owe := func(component string, r *kafka.Record, t *Topic, n int, l owedLetter) {
		d := callback.DeadLetter{Component: component, Topic: t.Name, Partition: int32(n), Offset: r.Offset}
		owed[d.ID()] = l
	}
	for _, t := range []*Topic{userEvents, attached} {
		for n := range t.Partitions {
			for i := range t.Partitions[n] {
				r := &t.Partitions[n][i]
				keys, err := lacking(ctx, r, t == attached, codec)
				var bad *callback.BadRecord
				switch {
				case errors.As(err, &bad):
					owe("tserver", r, t, n, owedLetter{reason: bad.Reason})
					if t == userEvents {
						owe("infomart", r, t, n, owedLetter{reason: bad.Reason})
					}
				case err != nil:
					return nil, err
				case len(keys) > 0:
					owe("infomart", r, t, n, owedLetter{callback.ReasonMissingKVP, keys})
				}
			}
		}
	}
	return owed, nil
}

// lacking are the mandatory KVPs that a UserEvent lacks.
func lacking(ctx context.Context, r *kafka.Record, attached bool, codec *wire.Codec) (keys []string, err error) {
	if attached {
		_, err := codec.ParseAttachedData(ctx, r)
		return nil, err
	}
	u, err := codec.ParseUserEvent(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, k := range u.KVPs.Missing() {
		keys = append(keys, k.String())
	}
	return keys, nil
}
