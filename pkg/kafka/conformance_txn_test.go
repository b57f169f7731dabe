package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testTransaction(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	in, out := newTopic(t, c, 1, nil), newTopic(t, c, 3, nil)
	group := unique("group")
	tx, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), Txn{}), "nothing to do")

	outside := Generation{GroupID: group, ID: -1} // no member: as a group without members is written to
	const rounds = 20
	for i := range rounds {
		var recs []Record
		for p := range int32(3) {
			recs = append(recs, Record{Topic: out, Partition: p, Key: []byte("k"), Value: fmt.Append(nil, i)})
		}
		require.NoError(t, tx.Commit(t.Context(), Txn{Records: recs, Group: &GroupOffsets{Generation: outside, Topic: in, Offsets: map[int32]int64{0: int64(i)}}}))
	}
	require.NoError(t, tx.Commit(t.Context(), Txn{Group: &GroupOffsets{Generation: outside, Topic: in, Offsets: map[int32]int64{0: 1_000}}}), "an offset alone")

	// Committed is seen only after the markers are written, a moment after the commit's answer.
	require.Eventually(t, func() bool {
		offset, ok, err := c.CommittedOffset(t.Context(), group, in, 0)
		require.NoError(t, err)
		return ok && offset == 1_000
	}, 10*time.Second, 5*time.Millisecond)
	for p := range int32(3) {
		recs := readEnded(t, c, out, p)
		require.Len(t, recs, rounds)
		for i, r := range recs {
			require.Equal(t, fmt.Sprint(i), string(r.Value))
			require.Equal(t, int64(2*i), r.Offset)
		}
	}
}

// open begins a transaction and leaves it open.
func (t *Transactor) open(ctx context.Context, recs []Record) error {
	plan, err := t.plan(ctx, recs)
	if err != nil {
		return err
	}
	t.dirty = true
	if err := t.addPartitions(ctx, 10*time.Second, plan); err != nil {
		return err
	}
	return t.write(ctx, 10*time.Second, plan)
}

func testAborted(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	p := newProducer(t, c, ProducerConfig{})
	tx, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)
	other, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)

	mustProduce(t, p, record(name, "k", "0 plain"))
	require.NoError(t, tx.open(t.Context(), []Record{record(name, "k", "1 aborted"), record(name, "k", "2 aborted")}))
	mustProduce(t, p, record(name, "k", "3 plain"))
	require.NoError(t, other.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "4 committed")}}))

	// While a transaction is open, nothing behind its first record is to be seen, and the position
	// stays there.
	got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, MaxWait: 50 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, []string{"0 plain"}, values(got.Records))
	require.Equal(t, int64(1), got.Next)
	require.Equal(t, int64(1), got.LastStable)
	require.GreaterOrEqual(t, got.HighWatermark, int64(5))
	got, err = c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: 1, MaxWait: 50 * time.Millisecond})
	require.NoError(t, err)
	require.Empty(t, got.Records)
	require.Equal(t, int64(1), got.Next)

	require.NoError(t, tx.recover(t.Context(), 10*time.Second)) // aborts
	require.NoError(t, tx.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "after the abort")}}))
	recs := readEnded(t, c, name, 0)
	require.Equal(t, []string{"0 plain", "3 plain", "4 committed", "after the abort"}, values(recs))

	// From inside the aborted transaction as well.
	recs, got = readAll(t, c, name, 0, 2)
	require.Equal(t, []string{"3 plain", "4 committed", "after the abort"}, values(recs))
	require.Equal(t, got.HighWatermark, got.Next, "past the last marker (invariant 4)")

	// And in answers that the limit cuts before the marker that says so.
	recs = nil
	for offset := int64(0); offset < got.HighWatermark; {
		page, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: offset, MaxBytes: 100})
		require.NoError(t, err)
		require.Greater(t, page.Next, offset)
		recs, offset = append(recs, page.Records...), page.Next
	}
	require.Equal(t, []string{"0 plain", "3 plain", "4 committed", "after the abort"}, values(recs))
}

// Transactions that overlap: the one that began first is aborted last, and brokers list it last. Its
// records are left out all the same, wherever reading begins and however the answers are cut.
func testAbortedOverlap(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	var txs [3]*Transactor
	for i := range txs {
		var err error
		txs[i], err = c.NewTransactor(t.Context(), unique("txn"))
		require.NoError(t, err)
	}
	long, short, good := txs[0], txs[1], txs[2]
	open := func(tx *Transactor, value string) {
		require.NoError(t, tx.open(t.Context(), []Record{record(name, "k", value)}))
	}
	abort := func(tx *Transactor) { require.NoError(t, tx.recover(t.Context(), 10*time.Second)) }
	open(long, "long, aborted")
	open(short, "short, aborted")
	abort(short)
	require.NoError(t, good.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "committed 1")}}))
	open(short, "short again, aborted")
	abort(short)
	abort(long)
	require.NoError(t, long.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "committed 2")}}), "a producer that has aborted commits")
	want := []string{"committed 1", "committed 2"}
	require.Equal(t, want, values(readEnded(t, c, name, 0)))
	var recs []Record
	for offset, end := int64(0), int64(1); offset < end; {
		page, err := c.Fetch(t.Context(), FetchRequest{Topic: name, Offset: offset, MaxBytes: 100})
		require.NoError(t, err)
		require.Greater(t, page.Next, offset)
		recs, offset, end = append(recs, page.Records...), page.Next, page.HighWatermark
	}
	require.Equal(t, want, values(recs))
}

func testFencing(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 1, nil)
	id := unique("txn")
	former, err := c.NewTransactor(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, former.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "former")}}))
	require.NoError(t, former.open(t.Context(), []Record{record(name, "k", "left open")}))

	owner, err := newClient(t, brokers).NewTransactor(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, owner.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "owner")}}))

	for range 2 {
		err = former.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "zombie")}})
		require.ErrorIs(t, err, ErrFenced)
	}
	require.NoError(t, owner.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "owner still")}}), "the former owner must not fence the new one")
	require.Equal(t, []string{"former", "owner", "owner still"}, values(readEnded(t, c, name, 0)))
}

// A member that is none any more moves no offset, and what it wrote with it is not there.
func testTxnOffsets(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	in, out := newTopic(t, c, 1, nil), newTopic(t, c, 1, nil)
	tx, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)
	group := unique("group")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	commit := func(gen Generation, value string, offset int64) error {
		return tx.Commit(t.Context(), Txn{Records: []Record{record(out, "k", value)}, Group: &GroupOffsets{Generation: gen, Topic: in, Offsets: map[int32]int64{0: offset}}})
	}
	work := func(ctx context.Context, gen Generation) error {
		if err := errors.Join(gen.Check(ctx), commit(gen, "member", 5)); err != nil {
			return err
		}
		stranger := gen
		stranger.MemberID = "stranger"
		if err := commit(stranger, "stranger", 999); !errors.Is(err, ErrRebalanced) {
			return fmt.Errorf("stranger: %w", err)
		}
		former := gen
		former.ID--
		if err := former.Check(ctx); !errors.Is(err, ErrRebalanced) {
			return fmt.Errorf("check of the former generation: %w", err)
		}
		if err := commit(former, "former", 999); !errors.Is(err, ErrRebalanced) {
			return fmt.Errorf("former generation: %w", err)
		}
		return commit(gen, "member again", 7)
	}
	var worked error
	require.NoError(t, c.RunGroup(ctx, GroupConfig{ID: group, Topics: []string{in}}, func(ctx context.Context, gen Generation, _ string, _ int32) error {
		defer cancel()
		worked = work(ctx, gen)
		return nil
	}))
	require.NoError(t, worked)
	require.Eventually(t, func() bool {
		offset, ok, err := c.CommittedOffset(t.Context(), group, in, 0)
		require.NoError(t, err)
		require.NotEqual(t, int64(999), offset)
		return ok && offset == 7
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, []string{"member", "member again"}, values(readEnded(t, c, out, 0)))
}

// Under lost answers a transaction is there once if Commit says so, and not at all if it says that.
func testTxnLost(t *testing.T, brokers []string) {
	c, network := newLossyClient(t, brokers)
	name := newTopic(t, c, 2, nil)
	id := unique("txn")
	tx, err := c.NewTransactor(t.Context(), id)
	require.NoError(t, err)
	network.losing(oneIn(6))
	committed, unknown := map[string]bool{}, map[string]bool{}
	for i := range 60 {
		value := fmt.Sprint(i)
		err := tx.Commit(t.Context(), Txn{Records: []Record{
			{Topic: name, Partition: 0, Value: []byte(value)}, {Topic: name, Partition: 1, Value: []byte(value)},
		}})
		switch {
		case err == nil:
			committed[value] = true
		case errors.Is(err, ErrOutcomeUnknown):
			unknown[value] = true
		}
		if errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrFenced) {
			tx, err = c.NewTransactor(t.Context(), id)
			require.NoError(t, err)
		}
	}
	require.Greater(t, len(committed), 30, "lost answers are to be got over")
	network.losing(nil)
	_, err = c.NewTransactor(t.Context(), id) // ends what is open
	require.NoError(t, err)
	var seen [2]map[string]bool
	for p := range int32(2) {
		seen[p] = map[string]bool{}
		recs, got := readAll(t, c, name, p, 0)
		require.Equal(t, got.HighWatermark, got.LastStable)
		for _, r := range recs {
			v := string(r.Value)
			require.False(t, seen[p][v], "%s twice", v)
			require.True(t, committed[v] || unknown[v], "%s was not committed", v)
			seen[p][v] = true
		}
		for v := range committed {
			require.True(t, seen[p][v], "%s is missing", v)
		}
	}
	require.Equal(t, seen[0], seen[1], "all or nothing")
}

// A transaction larger than a batch keeps its order, in several partitions.
func testTxnLarge(t *testing.T, brokers []string) {
	c := newClient(t, brokers)
	name := newTopic(t, c, 2, nil)
	tx, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)
	for round := range 2 {
		var recs []Record
		for i := range 3_000 {
			recs = append(recs, Record{Topic: name, Partition: int32(i % 2), Key: []byte("k"), Value: fmt.Append(nil, round*3_000+i, strings.Repeat("x", 2_000))})
		}
		require.NoError(t, tx.Commit(t.Context(), Txn{Records: recs}))
	}
	for p := range int32(2) {
		recs := readEnded(t, c, name, p)
		require.Equal(t, 3_000, len(recs)) // Len would print them
		for i, r := range recs {
			require.True(t, strings.HasPrefix(string(r.Value), fmt.Sprint(2*i+int(p), "x")), "record %d", i)
		}
	}
}

// A transaction whose owner is silent is aborted by the broker. Readers wait until then and no longer,
// and the owner, coming back, learns that it is no more.
func testTxnTimeout(t *testing.T, brokers []string) {
	c := newClient(t, brokers, func(cfg *Config) { cfg.TransactionTimeout = time.Second })
	name := newTopic(t, c, 1, nil)
	tx, err := c.NewTransactor(t.Context(), unique("txn"))
	require.NoError(t, err)
	require.NoError(t, tx.open(t.Context(), []Record{record(name, "k", "left open")}))
	mustProduce(t, newProducer(t, c, ProducerConfig{}), record(name, "k", "behind"))
	begin := time.Now()
	for {
		got, err := c.Fetch(t.Context(), FetchRequest{Topic: name, MaxWait: time.Second})
		require.NoError(t, err)
		if len(got.Records) > 0 {
			require.Equal(t, []string{"behind"}, values(got.Records))
			break
		}
		require.Zero(t, got.Next)
		require.Less(t, time.Since(begin), time.Minute, "the transaction stays open")
	}
	err = tx.Commit(t.Context(), Txn{Records: []Record{record(name, "k", "late")}})
	require.ErrorIs(t, err, ErrFenced)
	require.False(t, errors.Is(err, ErrOutcomeUnknown), err)
	require.Equal(t, []string{"behind"}, values(readEnded(t, c, name, 0)))
}
