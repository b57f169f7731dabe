package oracle

import (
	"cmp"
	"context"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/pkg/tserverlog"
	"github.com/ringback/ringback/pkg/wire"
)

// message is what one record of the two topics owes T-Server.
type message struct {
	id, session string
	order       int // in its session and topic
	want        tserverlog.Message
}

// owed is every message, by reference id.
func owed(ctx context.Context, userEvents, attached *Topic, codec *wire.Codec) (map[int64]*message, error) {
	all := map[int64]*message{}
	orders := map[string]int{}
	for _, t := range []*Topic{userEvents, attached} {
		for n := range t.Partitions {
			for i := range t.Partitions[n] {
				r := &t.Partitions[n][i]
				m := &message{session: t.Name + "\x00" + string(r.Key)}
				orders[m.session]++
				m.order = orders[m.session]
				var err error
				if t == attached {
					err = m.attached(ctx, r, codec)
				} else {
					err = m.userEvent(ctx, r, codec)
				}
				if err != nil {
					return nil, err
				}
				m.want.ReferenceID = reference(r.Offset, n, len(t.Partitions), t == attached)
				m.want.CustomerID = "Environment" // the simulator's, as TSERVER_CUSTOMER_ID is not set
				all[m.want.ReferenceID] = m
			}
		}
	}
	return all, nil
}

// userEvent is what the guide says: an EventUserEvent on the reporting DN, with every KVP, in the order of the keys.
func (m *message) userEvent(ctx context.Context, r *kafka.Record, codec *wire.Codec) error {
	u, err := codec.ParseUserEvent(ctx, r)
	if err != nil {
		return err
	}
	m.id = u.ID()
	m.want = tserverlog.Message{Name: tserverlog.EventUserEvent, Action: tserverlog.DistributeUserEvent, UserEvent: tserverlog.EventUserEvent, ThisDN: "REPORTING"}
	for k := range callback.KVP(callback.NumKVPs) {
		if v := u.KVPs[k]; v.Set && k.Info().Kind == callback.String {
			m.want.UserData = append(m.want.UserData, kvlist.Str(k.String(), v.Str))
		} else if v.Set {
			m.want.UserData = append(m.want.UserData, integer(k, v.Int))
		}
	}
	slices.SortFunc(m.want.UserData, func(a, b kvlist.Pair) int { return cmp.Compare(a.Key, b.Key) })
	m.want.ANI = cmp.Or(u.KVPs[callback.KeyCustomerANI].Str, u.KVPs[callback.KeyCustomerPhoneNumber].Str)
	return nil
}

func (m *message) attached(ctx context.Context, r *kafka.Record, codec *wire.Codec) error {
	a, err := codec.ParseAttachedData(ctx, r)
	if err != nil {
		return err
	}
	m.id = a.ID()
	m.want = tserverlog.Message{Name: tserverlog.EventAttachedDataChanged, Action: tserverlog.DistributeUserData, CallUUID: a.IxnID}
	m.want.UserData = []kvlist.Pair{kvlist.Str(callback.KeyServiceID.String(), a.ServiceID)}
	for k, n := range map[callback.KVP]*int64{
		callback.KeyTCallbackAccepted: a.CallbackAccepted, callback.KeyTCustomerConnected: a.CustomerConnected, callback.KeyTServiceStart: a.ServiceStart,
	} {
		if n != nil {
			m.want.UserData = append(m.want.UserData, integer(k, *n))
		}
	}
	slices.SortFunc(m.want.UserData, func(a, b kvlist.Pair) int { return cmp.Compare(a.Key, b.Key) })
	return nil
}

// integer is a pair as docs/tserver.md has it: what needs more than 32 bits goes as text.
func integer(k callback.KVP, n int64) kvlist.Pair {
	if int64(int32(n)) != n {
		return kvlist.Str(k.String(), strconv.FormatInt(n, 10))
	}
	return kvlist.Int(k.String(), n)
}

// says tells whether T-Server's log has the message as it is owed; when, in which order and to whom it was sent is
// T-Server's own affair.
func (m *message) says(got *tserverlog.Message) bool {
	plain := *got
	plain.Version, plain.Clock, plain.Line, plain.Time, plain.EventSequenceNumber = "", "", 0, m.want.Time, 0
	plain.Size, plain.Pairs, plain.SentTo = 0, 0, nil
	return reflect.DeepEqual(plain, m.want)
}

// reference is the reference id that the sink derives from where a record lies, as docs/sinks.md has it.
func reference(offset int64, partition, partitions int, attached bool) int64 {
	n := ((offset%math.MaxInt32)*int64(partitions) + int64(partition)) * 2
	if attached {
		n++
	}
	return int64(int32(n%math.MaxInt32)) + 1
}
