package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/session"
	"github.com/ringback/ringback/pkg/topic"
)

// positionKey is the reserved key of callback.sessions.v1. No service id can be equal
// to it: a subject holds no control character.
const positionKey = "\x00position"

// positionFields are the fields of the position's schema, in its order.
var positionFields = []string{"next_offset", "clock", "read", "applied", "already_applied", "dead_lettered", "ticks", "sessions"}

// IsPosition tells whether a record of callback.sessions.v1 is a position; else it is a session's state.
func IsPosition(r *kafka.Record) bool { return string(r.Key) == positionKey }

// Position makes the record of a partition's position. The caller sets the partition.
func (c *Codec) Position(p session.Position) (kafka.Record, error) {
	r := avro.Record{p.Next, p.Clock, p.Read, p.Applied, p.AlreadyApplied, p.DeadLettered, p.Ticks, p.Sessions}
	value, err := c.encode(nil, shapes().position, r)
	if err != nil {
		return kafka.Record{}, err
	}
	return kafka.Record{Topic: topic.Sessions, Partition: kafka.AnyPartition, Key: []byte(positionKey), Value: value}, nil
}

// ParsePosition reads the record of a partition's position.
func (c *Codec) ParsePosition(rec *kafka.Record) (session.Position, error) {
	if !IsPosition(rec) {
		return session.Position{}, errors.New("wire: not the record of a position")
	}
	s := shapes().position
	held := s.take()
	defer s.give(held)
	r := *held
	if err := c.decode(context.Background(), s, r, rec.Value); err != nil {
		return session.Position{}, fmt.Errorf("wire: position: %w", err)
	}
	at := func(i int) int64 { return r[i].(int64) }
	return session.Position{Next: at(0), Clock: at(1), Read: at(2), Applied: at(3), AlreadyApplied: at(4), DeadLettered: at(5), Ticks: at(6), Sessions: at(7)}, nil
}

// FrameState puts the id of the newest schema of a session's state before its encoding.
func (c *Codec) FrameState(encoded []byte) []byte {
	b := make([]byte, 0, avro.HeaderSize+len(encoded))
	return append(avro.AppendHeader(b, c.ids[shapes().state.number]), encoded...)
}

// UnframeState returns a session's state in the encoding of the newest version of its
// schema, whichever version it was written with. The state may share memory with value.
func (c *Codec) UnframeState(value []byte) ([]byte, error) {
	s := shapes().state
	id, payload, err := avro.SplitHeader(value)
	if err != nil {
		return nil, fmt.Errorf("wire: session state: %w", err)
	}
	if id == c.ids[s.number] {
		return payload, nil
	}
	held := s.take()
	defer s.give(held)
	if err := c.decode(context.Background(), s, *held, value); err != nil {
		return nil, fmt.Errorf("wire: session state: %w", err)
	}
	return s.schema.AppendRecord(nil, *held)
}

const headerFlush = prefix + "ringbackflush"

// Tick makes the record by which the enricher moves a partition's clock. With flush, it
// makes every settle and offer-grace deadline due. The caller sets the time.
func Tick(partition int32, flush bool) kafka.Record {
	source := "/ringback/enricher/" + strconv.Itoa(int(partition))
	hs := []kafka.Header{
		{Key: headerSpecVersion, Value: []byte(specVersion)},
		{Key: headerID, Value: []byte(rand.Text())}, // of no meaning: a tick is its timestamp
		{Key: headerSource, Value: []byte(source)},
		{Key: headerType, Value: []byte(callback.Tick)},
	}
	if flush {
		hs = append(hs, kafka.Header{Key: headerFlush, Value: []byte("true")})
	}
	return kafka.Record{Topic: topic.Lifecycle, Partition: partition, Headers: hs}
}

// IsTick tells whether a record is a tick, and whether it flushes.
func IsTick(r *kafka.Record) (tick, flush bool) {
	if r.Value != nil {
		return false, false
	}
	if t, _ := r.Header(headerType); string(t) != string(callback.Tick) {
		return false, false
	}
	f, _ := r.Header(headerFlush)
	return true, string(f) == "true"
}
