package infomart

import (
	"fmt"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/callback"
)

// MaxInputs is the most inputs that a batch may have. It keeps the IDs of a batch's
// rows in G_CUSTOM_DATA_S within the range of its audit key; see CustomDataID.
const MaxInputs = 10_000

// Discard is a record that makes no fact: a row of STG_TRANSFORM_DISCARDS.
type Discard struct {
	Rejection
	Source int64 // as PRODUCER_BATCH_ID
	// Event is set where the values can be stored all the same: ICON keeps custom
	// data whether or not Info Mart makes a fact of it.
	Event   *callback.UserEvent
	AddedTS int64
}

// Plan is what a batch comes to before the database has its say.
type Plan struct {
	Facts    []*Fact // in offset order
	Discards []Discard
}

// mapped is what one UserEvent comes to.
type mapped struct {
	missing []callback.KVP
	faults  []string
	fact    *Fact // nil where anything is missing or at fault
}

// Prepare does ahead, for one input, what NewPlan does for those that are not prepared: while
// the batch before it is being written, say. Such an input is of one batch alone.
func (in *Input) Prepare() { in.mapped = in.mapping() }

func (in *Input) mapping() *mapped {
	m := &mapped{missing: in.Event.KVPs.Missing(), faults: faults(in)}
	if len(m.missing) == 0 && len(m.faults) == 0 {
		m.fact = newFact(in)
	}
	return m
}

// NewPlan maps the inputs of a batch. It is pure: what it rejects, every store rejects.
func NewPlan(b *Batch) (Plan, error) {
	if len(b.Inputs) > MaxInputs {
		return Plan{}, fmt.Errorf("infomart: a batch of %d inputs; at most %d", len(b.Inputs), MaxInputs)
	}
	var p Plan
	p.Facts = make([]*Fact, 0, len(b.Inputs))
	for i := range b.Inputs {
		in := &b.Inputs[i]
		source, err := ProducerBatchID(b.Partition, in.Offset)
		if err != nil {
			return Plan{}, err
		}
		m := in.mapped
		if m == nil {
			m = in.mapping()
		}
		invalid := m.faults
		if missing := m.missing; len(missing) > 0 {
			// Invariant 9: no fact, and the names of the missing keys.
			d := Discard{Rejection: missingKVPs(in, missing), Source: source, AddedTS: in.AddedTS}
			if len(invalid) == 0 {
				d.Event = in.Event
			}
			p.Discards = append(p.Discards, d)
			continue
		}
		if len(invalid) > 0 {
			p.Discards = append(p.Discards, Discard{
				Rejection: in.reject(callback.ReasonInvalidField, strings.Join(invalid, "; ")),
				Source:    source, AddedTS: in.AddedTS,
			})
			continue
		}
		m.fact.setSource(source)
		p.Facts = append(p.Facts, m.fact)
	}
	return p, nil
}

func missingKVPs(in *Input, missing []callback.KVP) Rejection {
	names := make([]string, len(missing))
	for i, k := range missing {
		names[i] = k.String()
	}
	r := in.reject(callback.ReasonMissingKVP, "no CALLBACK_FACT row: missing "+strings.Join(names, ", "))
	r.Missing = names
	return r
}

func (in *Input) reject(reason callback.Reason, detail string) Rejection {
	return Rejection{
		Offset: in.Offset, Reason: reason, Detail: detail,
		ServiceID: in.Event.ServiceID(), Sequence: in.Event.Sequence,
	}
}

// Reject makes the discard of a fact that the store cannot take.
func (f *Fact) Reject(reason callback.Reason, detail string) Discard {
	return Discard{
		Rejection: Rejection{Offset: f.Offset, Reason: reason, Detail: detail, ServiceID: f.ServiceID, Sequence: f.Sequence},
		Source:    f.Source, AddedTS: f.AddedTS,
	}
}

// Conflict is the discard of a fact whose (SERVICE_ID, EVENT_SEQUENCE) is stored with other content.
func (f *Fact) Conflict() Discard {
	return f.Reject(callback.ReasonConflict,
		fmt.Sprintf("CALLBACK_FACT holds EVENT_SEQUENCE %d of this service with other content; the first stays", f.Sequence))
}

// maxDetail bounds DETAIL in characters.
const maxDetail = 4000

// Columns are the values of REASON, DETAIL, MISSING_KVPS, SERVICE_ID, EVENT_SEQUENCE,
// CREATED_TS, CREATE_AUDIT_KEY and PRODUCER_BATCH_ID; they fit whatever the record held.
func (d *Discard) Columns(now time.Time, audit int64) []any {
	var missing, service, sequence any
	if len(d.Missing) > 0 {
		missing = Printable(strings.Join(d.Missing, ","), maxDetail)
	}
	if d.ServiceID != "" {
		service = Printable(d.ServiceID, MaxText)
	}
	if d.Sequence != 0 {
		sequence = int64(d.Sequence)
	}
	return []any{string(d.Reason), Printable(d.Detail, maxDetail), missing, service, sequence, now.Unix(), audit, d.Source}
}
