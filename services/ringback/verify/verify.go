// Package verify makes the three checks by which Genesys' guide has reporting data
// verified: the T-Server log, the table G_CUSTOM_DATA_S, the table CALLBACK_FACT.
// Source: Callback User's Guide, "Set up Historical Reporting", Verify Reporting Data.
package verify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/tserverlog"
)

// maxProblems bounds the problems a check lists; it counts all of them.
const maxProblems = 20

// Store is what the checks read; the stores are ones.
type Store interface {
	Counts(ctx context.Context) (infomart.Counts, error)
	AllFacts(ctx context.Context) iter.Seq2[infomart.Row, error]
	AllCustomData(ctx context.Context) iter.Seq2[infomart.CustomData, error]
	Discards(ctx context.Context) iter.Seq2[infomart.Row, error]
	Unsent(ctx context.Context) iter.Seq2[infomart.Row, error]
	Check(ctx context.Context) (infomart.Check, error)
}

// Check is one check and its verdict.
type Check struct {
	Name     string   `json:"name"`
	OK       bool     `json:"ok"`
	Detail   string   `json:"detail"`
	Problems []string `json:"problems,omitempty"`
	count    int
}

func (c *Check) problem(format string, args ...any) {
	if c.count++; c.count <= maxProblems {
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}

// conclude gives the verdict; detail says what was found where nothing was wrong.
func (c *Check) conclude(detail string, args ...any) {
	c.OK = c.count == 0
	c.Detail = fmt.Sprintf(detail, args...)
	if more := c.count - len(c.Problems); more > 0 {
		c.Problems = append(c.Problems, fmt.Sprintf("and %d more", more))
	}
}

// Report is the three checks, in the guide's order.
type Report struct {
	Checks []Check `json:"checks"`
}

// OK reports whether every check passed.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Checks, func(c Check) bool { return !c.OK })
}

type digest [16]byte

// Run makes the checks. log is the T-Server log, oldest file first; kept are the KVPs that the
// store keeps in G_CUSTOM_DATA_S (store-event-data): nothing can be said of the others there.
func Run(ctx context.Context, log io.Reader, store Store, kept []callback.KVP) (Report, error) {
	v := verifier{store: store, kept: map[string]bool{}, logged: map[string]map[digest]bool{}}
	for _, k := range kept {
		v.kept[k.String()] = true
	}
	for _, step := range []func(context.Context) error{
		func(context.Context) error { return v.readLog(log) }, v.readCustomData, v.readRows, v.readUnsent, v.services, v.soundness,
	} {
		if err := step(ctx); err != nil {
			return Report{}, fmt.Errorf("verify: %w", err)
		}
	}
	return v.report(ctx)
}

type verifier struct {
	store  Store
	kept   map[string]bool            // names of the KVPs that are stored
	logged map[string]map[digest]bool // what of each UserEvent in the log is stored, by service id

	custom map[int64]digest            // what is stored of each UserEvent, by PRODUCER_BATCH_ID
	rows   map[string]map[int32]rowRef // facts and discards, by service id and EVENT_SEQUENCE
	unsent map[string]map[int32]bool   // what the ledger says was rightly not distributed, by the same

	events, repeated, stored, withheld int

	logCheck, customCheck, factCheck Check
}

// readLog reads the UserEvents that T-Server distributed.
func (v *verifier) readLog(log io.Reader) error {
	v.logCheck.Name, v.customCheck.Name, v.factCheck.Name = "T-Server log", "G_CUSTOM_DATA_S", "CALLBACK_FACT"
	whole := map[digest]bool{}
	for m, err := range tserverlog.UserEvents(log) {
		if err != nil {
			return fmt.Errorf("T-Server log: %w", err)
		}
		if !m.Complete() {
			continue // the log ends in the middle of it: it was not acknowledged
		}
		v.events++
		id, ok := m.Value(callback.KeyServiceID.String())
		if !ok {
			v.logCheck.problem("line %d: EventUserEvent without %s", m.Line, callback.KeyServiceID)
			continue
		}
		pairs := make([]string, len(m.UserData))
		var kept []string
		for i := range m.UserData {
			pairs[i] = m.UserData[i].Key + "\x00" + m.UserData[i].Text()
			if v.kept[m.UserData[i].Key] {
				kept = append(kept, pairs[i])
			}
		}
		if v.logged[id] == nil {
			v.logged[id] = map[digest]bool{}
		}
		d := sum(pairs)
		if whole[d] {
			v.repeated++ // sent again, or a correction that takes another back
		}
		whole[d] = true
		v.logged[id][sum(kept)] = true
	}
	return nil
}

func sum(pairs []string) (d digest) {
	slices.Sort(pairs)
	h := sha256.Sum256([]byte(strings.Join(pairs, "\x01")))
	copy(d[:], h[:])
	return d
}

// readCustomData reads what ICON would have stored, once from end to end.
func (v *verifier) readCustomData(ctx context.Context) error {
	v.custom = map[int64]digest{}
	for data, err := range v.store.AllCustomData(ctx) {
		if err != nil {
			return err
		}
		pairs := make([]string, 0, len(data.Values))
		for k, value := range data.Values {
			if v.kept[k] {
				pairs = append(pairs, k+"\x00"+value)
			}
		}
		v.custom[data.Source] = sum(pairs)
	}
	return nil
}

// rowRef is where a row of CALLBACK_FACT or STG_TRANSFORM_DISCARDS came from: its PRODUCER_BATCH_ID.
type rowRef int64

// readRows reads which UserEvents made a fact, and which a discard.
func (v *verifier) readRows(ctx context.Context) error {
	v.rows = map[string]map[int32]rowRef{}
	for _, table := range []iter.Seq2[infomart.Row, error]{v.store.Discards(ctx), v.store.AllFacts(ctx)} {
		for row, err := range table {
			if err != nil {
				return err
			}
			id, _ := row["SERVICE_ID"].(string)
			sequence, _ := row["EVENT_SEQUENCE"].(int64)
			source, _ := row["PRODUCER_BATCH_ID"].(int64)
			if id == "" || sequence == 0 {
				continue // a record that could not be read as a UserEvent
			}
			if v.rows[id] == nil {
				v.rows[id] = map[int32]rowRef{}
			}
			v.rows[id][int32(sequence)] = rowRef(source)
		}
	}
	return nil
}

// readUnsent reads which UserEvents T-Server was rightly not given.
func (v *verifier) readUnsent(ctx context.Context) error {
	v.unsent = map[string]map[int32]bool{}
	for row, err := range v.store.Unsent(ctx) {
		if err != nil {
			return err
		}
		id, _ := row["SERVICE_ID"].(string)
		sequence, _ := row["EVENT_SEQUENCE"].(int64)
		if v.unsent[id] == nil {
			v.unsent[id] = map[int32]bool{}
		}
		v.unsent[id][int32(sequence)] = true
		v.withheld++
	}
	return nil
}

// services compares, service by service, what the log and the tables have.
func (v *verifier) services(context.Context) error {
	for _, id := range keys(v.rows) {
		v.service(id)
	}
	for _, id := range keys(v.logged) {
		if v.rows[id] == nil {
			v.factCheck.problem("service %s: it has UserEvents in the T-Server log, and neither a row nor a discard", id)
		}
	}
	return nil
}

func (v *verifier) service(id string) {
	rows := v.rows[id]
	stored := map[digest]bool{}
	for n := int32(1); int(n) <= len(rows); n++ {
		source, ok := rows[n]
		if !ok {
			// A gap means that a UserEvent made neither a fact nor a discard.
			v.factCheck.problem("service %s: EVENT_SEQUENCE %d is neither in CALLBACK_FACT nor in STG_TRANSFORM_DISCARDS", id, n)
			continue
		}
		d, ok := v.custom[int64(source)]
		if !ok {
			if len(v.kept) == callback.NumKVPs {
				v.customCheck.problem("service %s: UserEvent %d has no row", id, n)
				continue
			}
			d = sum(nil) // none of its KVPs is kept
		} else {
			v.stored++
		}
		stored[d] = true
		if !v.logged[id][d] && !v.unsent[id][n] {
			v.logCheck.problem("service %s: UserEvent %d was not distributed with the KVPs that are stored", id, n)
		}
	}
	for d := range v.logged[id] {
		if !stored[d] {
			v.customCheck.problem("service %s: a UserEvent of the T-Server log is not stored with its KVPs", id)
		}
	}
}

func (v *verifier) soundness(ctx context.Context) error {
	c, err := v.store.Check(ctx)
	if err != nil {
		return err
	}
	for _, fault := range []struct {
		n    int64
		what string
	}{
		{c.ServicesWithTwoFinals, "services have more than one row with FINAL_RECORD 1"},
		{c.FinalsNotLatest, "rows with FINAL_RECORD 1 have a newer row"},
		{c.DanglingKeys, "keys point to dimension rows that are not there"},
	} {
		if fault.n > 0 {
			v.factCheck.problem("%d %s", fault.n, fault.what)
		}
	}
	return nil
}

func (v *verifier) report(ctx context.Context) (Report, error) {
	counts, err := v.store.Counts(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	if v.events == 0 && v.withheld == 0 {
		v.logCheck.problem("no EventUserEvent in it")
	}
	if counts.Facts == 0 && counts.Discards == 0 {
		v.factCheck.problem("it has no row, and nothing was discarded")
	}
	withheld := ""
	if v.withheld > 0 {
		withheld = fmt.Sprintf("; %d UserEvents were not to be sent, says the ledger", v.withheld)
	}
	v.logCheck.conclude("%d EventUserEvent for %d services, %d of them with the values of an earlier one%s", v.events, len(v.logged), v.repeated, withheld)
	switch len(v.kept) {
	case 0:
		v.customCheck.conclude("store-event-data is none: nothing is kept to be compared")
	case callback.NumKVPs:
		v.customCheck.conclude("%d rows, one for each KVP of %d UserEvents", counts.CustomData, v.stored)
	default:
		v.customCheck.conclude("%d rows, of the %d KVPs that store-event-data keeps, of %d UserEvents", counts.CustomData, len(v.kept), v.stored)
	}
	v.factCheck.conclude("%d rows for %d services, %d of which have ended; %d UserEvents made none, and STG_TRANSFORM_DISCARDS says why",
		counts.Facts, counts.Services, counts.Finals, counts.Discards)
	return Report{Checks: []Check{v.logCheck, v.customCheck, v.factCheck}}, nil
}

func keys[V any](m map[string]V) []string {
	ids := make([]string, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
