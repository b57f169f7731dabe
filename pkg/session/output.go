package session

import (
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

// digest identifies the values of the UserEvent that f would make.
func (f *folded) digest(final bool) [16]byte {
	f.mark(final)
	return fold.Digest(&f.Result)
}

func (f *folded) mark(final bool) {
	n := int64(0)
	if final {
		n = 1
	}
	f.KVPs.SetInt(callback.KeyFinalRecord, n, -1)
}

// send makes the UserEvent. Its number and content follow from the log alone
// (invariant 3): its id is the service id and the sequence, and no clock of this
// process is in it.
func (w *work) send(f *folded, cause callback.Cause, final bool) {
	s := w.state
	f.mark(final)
	// Made in its place: it is large.
	w.out.UserEvents = append(w.out.UserEvents, Due[callback.UserEvent]{At: w.at, Event: w.event})
	u := &w.out.UserEvents[len(w.out.UserEvents)-1].What
	u.Sequence, u.Cause, u.LogicVersion = s.NextSequence, cause, callback.LogicVersion
	u.ServiceName, u.MediaType = f.ServiceName, f.MediaType
	u.LastEventTime = f.events[len(f.events)-1].Time
	u.DesiredTime, u.PushDeliveryConfirmed = seconds(f.DesiredTime), seconds(f.PushDeliveryConfirmed)
	u.CustomerReadyToStartIxn = seconds(f.CustomerReadyToStartIxn)
	u.KVPs = f.KVPs
	u.Events = make([]callback.SourceEvent, len(f.events))
	for i := range f.events {
		e := &f.events[i]
		u.Events[i] = callback.SourceEvent{Source: e.Source, ID: e.ID, Type: e.Type, Time: e.Time, Partition: w.rules.partition, Offset: s.Events[f.order[i]].Offset}
	}
	f.credit(u.Events)
	s.NextSequence++
	// A START that could only be sent after the FINAL (a mandatory KVP came late)
	// leaves the session ended; the correction that follows carries the values.
	if cause != callback.CauseStart {
		s.Final, s.SentDigest = final, fold.Digest(&f.Result)
	}
	if final {
		s.FinalAt = max(w.at, w.clock)
	}
}

// credit says of each event what it set. All the names share one piece of memory.
func (f *folded) credit(events []callback.SourceEvent) {
	type set struct {
		name string
		by   int32
	}
	var room [callback.NumKVPs + 3]set
	all := room[:0]
	counts := make([]int32, len(events))
	add := func(v *callback.Value, name string) {
		if v.Set && v.By >= 0 {
			all = append(all, set{name, v.By})
			counts[v.By]++
		}
	}
	for k := range callback.KVP(callback.NumKVPs) {
		add(&f.KVPs[k], k.String())
	}
	add(&f.DesiredTime, "DESIRED_TIME_TS")
	add(&f.PushDeliveryConfirmed, "PUSH_DELIVERY_CONFIRMED_TS")
	add(&f.CustomerReadyToStartIxn, "CUSTOMER_READY_TO_START_IXN_TS")
	names := make([]string, len(all))
	for i := range events {
		if n := counts[i]; n > 0 {
			events[i].Sets, names = names[:0:n], names[n:]
		}
	}
	for i := range all {
		e := &events[all[i].by]
		e.Sets = append(e.Sets, all[i].name)
	}
}

func seconds(v callback.Value) *int64 {
	if !v.Set {
		return nil
	}
	n := v.Int
	return &n
}

// attach sends the attached data that is due: from START on, each once.
func (w *work) attach() error {
	s := w.state
	if !s.Started || !w.mayAttach() {
		return nil
	}
	f, err := w.fold()
	if err != nil {
		return err
	}
	for _, a := range fold.Attached(f.events, &f.Result) {
		if a.Occasion == callback.OnAccepted {
			if s.OriginationAttached {
				continue
			}
			s.OriginationAttached = true
		} else {
			offset := s.Events[f.order[a.Event]].Offset
			if s.attached(offset) {
				continue
			}
			s.ConnectedAttached = append(s.ConnectedAttached, offset)
		}
		w.out.Attached = append(w.out.Attached, Due[callback.AttachedData]{a.AttachedData, w.at, w.event})
	}
	return nil
}

// mayAttach tells cheaply whether this evaluation can have made attached data due.
func (w *work) mayAttach() bool {
	s := w.state
	if w.started {
		return true
	}
	connected := func() bool {
		for i := range s.Events {
			if s.Events[i].Type == callback.CustomerConnected && !s.attached(s.Events[i].Offset) {
				return true
			}
		}
		return false
	}
	switch w.news {
	case callback.Offered, callback.OfferAccepted:
		return !s.OriginationAttached
	case callback.Requested:
		return !s.OriginationAttached || connected()
	case callback.AttemptStarted, callback.CustomerConnected:
		return connected()
	default:
		return false
	}
}
