package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
)

// readings are when UserEvents could first be read, committed.
type readings struct {
	cancel context.CancelFunc
	group  errgroup.Group

	mu sync.Mutex
	at map[dueKey]time.Time
}

// watchUserEvents reads all partitions of the UserEvents from their beginning.
func (env *environment) watchUserEvents(ctx context.Context) *readings {
	ctx, cancel := context.WithCancel(ctx)
	r := &readings{cancel: cancel, at: map[dueKey]time.Time{}}
	for partition := range int32(latencyPartitions) {
		r.group.Go(func() error {
			for offset := int64(0); ; {
				got, err := env.client.Fetch(ctx, kafka.FetchRequest{Topic: topic.UserEvents, Partition: partition, Offset: offset, MaxWait: 500 * time.Millisecond})
				if ctx.Err() != nil {
					return nil
				}
				if err != nil {
					return err
				}
				if err := r.note(got.Records, time.Now()); err != nil {
					return err
				}
				offset = got.Next
			}
		})
	}
	return r
}

func (r *readings) note(records []kafka.Record, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range records {
		id, _ := records[i].Header("ce_id") // service id and sequence
		cut := strings.LastIndexByte(string(id), '/')
		sequence, err := strconv.ParseInt(string(id[cut+1:]), 10, 64)
		if err != nil {
			return fmt.Errorf("the id of a UserEvent: %w", err)
		}
		r.at[dueKey{string(id[:max(cut, 0)]), sequence}] = now
	}
	return nil
}

// stop ends the reading and returns what was read.
func (r *readings) stop() (map[dueKey]time.Time, error) {
	r.cancel()
	err := r.group.Wait()
	return r.at, err
}

// sightings are when the batches of the sink could first be seen, by audit key.
type sightings struct {
	at map[int64]time.Time
}

// watch looks for new audit keys all the time, and once more when it is over. Batches commit
// side by side, so that a smaller key may come after a larger one.
func (s *sightings) watch(ctx context.Context, env *environment, over <-chan struct{}) (err error) {
	conn, err := env.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	tick := time.NewTicker(5 * time.Millisecond) // oftener, it takes the processor from what is measured
	defer tick.Stop()
	highest, last := int64(0), false
	for !last {
		select {
		case <-over:
			last = true
		case <-tick.C:
		}
		rows, err := conn.Query(ctx, "SELECT AUDIT_KEY::bigint FROM CTL_AUDIT_LOG WHERE AUDIT_KEY > $1::bigint", highest-30)
		if err != nil {
			return err
		}
		keys, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		now := time.Now()
		for _, key := range keys {
			if s.at[key].IsZero() {
				s.at[key] = now
			}
			highest = max(highest, key)
		}
	}
	return nil
}

// hold holds when rows were seen, and their UserEvents before them, against when what they tell of
// was accepted.
func (env *environment) hold(ctx context.Context, l *load, seen *sightings, read map[dueKey]time.Time) (took, enriched, stored []time.Duration, err error) {
	conn, err := env.connect(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	rows, err := conn.Query(ctx, "SELECT SERVICE_ID, EVENT_SEQUENCE::bigint, CREATE_AUDIT_KEY::bigint FROM CALLBACK_FACT")
	if err != nil {
		return nil, nil, nil, err
	}
	var due dueKey
	var audit int64
	_, err = pgx.ForEachRow(rows, []any{&due.service, &due.sequence, &audit}, func() error {
		if accepted, ok := l.accepted[due]; ok {
			at, ok := seen.at[audit]
			if !ok {
				return fmt.Errorf("batch %d was never seen", audit)
			}
			between, ok := read[due]
			if !ok {
				return fmt.Errorf("UserEvent %s/%d was never read", due.service, due.sequence)
			}
			if accepted.After(l.from) {
				took = append(took, at.Sub(accepted))
				enriched = append(enriched, between.Sub(accepted))
				stored = append(stored, at.Sub(between))
			}
			delete(l.accepted, due)
		}
		return nil
	})
	if err == nil && len(l.accepted) > 0 {
		err = fmt.Errorf("%d UserEvents that were due have no row", len(l.accepted))
	}
	return took, enriched, stored, err
}
