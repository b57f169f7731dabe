package parity

import (
	"context"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/tserverlog"
	"github.com/ringback/ringback/pkg/wire"
)

// Contents are what a pipeline's events have come to, by what tells one from another.
type Contents struct {
	UserEvents map[string]callback.UserEvent    // by their id
	Attached   map[string]callback.AttachedData // by their id
	Letters    map[string]int                   // whole, how often each is there
	Reasons    map[string]int                   // the same by component, reason, service id, missing KVPs
	Facts      map[string]infomart.Row          // with their dimensions, by service id and EVENT_SEQUENCE
	Custom     map[string]map[string]string     // KVPs by UserEvent
	Discards   map[string]infomart.Row
	TServer    map[string][]string // the messages of each session in order, and of each call
}

// readTopics reads what is in the topics with read_committed.
func (c *Contents) readTopics(ctx context.Context, client *kafka.Client, codec *wire.Codec) error {
	c.UserEvents, c.Attached, c.Letters = map[string]callback.UserEvent{}, map[string]callback.AttachedData{}, map[string]int{}
	c.Reasons = map[string]int{}
	err := each(ctx, client, topic.UserEvents, func(r *kafka.Record) error {
		u, err := codec.ParseUserEvent(ctx, r)
		if err != nil {
			return err
		}
		for i := range u.Events {
			u.Events[i].Offset = 0 // sessions that share a partition arrive interleaved as it happens
		}
		if _, twice := c.UserEvents[u.ID()]; twice {
			return fmt.Errorf("UserEvent %s is there twice", u.ID())
		}
		c.UserEvents[u.ID()] = *u
		return nil
	})
	if err != nil {
		return err
	}
	err = each(ctx, client, topic.AttachedData, func(r *kafka.Record) error {
		a, err := codec.ParseAttachedData(ctx, r)
		if err != nil {
			return err
		}
		if _, twice := c.Attached[a.ID()]; twice {
			return fmt.Errorf("attached data %s is there twice", a.ID())
		}
		c.Attached[a.ID()] = *a
		return nil
	})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	return each(ctx, client, topic.DeadLetters, func(r *kafka.Record) error {
		d, err := codec.ParseDeadLetter(ctx, r)
		if err != nil {
			return err
		}
		// A sink writes a letter at least once.
		if id := d.ID(); !seen[id] {
			seen[id] = true
			text, err := letter(ctx, codec, d)
			if err != nil {
				return err
			}
			c.Letters[text]++
			c.Reasons[reason(d.Component, string(d.Reason), deref(d.ServiceID), d.Missing)]++
		}
		return nil
	})
}

// letter is a dead letter as text, without where and when its record lay; the record itself without the id of its
// schema, which each registry gives out by itself.
func letter(ctx context.Context, codec *wire.Codec, d *callback.DeadLetter) (string, error) {
	value := d.RecordValue
	if _, payload, err := avro.SplitHeader(value); err == nil {
		value = payload
	}
	if d.Topic == topic.UserEvents {
		// Its source events have offsets, too.
		u, err := codec.ParseUserEvent(ctx, &kafka.Record{Topic: d.Topic, Key: d.RecordKey, Value: d.RecordValue, Headers: headers(d)})
		if err != nil {
			return "", err
		}
		for i := range u.Events {
			u.Events[i].Offset = 0
		}
		value = fmt.Appendf(nil, "%+v", u.KVPs)
	}
	return fmt.Sprintf("%s %s[%d] %s: %s; missing %v, service %s, key %s, headers %s, value %x",
		d.Component, d.Topic, d.Partition, d.Reason, d.Detail, d.Missing, deref(d.ServiceID), d.RecordKey, headers(d), value), nil
}

func headers(d *callback.DeadLetter) []kafka.Header {
	var all []kafka.Header
	for _, h := range d.RecordHeaders {
		all = append(all, kafka.Header{Key: h.Name, Value: h.Value})
	}
	return all
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// each reads a topic from its beginning to its present end.
func each(ctx context.Context, client *kafka.Client, name string, f func(*kafka.Record) error) error {
	ranges, err := client.Offsets(ctx, name)
	if err != nil {
		return err
	}
	for n := range int32(len(ranges)) {
		for offset := ranges[n].Earliest; offset < ranges[n].Latest; {
			got, err := client.Fetch(ctx, kafka.FetchRequest{Topic: name, Partition: n, Offset: offset, MaxBytes: 1 << 20, MaxWait: time.Second})
			if err != nil {
				return err
			}
			for i := range got.Records {
				if err := f(&got.Records[i]); err != nil {
					return fmt.Errorf("%s[%d] at offset %d: %w", name, n, got.Records[i].Offset, err)
				}
			}
			offset = got.Next
		}
	}
	return nil
}

// readTServer reads what T-Server distributed. A session's UserEvents are in order; so is what is attached to a call.
// Times and reference ids say when and in which order of sessions.
func (c *Contents) readTServer(log io.Reader) error {
	c.TServer = map[string][]string{}
	for in := tserverlog.NewReader(log); ; {
		m, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		of, _ := m.Value(callback.KeyServiceID.String())
		switch m.Name {
		case tserverlog.EventUserEvent:
		case tserverlog.EventAttachedDataChanged:
			of += " on call " + m.CallUUID
		default:
			continue // requests and their acknowledgements
		}
		if !m.Complete() {
			return fmt.Errorf("line %d of T-Server's log: the message is not whole", m.Line)
		}
		text := fmt.Sprintf("%s on %s, media type %d:", m.Name, m.ThisDN, m.MediaType)
		for i := range m.UserData {
			text += " " + m.UserData[i].Key + "=" + m.UserData[i].Text()
		}
		c.TServer[of] = append(c.TServer[of], text)
	}
}

// Diff says in which parts got is not want, with a few examples of each.
func Diff(got, want *Contents) []string {
	var all []string
	all = append(all, diff("UserEvents", got.UserEvents, want.UserEvents)...)
	all = append(all, diff("attached data", got.Attached, want.Attached)...)
	all = append(all, diff("dead letters", got.Letters, want.Letters)...)
	all = append(all, diff("CALLBACK_FACT with its dimensions", got.Facts, want.Facts)...)
	all = append(all, diff("G_CUSTOM_DATA_S", got.Custom, want.Custom)...)
	all = append(all, diff("STG_TRANSFORM_DISCARDS", got.Discards, want.Discards)...)
	all = append(all, diff("T-Server's log", got.TServer, want.TServer)...)
	return all
}

// examples is how many differences of a part are told.
const examples = 3

func diff[V any](part string, got, want map[string]V) []string {
	keys := maps.Clone(got)
	maps.Copy(keys, want)
	var differ []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		g, there := got[k]
		w, expected := want[k]
		switch {
		case !there:
			differ = append(differ, fmt.Sprintf("%s: %s is missing: %+v", part, k, w))
		case !expected:
			differ = append(differ, fmt.Sprintf("%s: %s is one too many: %+v", part, k, g))
		case !reflect.DeepEqual(g, w):
			differ = append(differ, fmt.Sprintf("%s: %s: %s", part, k, tell(g, w)))
		}
	}
	if n := len(differ); n > examples {
		differ = append(differ[:examples], fmt.Sprintf("%s: and %d more of %d", part, n-examples, len(keys)))
	}
	return differ
}

// tell names what differs in two values of one type, field by field where they have fields.
func tell(got, want any) string {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	var parts []string
	part := func(name any, g, w reflect.Value) {
		show := func(v reflect.Value) any {
			if v.Kind() == reflect.Pointer {
				v = v.Elem()
			}
			if !v.IsValid() {
				return "absent"
			}
			return v.Interface()
		}
		if x, y := show(g), show(w); !reflect.DeepEqual(x, y) {
			parts = append(parts, fmt.Sprintf("%v is %v and not %v", name, x, y))
		}
	}
	switch g.Kind() {
	case reflect.Struct:
		for i := range g.NumField() {
			part(g.Type().Field(i).Name, g.Field(i), w.Field(i))
		}
	case reflect.Map:
		for _, k := range append(g.MapKeys(), w.MapKeys()...) {
			part(k, g.MapIndex(k), w.MapIndex(k))
		}
	default:
		part("it", g, w)
	}
	return strings.Join(parts, "; ")
}
