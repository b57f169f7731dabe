package kafka

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// FetchRequest asks for the records of one partition from Offset on.
type FetchRequest struct {
	Topic     string
	Partition int32
	Offset    int64
	MaxBytes  int           // of the answer, as it lies in the log; 0 is 4 MiB. One batch always comes whole
	MaxWait   time.Duration // how long to wait where there is nothing yet; 0 does not wait
}

// Fetched is what a fetch found.
type Fetched struct {
	Records []Record // committed ones only; each keeps its own bytes
	// Next is the offset to ask for next: behind what was read, transaction markers, aborted
	// records and gaps of compaction included (invariant 4). It may move though Records is empty.
	Next int64
	// LogStart is the first offset there is, LastStable the first that a transaction still holds
	// back (or HighWatermark), HighWatermark the log's end.
	LogStart, LastStable, HighWatermark int64
}

// Fetch reads committed records: those of aborted transactions and all markers are left out, those
// of open transactions wait. ErrOffsetOutOfRange, or an error of class Outage or Misconfiguration.
func (c *Client) Fetch(ctx context.Context, req FetchRequest) (Fetched, error) {
	if req.MaxBytes <= 0 {
		req.MaxBytes = 4 << 20
	}
	if req.Offset < 0 {
		return Fetched{}, fmt.Errorf("kafka: fetch %s[%d] at %d: %w", req.Topic, req.Partition, req.Offset, ErrOffsetOutOfRange)
	}
	// The wait is the broker's; the answer must still fit into the request's time.
	req.MaxWait = min(req.MaxWait, c.cfg.RequestTimeout/2)
	got, err := c.fetch(ctx, req, req.MaxWait)
	switch {
	case isCode(err, kafkago.OffsetOutOfRange):
		got, err = c.outOfRange(ctx, req)
	case err == nil && got.Next == req.Offset && got.LastStable > req.Offset:
		got, err = c.passOver(ctx, req, got)
	}
	if err != nil {
		return Fetched{}, classed(fmt.Sprintf("fetch %s[%d] at %d", req.Topic, req.Partition, req.Offset), err)
	}
	return got, nil
}

// fetch gets one answer on the partition. Where its leader has just moved it asks the new one, and
// where the broker throttles it waits.
func (c *Client) fetch(ctx context.Context, req FetchRequest, wait time.Duration) (Fetched, error) {
	const moves = 3
	moved, throttled := 0, time.Duration(0)
	for {
		res, err := c.fetchOnce(ctx, req, wait)
		if hasMoved(err) && moved < moves {
			if moved++; !sleep(ctx, time.Duration(moved)*20*time.Millisecond) {
				return Fetched{}, ctx.Err()
			}
			continue
		}
		if err != nil {
			return Fetched{}, err
		}
		if res.held > 0 {
			res.release()
			// A quota holds the answer back, by default for up to 11 s: no outage until it lasts as long
			// as one.
			if throttled += res.held; throttled > 3*c.cfg.RequestTimeout {
				return Fetched{}, fmt.Errorf("the broker throttles this client for %v", res.held)
			}
			if !sleep(ctx, res.held) {
				return Fetched{}, ctx.Err()
			}
			continue
		}
		got, err := res.filter(req)
		res.release()
		if errors.Is(err, errShortBatch) && req.MaxBytes < maxBatchBytes {
			req.MaxBytes *= 4 // one batch is larger than the answer was allowed to be
			continue
		}
		return got, err
	}
}

// filter decodes the answer and leaves out what was not committed.
func (res *fetchResponse) filter(req FetchRequest) (Fetched, error) {
	got := Fetched{
		Next:     req.Offset,
		LogStart: res.logStart, LastStable: res.lastStable, HighWatermark: res.highWatermark,
	}
	// Brokers list aborted transactions in the order in which they ended, not in which they began: a
	// long one comes behind those that began and ended inside it.
	aborted := res.aborted
	slices.SortFunc(aborted, func(a, b abortedTransaction) int { return cmp.Compare(a.firstOffset, b.firstOffset) })
	aborting := map[int64]bool{} // producers whose open transaction will turn out aborted
	names := map[string]string{}
	buf := res.records
	if n := countRecords(buf); n > 0 {
		got.Records = make([]Record, 0, n)
	}
	for len(buf) > 0 {
		b, rest, err := nextBatch(buf)
		if errors.Is(err, errShortBatch) {
			if got.Next == req.Offset {
				return got, err
			}
			break // the rest of it comes with the next fetch
		}
		if err != nil {
			return got, err
		}
		buf = rest
		for len(aborted) > 0 && aborted[0].firstOffset <= b.lastOffset() {
			aborting[aborted[0].pid] = true
			aborted = aborted[1:]
		}
		if b.lastOffset() < req.Offset {
			continue
		}
		switch {
		case b.control():
			abort, err := b.aborts()
			if err != nil {
				return got, err
			}
			if abort {
				delete(aborting, b.id.pid)
			}
		case b.transactional() && aborting[b.id.pid]:
		default:
			if got.Records, err = b.appendRecords(got.Records, req, names); err != nil {
				return got, err
			}
		}
		// The header's last offset, not the last record's: compaction removes records and leaves
		// the batch's bounds, and asking for the last record's successor would bring the same
		// batch again, for ever.
		got.Next = b.lastOffset() + 1
	}
	return got, nil
}

func (b *wireBatch) appendRecords(recs []Record, req FetchRequest, names map[string]string) ([]Record, error) {
	err := b.each(func(r *wireRecord) error {
		offset := b.baseOffset + int64(r.offsetDelta)
		if offset < req.Offset {
			return nil
		}
		recs = append(recs, Record{Topic: req.Topic, Partition: req.Partition, Offset: offset})
		return r.copyTo(&recs[len(recs)-1], names)
	})
	return recs, err
}

// countRecords adds up what the batches' headers promise, as far as that can be true: room is made
// for it before anything is checked.
func countRecords(buf []byte) int {
	n := 0
	for len(buf) >= batchHeaderSize {
		size := batchEpochAt + int64(int32(binary.BigEndian.Uint32(buf[batchSizeAt:])))
		if size < batchHeaderSize || size > int64(len(buf)) {
			break
		}
		n += int(min(max(0, int64(int32(binary.BigEndian.Uint32(buf[batchCountAt:])))), size))
		buf = buf[size:]
	}
	return n
}

// fetchOnce makes one round trip.
func (c *Client) fetchOnce(ctx context.Context, req FetchRequest, wait time.Duration) (*fetchResponse, error) {
	msg, _, err := c.lead(ctx, req.Topic, req.Partition, &fetchMessage{
		topic: req.Topic, partition: req.Partition, offset: req.Offset,
		maxBytes: int32(min(req.MaxBytes, maxBatchBytes)), maxWait: int32(wait.Milliseconds()),
	})
	if err != nil {
		return nil, err
	}
	res := msg.(*fetchResponse)
	if err := c.ledBy(req.Topic, res.code); err != nil {
		res.release()
		return nil, err
	}
	return res, nil
}
