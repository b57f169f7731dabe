package infomart

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/ringback/ringback/pkg/callback"
)

// Fact is one row of CALLBACK_FACT, and what it refers to.
type Fact struct {
	Event     *callback.UserEvent
	ServiceID string
	Sequence  int32
	AddedTS   int64
	Offset    int64
	// Source is PRODUCER_BATCH_ID; the rows of G_CUSTOM_DATA_S carry it as GSYS_SEQ.
	Source int64
	Refs   []Ref

	refs [NumDimensions + 3]Ref
	own  [numOwn]int64 // of the columns that the mapping or the store fills; SetKeys and SetAudit complete them
}

// Cell is the value of one column.
type Cell struct {
	Text string // of a column of type Text
	Int  int64  // of any other
	Null bool
}

// Cell is the value of the i-th of FactColumns.
func (f *Fact) Cell(i int) Cell {
	s := &sources[i]
	switch {
	case s.own >= 0:
		return Cell{Int: f.own[s.own]}
	case s.set && f.Event.KVPs[s.kvp].Set:
		v := &f.Event.KVPs[s.kvp]
		return Cell{Text: v.Str, Int: v.Int}
	default:
		return s.fallback
	}
}

// Value is the value of the i-th of FactColumns as a driver takes it: a string, an int64 or nil.
func (f *Fact) Value(i int) any {
	c := f.Cell(i)
	switch {
	case c.Null:
		return nil
	case factColumns[i].Type == Text:
		return c.Text
	default:
		return c.Int
	}
}

// Final tells whether the UserEvent says that it is the service's final record.
func (f *Fact) Final() bool { return f.Cell(colFinal).Int == 1 }

// maxOffset bounds the offsets that PRODUCER_BATCH_ID can hold beside the partition.
const maxOffset = 10_000_000_000_000

// ProducerBatchID is the partition and offset that a row came from, as one number:
// partition * 10^13 + offset. It is unique among the rows of one topic.
func ProducerBatchID(partition int32, offset int64) (int64, error) {
	if offset < 0 || offset >= maxOffset || partition < 0 || int64(partition) > math.MaxInt64/maxOffset-1 {
		return 0, fmt.Errorf("infomart: no PRODUCER_BATCH_ID for partition %d, offset %d", partition, offset)
	}
	return int64(partition)*maxOffset + offset, nil
}

const (
	interval = 900 // seconds of a DATE_TIME row
	day      = 86_400
)

// floor rounds n down to a multiple of step, below zero too.
func floor(n, step int64) int64 {
	r := n % step
	if r < 0 {
		r += step
	}
	return n - r
}

// newFact maps a UserEvent that has its mandatory KVPs and no fault.
func newFact(in *Input) *Fact {
	u := in.Event
	f := &Fact{Event: u, ServiceID: u.ServiceID(), Sequence: u.Sequence, AddedTS: in.AddedTS, Offset: in.Offset}
	start := u.KVPs[callback.KeyTServiceStart].Int
	f.set(colAddedTS, in.AddedTS)
	f.set(colSequence, int64(u.Sequence))
	f.set(colStartKey, floor(start, interval))
	f.set(colResource, factColumns[colResource].Default.(int64))
	if u.DesiredTime != nil {
		f.set(colDesired, *u.DesiredTime)
	} else if accepted := &u.KVPs[callback.KeyTCallbackAccepted]; accepted.Set {
		f.set(colDesired, accepted.Int)
	}
	if u.PushDeliveryConfirmed != nil {
		f.set(colPushConfirmed, *u.PushDeliveryConfirmed)
	}
	if u.CustomerReadyToStartIxn != nil {
		f.set(colCustomerReady, *u.CustomerReadyToStartIxn)
	}
	f.Refs = references(f.refs[:0], u, f.Cell(colTenant).Int, floor(start, day))
	return f
}

func (f *Fact) set(column int, n int64) { f.own[sources[column].own] = n }

// setSource sets the partition and offset that the row comes from.
func (f *Fact) setSource(source int64) {
	f.Source = source
	f.set(colProducerBatch, source)
}

// SetKeys fills in the keys of what the fact refers to. It returns false where one
// of them is not in keys, which maps a Ref's ID to its key.
func (f *Fact) SetKeys(keys map[string]int64) bool {
	for i := range f.Refs {
		ref := &f.Refs[i]
		key, ok := keys[ref.id]
		if !ok {
			return false
		}
		switch {
		case ref.Kind < NumDimensions:
			f.set(dimensions[ref.Kind].factColumn, key)
		case ref.Kind == RefResource:
			f.set(colResource, key)
		}
	}
	return true
}

// SetAudit fills in the key of the CTL_AUDIT_LOG row of the batch that writes the fact.
func (f *Fact) SetAudit(key int64) {
	f.set(colDSAudit, key)
	f.set(colCreateAudit, key)
}

// SameContent tells whether the stored row, in the order of FactColumns, is what the
// fact says. newer tells whether the service has a row of a higher EVENT_SEQUENCE: it
// has then cleared the stored FINAL_RECORD (invariant 6).
func (f *Fact) SameContent(stored []any, newer bool) bool {
	for i := range stored {
		if contentByPosition[i] && stored[i] != f.Value(i) {
			return false
		}
	}
	return stored[colFinal] == f.Value(colFinal) || newer && stored[colFinal] == int64(0)
}

// faults names every column that the UserEvent has no valid value for: what, where
// and why, but never the value (invariant 10).
func faults(in *Input) []string {
	u := in.Event
	var found []string
	add := func(where, format string, args ...any) {
		found = append(found, where+": "+fmt.Sprintf(format, args...))
	}
	for k := range callback.KVP(callback.NumKVPs) {
		v := &u.KVPs[k]
		if !v.Set {
			continue
		}
		info := k.Info()
		switch {
		case info.Kind == callback.String:
			if fault := textFault(v.Str); fault != "" {
				add(where(k), "%s", fault)
			}
		case info.Table != "" && !fits(v.Int):
			add(where(k), tooWide)
		}
	}
	if v := &u.KVPs[callback.KeyServiceID]; v.Set && v.Str == "" {
		add(where(callback.KeyServiceID), "empty")
	}
	if v := &u.KVPs[callback.KeyFinalRecord]; v.Set && v.Int != 0 && v.Int != 1 {
		add(where(callback.KeyFinalRecord), "neither 0 nor 1")
	}
	if v := &u.KVPs[callback.KeyTServiceStart]; v.Set && v.Int >= math.MinInt32 && floor(v.Int, interval) < math.MinInt32 {
		add("CALLBACK_FACT.START_DATE_TIME_KEY", tooWide)
	}
	if u.Sequence < 1 {
		add("CALLBACK_FACT.EVENT_SEQUENCE", "below 1")
	}
	if !fits(in.AddedTS) {
		add("CALLBACK_FACT.ADDED_TS", tooWide)
	}
	for _, c := range []struct {
		column int
		value  *int64
	}{{colDesired, u.DesiredTime}, {colPushConfirmed, u.PushDeliveryConfirmed}, {colCustomerReady, u.CustomerReadyToStartIxn}} {
		if c.value != nil && !fits(*c.value) {
			add("CALLBACK_FACT."+factColumns[c.column].Name, tooWide)
		}
	}
	return found
}

const tooWide = "the integer does not fit 32 bits"

func fits(n int64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

// where names the column that a KVP fills, and the KVP.
func where(k callback.KVP) string {
	info := k.Info()
	if info.Table == "" {
		return "G_CUSTOM_DATA_S.Value (" + info.Name + ")"
	}
	column, _, _ := strings.Cut(info.Column, ";")
	return info.Table + "." + column + " (" + info.Name + ")"
}

// textFault says why a text column cannot hold s; empty where it can.
func textFault(s string) string {
	switch {
	case strings.IndexByte(s, 0) >= 0:
		return "a NUL byte"
	case !utf8.ValidString(s):
		return "bytes that are not UTF-8"
	case len(s) > MaxText && utf8.RuneCountInString(s) > MaxText:
		return fmt.Sprintf("%d characters, of which %d fit", utf8.RuneCountInString(s), MaxText)
	}
	return ""
}
