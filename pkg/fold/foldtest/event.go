package foldtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/callback"
)

// Event is one lifecycle event. Data holds its fields by name: string, int64, bool, instants as
// int64 microseconds, virtual_queue as map[string]any and parameters as map[string]string.
type Event struct {
	Source, ID string
	Type       string // without "callback."
	Subject    string
	Time       int64 // UTC microseconds
	Tenant     any   // int64 or nil
	ORSSession any   // string or nil
	Data       map[string]any
}

// instants are the fields of data that hold a time.
var instants = []string{"desired_time", "next_attempt_at"}

// ParseLine reads one line of an import file: a CloudEvent in structured JSON. It is for well-formed lines only.
func ParseLine(line []byte) (Event, error) {
	var raw struct {
		ID, Source, Type, Subject, Time string
		TenantDBID                      *int64
		ORSSessionID                    *string
		Data                            map[string]any
	}
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	if err := dec.Decode(&raw); err != nil {
		return Event{}, fmt.Errorf("foldtest: %w", err)
	}
	e := Event{Source: raw.Source, ID: raw.ID, Type: strings.TrimPrefix(raw.Type, "callback."), Subject: raw.Subject, Data: map[string]any{}}
	at, err := time.Parse(time.RFC3339Nano, raw.Time)
	if err != nil {
		return Event{}, fmt.Errorf("foldtest: time: %w", err)
	}
	e.Time = at.UnixMicro()
	if raw.TenantDBID != nil {
		e.Tenant = *raw.TenantDBID
	}
	if raw.ORSSessionID != nil {
		e.ORSSession = *raw.ORSSessionID
	}
	for field, v := range raw.Data {
		if v == nil {
			continue
		}
		if e.Data[field], err = plain(field, v); err != nil {
			return Event{}, fmt.Errorf("foldtest: %s: %w", field, err)
		}
	}
	return e, nil
}

func plain(field string, v any) (any, error) {
	for _, instant := range instants {
		if field == instant {
			at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(v))
			return at.UnixMicro(), err
		}
	}
	switch v := v.(type) {
	case json.Number:
		return v.Int64()
	case map[string]any:
		if field == "parameters" {
			texts := map[string]string{}
			for name, p := range v {
				texts[name] = fmt.Sprint(p)
			}
			return texts, nil
		}
		members := map[string]any{}
		for name, m := range v {
			if m == nil {
				continue
			}
			var err error
			if members[name], err = plain(name, m); err != nil {
				return nil, err
			}
		}
		return members, nil
	}
	return v, nil
}

// FromEvent turns an event of the domain into a plain one.
func FromEvent(c *callback.Event) Event {
	e := Event{
		Source: c.Source, ID: c.ID, Type: strings.TrimPrefix(string(c.Type), "callback."), Subject: c.Subject,
		Time: int64(c.Time), Data: map[string]any{},
	}
	if c.TenantDBID != nil {
		e.Tenant = *c.TenantDBID
	}
	if c.ORSSessionID != nil {
		e.ORSSession = *c.ORSSessionID
	}
	d := &c.Data
	for field, p := range map[string]*string{
		"channel": d.Channel, "offer_type": d.OfferType, "offer_timing": d.OfferTiming, "customer_ani": d.CustomerANI,
		"origination_ixn_id": d.OriginationIxnID, "callback_type": d.CallbackType, "service_name": d.ServiceName,
		"customer_number": d.CustomerNumber, "call_direction": d.CallDirection, "media_type": d.MediaType, "kind": d.Kind,
		"ixn_id": d.IxnID, "result": d.Result, "target": d.Target, "connect_order": d.ConnectOrder, "disposition": d.Disposition,
	} {
		if p != nil {
			e.Data[field] = *p
		}
	}
	for field, p := range map[string]*int64{
		"ewt": d.EWT, "position": d.Position, "ewt_threshold": d.EWTThreshold, "inbound_vq_ewt": d.InboundVQEWT,
		"waited_before_offer": d.WaitedBeforeOffer, "priority": d.Priority, "max_attempts": d.MaxAttempts, "attempt": d.Attempt,
		"desired_time": (*int64)(d.DesiredTime), "next_attempt_at": (*int64)(d.NextAttemptAt),
	} {
		if p != nil {
			e.Data[field] = *p
		}
	}
	if d.IgnoringAvailability != nil {
		e.Data["ignoring_availability"] = *d.IgnoringAvailability
	}
	if d.Parameters != nil {
		e.Data["parameters"] = d.Parameters
	}
	if q := d.VirtualQueue; q != nil {
		members := map[string]any{"name": q.Name}
		if q.DBID != nil {
			members["dbid"] = *q.DBID
		}
		if q.CfgTypeID != nil {
			members["cfg_type_id"] = *q.CfgTypeID
		}
		if q.CfgType != nil {
			members["cfg_type"] = *q.CfgType
		}
		e.Data["virtual_queue"] = members
	}
	return e
}
