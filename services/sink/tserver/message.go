package tserver

import (
	"context"
	"math"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/kafka"
)

// Gateway sends to T-Server. gateway.Client is one. Errors: *gateway.EventError, gateway.ErrCallGone,
// *callback.BadRecord where the contract cannot carry the data, or a class of package fault.
type Gateway interface {
	Distribute(ctx context.Context, e gateway.UserEvent) (gateway.Ack, error)
	UpdateUserData(ctx context.Context, d gateway.CallData) (gateway.Ack, error)
}

var _ Gateway = (*gateway.Client)(nil)

// Decoder decodes the records that go to T-Server. wire.Codec is one.
type Decoder interface {
	ParseUserEventValues(ctx context.Context, rec *kafka.Record) (*callback.UserEvent, error)
	ParseAttachedData(ctx context.Context, rec *kafka.Record) (*callback.AttachedData, error)
}

// Message is a UserEvent or attached data on its way to T-Server.
type Message struct {
	ID        string // in the ledger
	ServiceID string // the session, within which order is kept
	Sequence  int32  // EVENT_SEQUENCE; 0 for attached data
	Service   *string
	LastEvent time.Time // of the session

	event    *callback.UserEvent    // either
	attached *callback.AttachedData // or
}

// DecodeUserEvent decodes the record of a UserEvent.
func DecodeUserEvent(ctx context.Context, d Decoder, rec *kafka.Record) (*Message, error) {
	u, err := d.ParseUserEventValues(ctx, rec)
	if err != nil {
		return nil, err
	}
	return &Message{
		ID: u.ID(), ServiceID: u.ServiceID(), Sequence: u.Sequence, Service: u.ServiceName,
		LastEvent: time.UnixMicro(int64(u.LastEventTime)), event: u,
	}, nil
}

// DecodeAttachedData decodes the record of attached data.
func DecodeAttachedData(ctx context.Context, d Decoder, rec *kafka.Record) (*Message, error) {
	a, err := d.ParseAttachedData(ctx, rec)
	if err != nil {
		return nil, err
	}
	return &Message{
		ID: a.ID(), ServiceID: a.ServiceID, Service: a.ServiceName,
		LastEvent: time.UnixMicro(int64(a.LastEventTime)), attached: a,
	}, nil
}

// send sends it once. The idempotency key lets a gateway that has a memory drop a repeat.
func (m *Message) send(ctx context.Context, gw Gateway, o Options, customerID string, ref int32) error {
	if m.attached != nil {
		_, err := gw.UpdateUserData(ctx, gateway.CallData{
			Switch: o.Switch, IxnID: m.attached.IxnID, ReferenceID: ref, UserData: gateway.AttachedData(m.attached), IdempotencyKey: m.ID,
		})
		return err
	}
	_, err := gw.Distribute(ctx, gateway.UserEvent{
		Switch: o.Switch, DN: o.DN, ReferenceID: ref, UserData: gateway.UserData(m.event),
		ANI: m.ani(), CustomerID: customerID, MediaType: o.MediaType, IdempotencyKey: m.ID,
	})
	return err
}

// ani is the number of the caller; the number to call back where the session has none.
func (m *Message) ani() string {
	kvps := &m.event.KVPs
	if v := kvps[callback.KeyCustomerANI]; v.Set && v.Str != "" {
		return v.Str
	}
	return kvps[callback.KeyCustomerPhoneNumber].Str
}

func (m *Message) entry(state infomart.SendState) infomart.LedgerEntry {
	return infomart.LedgerEntry{ID: m.ID, ServiceID: m.ServiceID, Sequence: m.Sequence, State: state}
}

// referenceID is derived from where a record lies: it grows along a partition, differs
// between partitions and between the two topics, and is the same each time a record is
// sent. It begins anew once it has used up the 31 bits that T-Server has for it.
func referenceID(offset int64, partition int32, partitions int, attached bool) int32 {
	n := (offset%math.MaxInt32)*int64(partitions) + int64(partition)
	n *= 2
	if attached {
		n++
	}
	return int32(n%math.MaxInt32) + 1
}
