// Command callback-subscriber prints each callback UserEvent in one line: service id, sequence, final, disposition.
//
//	KAFKA_BROKERS   bootstrap addresses, separated by commas
//	REGISTRY_URL    schema registry, where /subjects lies below
//	KAFKA_GROUP     consumer group: where it stands is where the next run goes on
//	COUNT           stop after that many UserEvents; without it, go on for ever
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/segmentio/kafka-go"
)

const topic = "callback.userevents.v1"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	left := -1
	if s := os.Getenv("COUNT"); s != "" {
		var err error
		if left, err = strconv.Atoi(s); err != nil {
			return fmt.Errorf("COUNT: %w", err)
		}
	}
	brokers := strings.Split(os.Getenv("KAFKA_BROKERS"), ",")
	// The group alone, not a Reader: committed.go says why.
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: os.Getenv("KAFKA_GROUP"), Brokers: brokers, Topics: []string{topic}, StartOffset: kafka.FirstOffset,
	})
	if err != nil {
		return err
	}
	defer group.Close()
	records, failed := make(chan record), make(chan error, 1)
	go follow(ctx, group, &kafka.Client{Addr: kafka.TCP(brokers...)}, records, failed)

	values := newValues(os.Getenv("REGISTRY_URL"))
	for left != 0 {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case r := <-records:
			event, err := values.decode(ctx, r.value)
			if err != nil {
				return fmt.Errorf("%s[%d] at offset %d: %w", topic, r.partition, r.offset, err)
			}
			fmt.Println(strings.Join([]string{
				text(event["cb_service_id"]), text(event["event_sequence"]), text(event["cb_final_record"]), text(event["cb_disposition"]),
			}, "\t"))
			left--
			// Once the work is done, not before. After a crash, or when another member takes the partition over, the records
			// since the last commit come again: drop those whose ce_id is known.
			if err := r.commit(); err != nil {
				fmt.Fprintf(os.Stderr, "%s[%d]: not committed: %v\n", topic, r.partition, err)
			}
		}
	}
	return nil
}

// follow reads the partitions that the group gives to this process, generation by generation.
func follow(ctx context.Context, group *kafka.ConsumerGroup, client *kafka.Client, out chan<- record, failed chan<- error) {
	fail := func(err error) {
		select {
		case failed <- err:
		default: // one reason is enough
		}
	}
	for {
		generation, err := group.Next(ctx)
		if err != nil {
			fail(err)
			return
		}
		for _, p := range generation.Assignments[topic] {
			// Its context ends with the generation: what comes then is another member's.
			generation.Start(func(ctx context.Context) {
				commit := func(next int64) error {
					return generation.CommitOffsets(map[string]map[int]int64{topic: {p.ID: next}})
				}
				if err := read(ctx, client, p, out, commit); err != nil && ctx.Err() == nil {
					fail(fmt.Errorf("%s[%d]: %w", topic, p.ID, err))
				}
			})
		}
	}
}
