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
	Facts(ctx context.Context, serviceID string) ([]infomart.Row, error)
	CustomDataOf(ctx context.Context, row infomart.Row) (map[string]string, error)
	Discards(ctx context.Context) iter.Seq2[infomart.Row, error]
	AllLatest(ctx context.Context) iter.Seq2[infomart.Row, error]
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

// Run makes the checks. log is the T-Server log, oldest file first.
func Run(ctx context.Context, log io.Reader, store Store) (Report, error) {
	v := verifier{store: store, logged: map[string]map[digest]bool{}}
	for _, step := range []func(context.Context) error{
		func(context.Context) error { return v.readLog(log) }, v.readDiscards, v.services, v.soundness,
	} {
		if err := step(ctx); err != nil {
			return Report{}, fmt.Errorf("verify: %w", err)
		}
	}
	return v.report(ctx)
}

type verifier struct {
	store  Store
	logged map[string]map[digest]bool // user data of each UserEvent in the log, by service id

	events, repeated int
	discarded        map[string]map[int32]infomart.Row // by service id and EVENT_SEQUENCE
	facts, stored    int

	tserver, custom, fact Check
}

// readLog reads the UserEvents that T-Server distributed.
func (v *verifier) readLog(log io.Reader) error {
	v.tserver.Name, v.custom.Name, v.fact.Name = "T-Server log", "G_CUSTOM_DATA_S", "CALLBACK_FACT"
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
			v.tserver.problem("line %d: EventUserEvent without %s", m.Line, callback.KeyServiceID)
			continue
		}
		pairs := make([]string, len(m.UserData))
		for i := range m.UserData {
			pairs[i] = m.UserData[i].Key + "\x00" + m.UserData[i].Text()
		}
		d := sum(pairs)
		if v.logged[id] == nil {
			v.logged[id] = map[digest]bool{}
		}
		if v.logged[id][d] {
			v.repeated++ // sent again, since its acknowledgement was not recorded
		}
		v.logged[id][d] = true
	}
	return nil
}

func sum(pairs []string) (d digest) {
	slices.Sort(pairs)
	h := sha256.Sum256([]byte(strings.Join(pairs, "\x01")))
	copy(d[:], h[:])
	return d
}

// readDiscards reads which UserEvents made no fact, and why.
func (v *verifier) readDiscards(ctx context.Context) error {
	v.discarded = map[string]map[int32]infomart.Row{}
	for row, err := range v.store.Discards(ctx) {
		if err != nil {
			return err
		}
		id, _ := row["SERVICE_ID"].(string)
		sequence, _ := row["EVENT_SEQUENCE"].(int64)
		if id == "" || sequence == 0 {
			continue
		}
		if v.discarded[id] == nil {
			v.discarded[id] = map[int32]infomart.Row{}
		}
		v.discarded[id][int32(sequence)] = row
	}
	return nil
}

// services compares, service by service, what the log and the tables have.
func (v *verifier) services(ctx context.Context) error {
	seen := map[string]bool{}
	for row, err := range v.store.AllLatest(ctx) {
		if err != nil {
			return err
		}
		id, _ := row["SERVICE_ID"].(string)
		seen[id] = true
		if err := v.service(ctx, id); err != nil {
			return err
		}
	}
	for _, ids := range [][]string{keys(v.discarded), keys(v.logged)} {
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				if err := v.service(ctx, id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (v *verifier) service(ctx context.Context, id string) error {
	facts, err := v.store.Facts(ctx, id)
	if err != nil {
		return err
	}
	v.facts += len(facts)
	rows := map[int32]infomart.Row{}
	for n, discard := range v.discarded[id] {
		rows[n] = discard
	}
	for _, f := range facts {
		n, _ := f["EVENT_SEQUENCE"].(int64)
		rows[int32(n)] = f
	}
	stored := map[digest]bool{}
	for _, n := range sorted(rows) {
		data, err := v.store.CustomDataOf(ctx, rows[n])
		if err != nil {
			return err
		}
		if len(data) == 0 {
			v.custom.problem("service %s: UserEvent %d has no row", id, n)
			continue
		}
		v.stored++
		pairs := make([]string, 0, len(data))
		for k, value := range data {
			pairs = append(pairs, k+"\x00"+value)
		}
		d := sum(pairs)
		stored[d] = true
		if !v.logged[id][d] {
			v.tserver.problem("service %s: UserEvent %d was not distributed with the KVPs that are stored", id, n)
		}
	}
	for d := range v.logged[id] {
		if !stored[d] {
			v.custom.problem("service %s: a UserEvent of the T-Server log is not stored with its KVPs", id)
		}
	}
	// A gap means that a UserEvent made neither a fact nor a discard.
	for n := int32(1); int(n) <= len(rows); n++ {
		if rows[n] == nil {
			v.fact.problem("service %s: EVENT_SEQUENCE %d is neither in CALLBACK_FACT nor in STG_TRANSFORM_DISCARDS", id, n)
			break
		}
	}
	if len(rows) == 0 {
		v.fact.problem("service %s: it has UserEvents in the T-Server log, and neither a row nor a discard", id)
	}
	return nil
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
			v.fact.problem("%d %s", fault.n, fault.what)
		}
	}
	return nil
}

func (v *verifier) report(ctx context.Context) (Report, error) {
	counts, err := v.store.Counts(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	if v.events == 0 {
		v.tserver.problem("no EventUserEvent in it")
	}
	if counts.Facts == 0 {
		v.fact.problem("it has no row")
	}
	v.tserver.conclude("%d EventUserEvent for %d services, %d of them sent again", v.events, len(v.logged), v.repeated)
	v.custom.conclude("%d rows, one for each KVP of %d UserEvents", counts.CustomData, v.stored)
	v.fact.conclude("%d rows for %d services, %d of which have ended; %d UserEvents made none, and STG_TRANSFORM_DISCARDS says why",
		counts.Facts, counts.Services, counts.Finals, counts.Discards)
	return Report{Checks: []Check{v.tserver, v.custom, v.fact}}, nil
}

func keys[V any](m map[string]V) []string {
	ids := make([]string, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func sorted(set map[int32]infomart.Row) []int32 {
	list := make([]int32, 0, len(set))
	for n := range set {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}
