package foldtest

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
)

// Lifecycle draws a session that goes the way real ones go: offers, a request, scheduling, attempts, a connection,
// an agent, an end. Any stage may be left out or go wrong. The order is of happening.
func Lifecycle(t *rapid.T) []callback.Event {
	w := &walk{t: t, now: Noon}
	if w.chance("offered", 3, 4) {
		w.offers()
	}
	if !w.declined || w.chance("requested all the same", 1, 8) {
		w.request()
		w.attempts()
		w.end()
	}
	return w.events
}

type walk struct {
	t        *rapid.T
	now      callback.Micros
	events   []callback.Event
	declined bool
	attempt  int
	push     bool
}

func (w *walk) chance(label string, n, of int) bool {
	return rapid.IntRange(1, of).Draw(w.t, label) <= n
}

// add makes an event some seconds after the one before; each field named is there more often than not.
func (w *walk) add(typ callback.Type, set func(*callback.Data)) {
	w.now += callback.Micros(rapid.IntRange(0, 90_000).Draw(w.t, "milliseconds")) * 1000
	e := callback.Event{Source: "/gms", ID: fmt.Sprint("w", len(w.events)), Type: typ, Subject: "walk", Time: w.now, TenantDBID: ptr(int64(101))}
	if w.chance("in an ORS session", 1, 2) {
		e.ORSSessionID = ptr(fmt.Sprint("ors-", w.attempt))
	}
	for _, field := range fields[typ] {
		name, required := field, false
		if name[len(name)-1] == '!' {
			name, required = name[:len(name)-1], true
		}
		rare := name == "parameters" || name == "attempt" || name == "connect_order"
		if required || w.chance("has "+name, 3, 4) && (!rare || w.chance("rare "+name, 1, 3)) {
			fill(w.t, &e.Data, name)
		}
	}
	if set != nil {
		set(&e.Data)
	}
	w.events = append(w.events, e)
}

func (w *walk) offers() {
	for range rapid.IntRange(1, 3).Draw(w.t, "offers") {
		w.add(callback.Offered, nil)
		switch rapid.IntRange(0, 5).Draw(w.t, "answer") {
		case 0:
			w.add(callback.OfferRejected, nil)
			w.declined = true
		case 1:
			w.add(callback.OfferAbandoned, nil)
			w.declined = true
		default:
			w.add(callback.OfferAccepted, nil)
			w.declined = false
			return
		}
	}
	if w.chance("the call ends", 1, 2) {
		w.add(callback.InboundCallEnded, nil)
	}
}

func (w *walk) request() {
	w.push = w.chance("push", 1, 3)
	w.add(callback.Requested, nil)
	for w.chance("scheduled", 1, 3) {
		w.add(callback.Scheduled, nil)
		if w.chance("rescheduled", 1, 2) {
			w.add(callback.Rescheduled, nil)
		}
	}
	if w.chance("queued", 2, 3) {
		w.add(callback.Queued, nil)
	}
}

func (w *walk) attempts() {
	for range rapid.IntRange(0, 7).Draw(w.t, "attempts") {
		w.attempt++
		if w.chance("ready", 1, 2) {
			w.add(callback.ReadyToStartMedia, nil)
		}
		agentFirst := w.chance("agent first", 1, 5)
		if agentFirst {
			w.add(callback.AgentRequested, nil)
			w.add(callback.AgentConnected, nil)
		}
		kind := "CALL"
		if w.push {
			kind = "PUSH"
		}
		ixn := fmt.Sprint("out-", w.attempt)
		w.add(callback.AttemptStarted, func(d *callback.Data) { d.Kind, d.IxnID = &kind, &ixn })
		ended := w.chance("the attempt ends", 4, 5)
		if ended {
			w.add(callback.AttemptEnded, nil)
		}
		if w.chance("connected", 1, 2) {
			w.connection(agentFirst)
			return
		}
		if w.chance("snoozed", 1, 4) {
			w.add(callback.Snoozed, nil)
		}
	}
}

func (w *walk) connection(agentThere bool) {
	w.add(callback.CustomerConnected, nil)
	if w.chance("dialog", 1, 2) {
		w.add(callback.DialogEnded, func(d *callback.Data) {
			d.Result = oneOf(w.t, "dialog result", "RIGHT_PERSON", "RIGHT_PERSON", "PERSON", "CANCELLED", "TRANSFERRED_TO_RP", "RESCHEDULED")
		})
	}
	if agentThere {
		return
	}
	w.add(callback.AgentRequested, nil)
	for w.chance("transfer fails", 1, 4) {
		w.add(callback.AgentTransferFailed, nil)
	}
	switch rapid.IntRange(0, 4).Draw(w.t, "wait ends") {
	case 0:
		w.add(callback.CustomerAbandoned, nil)
	case 1:
		w.add(callback.WaitTimedOut, nil)
	default:
		w.add(callback.AgentConnected, nil)
	}
}

func (w *walk) end() {
	switch rapid.IntRange(0, 5).Draw(w.t, "end") {
	case 0:
		w.add(callback.Cancelled, nil)
	case 1: // goes on
	default:
		w.add(callback.Completed, nil)
		if w.chance("the agent's own reason", 1, 4) {
			w.add(callback.Completed, nil)
		}
	}
}
