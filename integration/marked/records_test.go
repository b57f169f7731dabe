//go:build realkafka && realpostgres && realregistry

package marked

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/wire"
)

// header sets a header of a record.
func header(r *kafka.Record, key, value string) {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			r.Headers[i].Value = []byte(value)
			return
		}
	}
	r.Headers = append(r.Headers, kafka.Header{Key: key, Value: []byte(value)})
}

// spoilt are records that no reader of the topic can take, made of a good one. There are fewer than would pause a
// partition.
func spoilt(m *Marks, of kafka.Record) (all []kafka.Record) {
	copied := func() kafka.Record {
		r := of
		r.Headers = append([]kafka.Header{}, of.Headers...)
		return r
	}
	for _, name := range []string{"ce_specversion", "ce_time", "ce_tenantdbid", "ce_type"} {
		r := copied()
		header(&r, name, m.New(name+" in "+of.Topic))
		all = append(all, r)
	}
	id := of.Value[:5]
	for _, value := range []string{
		"%s", `{"customer_number":"%s"}`, // not in the wire format
		string(id) + "%s", string(id) + "\x02\x1a%s", string(id) + "\xff\xff\xff%s", // no record of the schema
		string(binary.BigEndian.AppendUint32([]byte{0}, 999_999)) + "%s", // of a schema that the registry does not know
		string(of.Value) + "%s", // behind a whole record
	} {
		r := copied()
		r.Value = []byte(strings.ReplaceAll(value, "%s", m.New(fmt.Sprintf("a value %.20q in %s", value, of.Topic))))
		all = append(all, r)
	}
	r := copied()
	r.Headers = []kafka.Header{{Key: "number", Value: []byte(m.New("a header in " + of.Topic))}}
	r.Value = []byte(m.New("a record without attributes in " + of.Topic))
	return append(all, r)
}

// illegal are lifecycle events that are well encoded and break the contract.
func (w *world) illegal(t *testing.T) (all []kafka.Record) {
	t.Helper()
	add := func(name string, typ callback.Type, d func(mark string) callback.Data) {
		mark := w.New(name + ", encoded")
		r, err := w.codec.Lifecycle(&callback.Event{
			Source: "/marked", ID: "illegal-" + name, Type: typ, Subject: "illegal-" + name, Time: callback.Micros(time.Now().UnixMicro()), Data: d(mark),
			Extensions: map[string]string{"partner": w.New(name + ", extension")},
		})
		require.NoError(t, err)
		all = append(all, r)
	}
	pointer := func(s string) *string { return &s }
	add("customer_ani", callback.Offered, func(m string) callback.Data { return callback.Data{CustomerANI: pointer(m + "\x00")} })
	add("customer_number", callback.Requested, func(m string) callback.Data {
		return callback.Data{CallbackType: pointer("IMMEDIATE"), CustomerNumber: pointer(m + strings.Repeat("9", 300))}
	})
	add("parameters", callback.Requested, func(m string) callback.Data {
		return callback.Data{CallbackType: pointer("IMMEDIATE"), Parameters: map[string]string{"_cb_ewt_when_callback_was_offered": m, "_cb_customer_ani": m + "\x00"}}
	})
	add("kind", callback.AttemptStarted, func(m string) callback.Data { return callback.Data{Kind: pointer(m)} })
	add("media_type", callback.Requested, func(m string) callback.Data {
		return callback.Data{CallbackType: pointer("IMMEDIATE"), MediaType: pointer(m)}
	})
	add("another type's field", callback.Queued, func(m string) callback.Data { return callback.Data{CustomerNumber: pointer(m)} })
	add("ewt", callback.Offered, func(m string) callback.Data {
		n := int64(0)
		_, err := fmt.Sscan(m, &n)
		require.NoError(t, err)
		return callback.Data{EWT: &n}
	})
	return all
}

// userEvents are UserEvents of every way to be refused, made of a good one: by the reader, by the sinks' own checks, by
// a constraint of the database, by T-Server. They are of sessions that nothing else is of.
func (w *world) userEvents(ctx context.Context, t *testing.T, of kafka.Record) (all []kafka.Record) {
	t.Helper()
	add := func(name string, change func(u *callback.UserEvent)) {
		u, err := w.codec.ParseUserEvent(ctx, &of)
		require.NoError(t, err)
		u.KVPs[callback.KeyServiceID].Str, u.Sequence = "refused-"+name, 1
		for k := range u.KVPs {
			if info := callback.KVP(k).Info(); u.KVPs[k].Set && info.Kind == callback.String && callback.KVP(k) != callback.KeyServiceID {
				u.KVPs[k].Str = w.New(info.Name + " of a UserEvent, " + name)
			}
		}
		change(u)
		r, err := w.codec.UserEvent(u)
		require.NoError(t, err)
		all = append(all, r)
	}
	set := func(u *callback.UserEvent, k callback.KVP, text string) {
		u.KVPs[k] = callback.Value{Set: true, Str: text, By: -1}
	}
	for _, k := range []callback.KVP{callback.KeyCustomerANI, callback.KeyCustomerPhoneNumber, callback.KeyDisposition} {
		name := k.Info().Name
		add("NUL in "+name, func(u *callback.UserEvent) { set(u, k, w.New(name+" with a NUL")+"\x00") })
		add("long "+name, func(u *callback.UserEvent) { set(u, k, w.New(name+", too long")+strings.Repeat("9", 400)) })
		add("endless "+name, func(u *callback.UserEvent) { set(u, k, w.New(name+", 70,000 bytes")+strings.Repeat("9", 70_000)) })
	}
	add("a number too large", func(u *callback.UserEvent) {
		u.KVPs[callback.KeyTenantDBID] = callback.Value{Set: true, Int: 9_001_234_567_890, By: -1}
	})
	add("a missing KVP", func(u *callback.UserEvent) { u.KVPs[callback.KeyDCallbackOffer] = callback.Value{} })
	add("constraint", func(u *callback.UserEvent) {
		set(u, callback.KeyCustomerANI, w.New("an ANI that the database refuses"))
	})
	add("conflict", func(u *callback.UserEvent) { set(u, callback.KeyCustomerANI, w.New("an ANI of a UserEvent")) })
	add("conflict", func(u *callback.UserEvent) {
		set(u, callback.KeyCustomerANI, w.New("the same UserEvent with another ANI"))
	})
	refused := "refused"
	add("by T-Server", func(u *callback.UserEvent) { u.ServiceName = &refused })
	return all
}

// produce writes records, each of which must be acknowledged.
func (w *world) produce(ctx context.Context, t *testing.T, records ...kafka.Record) {
	t.Helper()
	p := w.client.NewProducer(kafka.ProducerConfig{})
	for _, d := range p.Produce(ctx, records) {
		require.NoError(t, d.Err)
	}
	require.NoError(t, p.Close(ctx))
}

// read reads a topic to its end.
func (w *world) read(ctx context.Context, name string) (all []kafka.Record, err error) {
	ranges, err := w.client.Offsets(ctx, name)
	if err != nil {
		return nil, err
	}
	for partition, r := range ranges {
		for offset := r.Earliest; offset < r.Latest; {
			got, err := w.client.Fetch(ctx, kafka.FetchRequest{Topic: name, Partition: partition, Offset: offset, MaxBytes: 1 << 20})
			if err != nil {
				return nil, err
			}
			all = append(all, got.Records...)
			offset = got.Next
		}
	}
	return all, nil
}

// flush makes every settle and offer-grace deadline due.
func (w *world) flush(ctx context.Context, t *testing.T) {
	t.Helper()
	var ticks []kafka.Record
	for n := range int32(partitions) {
		ticks = append(ticks, wire.Tick(n, true))
	}
	w.produce(ctx, t, ticks...)
}
