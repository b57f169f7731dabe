package session

import (
	"encoding/binary"
	"fmt"

	"github.com/ringback/ringback/pkg/callback"
)

// Applied is one applied lifecycle event. The rest of it is decoded when a fold needs it.
type Applied struct {
	Source, ID string
	Type       callback.Type
	Offset     int64

	time   callback.Micros
	tenant int64
	has    bool    // it has a tenant
	ors    *string // nil without one
	digest [16]byte
	exact  bool   // digest was kept: it has extension attributes that the state does not
	data   string // packed

	event *callback.Event
}

// types numbers the types of event for good: a new one takes the next number.
var types = [...]callback.Type{
	1: callback.Offered, 2: callback.OfferAccepted, 3: callback.OfferRejected, 4: callback.OfferAbandoned,
	5: callback.Requested, 6: callback.Scheduled, 7: callback.Rescheduled, 8: callback.Queued,
	9: callback.ReadyToStartMedia, 10: callback.AttemptStarted, 11: callback.AttemptEnded, 12: callback.Snoozed,
	13: callback.CustomerConnected, 14: callback.DialogEnded, 15: callback.AgentRequested, 16: callback.AgentConnected,
	17: callback.AgentTransferFailed, 18: callback.CustomerAbandoned, 19: callback.WaitTimedOut,
	20: callback.InboundCallEnded, 21: callback.Cancelled, 22: callback.Completed,
}

// numbers has the number of the type of each rank, of which there are as many.
var numbers = func() (of [len(types)]int64) {
	for n, t := range types {
		of[t.Rank()] = int64(n)
	}
	return of
}()

// add appends an event, behind those that arrived before it.
func (s *State) add(e *callback.Event, offset int64) {
	a := Applied{Source: e.Source, ID: e.ID, Type: e.Type, Offset: offset, event: e}
	b := binary.AppendVarint(s.fresh, int64(s.text(e.Source)))
	b = appendString(b, e.ID)
	b = binary.AppendVarint(b, numbers[e.Type.Rank()])
	b = binary.AppendVarint(b, int64(e.Time)-int64(s.lastTime))
	if e.TenantDBID == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendVarint(append(b, 2), *e.TenantDBID)
	}
	if e.ORSSessionID == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendVarint(append(b, 2), int64(s.text(*e.ORSSessionID)))
	}
	if len(e.Extensions) == 0 {
		b = append(b, 0)
	} else {
		a.digest, a.exact = e.Digest(), true
		b = appendString(b, a.digest[:])
	}
	b = binary.AppendVarint(b, offset-s.lastOffset)
	s.draft = e.Data.AppendTo(s.draft[:0], s.text)
	s.fresh = appendString(b, s.draft)
	s.lastTime, s.lastOffset = e.Time, offset
	s.Events = append(s.Events, a)
}

// applied reads one event.
func (s *State) applied(d *decoder) {
	a := Applied{Source: s.textAt(d), ID: d.string()}
	if n := d.long(); n > 0 && n < int64(len(types)) {
		a.Type = types[n]
	} else if d.err == nil {
		d.err = fmt.Errorf("no type of event has number %d here; a newer release may have written it", n)
	}
	s.lastTime += callback.Micros(d.long())
	a.time = s.lastTime
	if d.optional() {
		a.tenant, a.has = d.long(), true
	}
	if d.optional() {
		ors := s.textAt(d)
		a.ors = &ors
	}
	a.exact = d.digest(&a.digest)
	s.lastOffset += d.long()
	a.Offset = s.lastOffset
	a.data = d.string()
	s.Events = append(s.Events, a)
}

// full returns the whole event.
func (s *State) full(a *Applied) (*callback.Event, error) {
	if a.event != nil {
		return a.event, nil
	}
	data, err := callback.ParseData(a.data, s.texts)
	if err != nil {
		return nil, fmt.Errorf("session: event %q of the state: %w", a.ID, err)
	}
	a.event = &callback.Event{Source: a.Source, ID: a.ID, Type: a.Type, Subject: s.ServiceID, Time: a.time, ORSSessionID: a.ors, Data: data}
	if a.has {
		a.event.TenantDBID = &a.tenant
	}
	return a.event, nil
}

// same reports whether an event that came again has the content of the first.
func (s *State) same(a *Applied, again *callback.Event) (bool, error) {
	if a.exact {
		return a.digest == again.Digest(), nil
	}
	first, err := s.full(a)
	if err != nil {
		return false, err
	}
	return first.Digest() == again.Digest(), nil
}

// text gives a text of the session its number.
func (s *State) text(v string) uint64 {
	for i := range s.texts {
		if s.texts[i] == v {
			return uint64(i)
		}
	}
	s.texts = append(s.texts, v)
	s.textBytes += len(v)
	return uint64(len(s.texts) - 1)
}

func (s *State) textAt(d *decoder) string {
	n := d.long()
	if d.err == nil && (n < 0 || n >= int64(len(s.texts))) {
		d.err = fmt.Errorf("it has no text %d", n)
	}
	if d.err != nil {
		return ""
	}
	return s.texts[n]
}
