package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// kafka-go's Reader hands out the records of aborted transactions, and the markers by which transactions end, as if they
// were records like others: with IsolationLevel ReadCommitted it waits for open transactions, and that is all. This file
// fetches by the protocol instead and leaves out what was not committed.

// record is a committed record. What follows it is read once commit was called.
type record struct {
	partition int
	offset    int64
	value     []byte
	commit    func() error
}

const readCommitted = 1

// read hands on one partition's committed records until ctx ends.
func read(ctx context.Context, client *kafka.Client, p kafka.PartitionAssignment, out chan<- record, commit func(next int64) error) error {
	next := p.Offset
	if next < 0 { // the group has committed nothing yet
		first, err := firstOffset(ctx, client, p.ID)
		if err != nil {
			return err
		}
		next = first
	}
	for {
		got, err := fetchOnce(ctx, client, p.ID, next)
		if err != nil {
			return err
		}
		if got.ErrorCode != 0 {
			return kafka.Error(got.ErrorCode)
		}
		records, after, err := committed(got, next)
		if err != nil {
			return err
		}
		for _, r := range records {
			r.partition, r.commit = p.ID, func() error { return commit(r.offset + 1) }
			select {
			case out <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		next = after
	}
}

func firstOffset(ctx context.Context, client *kafka.Client, partition int) (int64, error) {
	res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(partition)}},
	})
	if err != nil {
		return 0, err
	}
	for _, o := range res.Topics[topic] {
		if o.Partition == partition {
			return o.FirstOffset, o.Error
		}
	}
	return 0, errors.New("the broker named no first offset")
}

func fetchOnce(ctx context.Context, client *kafka.Client, partition int, offset int64) (*fetch.ResponsePartition, error) {
	// TLS and SASL go into a kafka.Transport, the client's and this one; the group has a kafka.Dialer.
	res, err := kafka.DefaultTransport.RoundTrip(ctx, client.Addr, &fetch.Request{
		ReplicaID: -1, SessionEpoch: -1, MaxWaitTime: 1000, MinBytes: 1, MaxBytes: 4 << 20, IsolationLevel: readCommitted,
		Topics: []fetch.RequestTopic{{Topic: topic, Partitions: []fetch.RequestPartition{{
			Partition: int32(partition), CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: 4 << 20,
		}}}},
	})
	if err != nil {
		return nil, err
	}
	answer := res.(*fetch.Response)
	if answer.ErrorCode != 0 {
		return nil, kafka.Error(answer.ErrorCode)
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return nil, errors.New("the broker's answer is not about the partition")
	}
	return &answer.Topics[0].Partitions[0], nil
}

// committed returns the answer's committed records from an offset on, and the offset to ask for next, which may move
// though there are none.
func committed(got *fetch.ResponsePartition, from int64) (records []record, next int64, err error) {
	next = from
	stream, ok := got.RecordSet.Records.(*protocol.RecordStream)
	if !ok {
		return nil, next, nil // nothing yet
	}
	// By producer: the transaction that is open where we are, and will turn out aborted.
	aborted := slices.SortedFunc(slices.Values(got.AbortedTransactions), func(a, b fetch.ResponseTransaction) int {
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})
	aborting := map[int64]bool{}
	for _, batch := range stream.Records {
		data, isData := batch.(*protocol.RecordBatch)
		control, isControl := batch.(*protocol.ControlBatch)
		if !isData && !isControl {
			return nil, next, errors.New("a batch from before Kafka 0.11")
		}
		for {
			r, err := batch.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, next, err
			}
			for len(aborted) > 0 && aborted[0].FirstOffset <= r.Offset {
				aborting[aborted[0].ProducerID] = true
				aborted = aborted[1:]
			}
			next = max(next, r.Offset+1)
			switch {
			case isControl:
				delete(aborting, control.ProducerID) // a transaction of its ends here, either way
			case r.Offset < from: // the batch begins before what was asked for
			case data.Attributes.Transactional() && aborting[data.ProducerID]:
			default:
				value, err := protocol.ReadAll(r.Value)
				if err != nil {
					return nil, next, err
				}
				records = append(records, record{offset: r.Offset, value: value})
			}
		}
	}
	return records, next, nil
}
