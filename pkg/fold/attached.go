package fold

import "github.com/ringback/ringback/pkg/callback"

// mediaChat is the media type of a chat, which is no T-Server call.
const mediaChat = "chat"

// Attachment is attached data that is due once START has been sent.
type Attachment struct {
	callback.AttachedData
	Event int // index of its customer_connected; -1 for that of the acceptance
}

// Attached lists the attached data that the session's events call for once START has
// been sent: first that of the acceptance, then that of each customer_connected in
// fold order. Each is due once: the caller keeps what it has sent. r is what Session
// says of the same events.
//
// Nothing is due on an interaction that has no id, or an empty one.
func Attached(events []callback.Event, r *Result) []Attachment {
	// Only the last request says where the callback goes.
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Type == callback.Requested {
			if is(events[i].Data.MediaType, mediaChat) {
				return nil
			}
			break
		}
	}
	origin := &r.KVPs[callback.KeyOriginationIxnID]
	accepted := r.KVPs[callback.KeyNCallbackAccepted].Int == 1 && origin.Set && origin.Str != ""
	if !accepted && !r.KVPs[callback.KeyTCustomerConnected].Set {
		return nil
	}
	data := callback.AttachedData{
		ServiceName:      r.ServiceName,
		LogicVersion:     callback.LogicVersion,
		LastEventTime:    events[len(events)-1].Time,
		ServiceID:        r.KVPs[callback.KeyServiceID].Str,
		ServiceStart:     known(r.KVPs[callback.KeyTServiceStart]),
		CallbackAccepted: known(r.KVPs[callback.KeyTCallbackAccepted]),
	}

	var due []Attachment
	if accepted {
		a := Attachment{AttachedData: data, Event: none}
		a.Occasion, a.IxnID = callback.OnAccepted, origin.Str
		due = append(due, a)
	}
	var dialled *string // ixn_id of the last attempt_started so far
	for i := range events {
		e := &events[i]
		switch e.Type {
		case callback.AttemptStarted:
			dialled = e.Data.IxnID
		case callback.CustomerConnected:
			ixn := e.Data.IxnID
			if ixn == nil || *ixn == "" {
				ixn = dialled
			}
			if ixn == nil || *ixn == "" {
				continue
			}
			at := e.Time.Seconds()
			a := Attachment{AttachedData: data, Event: i}
			a.Occasion, a.IxnID, a.CustomerConnected = callback.OnConnected, *ixn, &at
			a.EventID, a.EventSource = e.ID, e.Source
			due = append(due, a)
		}
	}
	return due
}

func known(v callback.Value) *int64 {
	if !v.Set {
		return nil
	}
	n := v.Int
	return &n
}
