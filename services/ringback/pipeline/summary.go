package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/sqlite"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
	"github.com/ringback/ringback/services/enricher"
	"github.com/ringback/ringback/services/ringback/importer"
	"github.com/ringback/ringback/services/sink"
)

// Counts are what the parts have done since the pipeline started.
type Counts struct {
	Enricher enricher.Counts
	Infomart sink.Counts
	TServer  sink.Counts
}

// Counts returns them as they are now.
func (p *Pipeline) Counts() Counts {
	return Counts{Enricher: p.enricher.Counts(), Infomart: p.sinks.infomart.Counts(), TServer: p.sinks.tserver.Counts()}
}

// Summary is the outcome of an import. It is API: ringback run --once prints it.
type Summary struct {
	Files    []importer.Counts `json:"files"`
	Enricher enricher.Counts   `json:"enricher"`
	Infomart sink.Counts       `json:"infomart"`
	TServer  sink.Counts       `json:"tserver"`
	// DeadLetters of this run by component and reason.
	DeadLetters map[string]map[string]int `json:"dead_letters"`
	Sessions    struct {
		Open   int `json:"open"` // they go on
		Ended  int `json:"ended"`
		Closed int `json:"closed"`
	} `json:"sessions"`
	Store struct {
		CallbackFact int64 `json:"callback_fact"`
		Services     int64 `json:"services"`
		Final        int64 `json:"final"`
		CustomData   int64 `json:"g_custom_data_s"`
		Discards     int64 `json:"stg_transform_discards"`
	} `json:"store"`
	Seconds         float64 `json:"seconds"`
	EventsPerSecond float64 `json:"events_per_second"`
}

// Summary counts what an import has come to.
func (p *Pipeline) Summary(ctx context.Context, files []importer.Counts, took time.Duration) (Summary, error) {
	counts := p.Counts()
	s := Summary{Files: files, Enricher: counts.Enricher, Infomart: counts.Infomart, TServer: counts.TServer, Seconds: took.Seconds()}
	if s.Files == nil {
		s.Files = []importer.Counts{}
	}
	var events int64
	for _, f := range files {
		events += f.Events
	}
	s.EventsPerSecond = float64(events) / took.Seconds()
	held := p.enricher.Sessions()
	s.Sessions.Open, s.Sessions.Ended, s.Sessions.Closed = held.Open, held.Ended, held.Closed
	rows, err := p.rows(ctx)
	if err != nil {
		return s, err
	}
	s.Store.CallbackFact, s.Store.Services, s.Store.Final = rows.Facts, rows.Services, rows.Finals
	s.Store.CustomData, s.Store.Discards = rows.CustomData, rows.Discards
	s.DeadLetters, err = p.letters(ctx)
	return s, err
}

func (p *Pipeline) rows(ctx context.Context) (infomart.Counts, error) {
	reader, err := sqlite.OpenReader(ctx, sqlite.Config{Path: p.Paths.Store})
	if err != nil {
		return infomart.Counts{}, err
	}
	defer reader.Close()
	return reader.Counts(ctx)
}

// letters counts the dead letters written since the pipeline started.
func (p *Pipeline) letters(ctx context.Context) (map[string]map[string]int, error) {
	counts := map[string]map[string]int{}
	err := eachLetter(ctx, p.client, p.codec, p.began[topic.DeadLetters], func(d *callback.DeadLetter) bool {
		if counts[d.Component] == nil {
			counts[d.Component] = map[string]int{}
		}
		counts[d.Component][string(d.Reason)]++
		return true
	})
	return counts, err
}

// eachLetter reads the dead letters from these offsets on, each id once: a letter
// may have been written again after an outage.
func eachLetter(ctx context.Context, client *kafka.Client, codec *wire.Codec, from map[int32]int64, f func(*callback.DeadLetter) bool) error {
	ranges, err := client.Offsets(ctx, topic.DeadLetters)
	if err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	seen := map[string]bool{}
	var unread []error // one that cannot be read hides no other
	for n := range int32(len(ranges)) {
		for offset := max(from[n], ranges[n].Earliest); offset < ranges[n].Latest; {
			got, err := client.Fetch(ctx, kafka.FetchRequest{Topic: topic.DeadLetters, Partition: n, Offset: offset, MaxBytes: 1 << 20, MaxWait: time.Second})
			if err != nil {
				return fmt.Errorf("pipeline: %w", err)
			}
			for i := range got.Records {
				d, err := codec.ParseDeadLetter(ctx, &got.Records[i])
				if err != nil {
					unread = append(unread, fmt.Errorf("pipeline: dead letter in partition %d at offset %d: %w", n, got.Records[i].Offset, err))
					continue
				}
				if id := d.ID(); !seen[id] {
					seen[id] = true
					if !f(d) {
						return nil
					}
				}
			}
			offset = got.Next
		}
	}
	return errors.Join(unread...)
}

// Check holds the counts of the stages against each other (invariant 2). A
// difference means that a stage lost what the one before it had acknowledged.
func (s *Summary) Check() error {
	var events int64
	for _, f := range s.Files {
		events += f.Events
	}
	var faults []error
	less := func(what string, got, want int64) {
		if got < want {
			faults = append(faults, fmt.Errorf("%s: %d of %d", what, got, want))
		}
	}
	less("events that the enricher read", s.Enricher.Read-s.Enricher.Ticks, events)
	less("UserEvents that the sink infomart read", s.Infomart.Read, s.Enricher.UserEvents)
	less("UserEvents and attached data that the sink tserver read", s.TServer.Read, s.Enricher.UserEvents+s.Enricher.AttachedData)
	if len(faults) > 0 {
		return fmt.Errorf("pipeline: the counts do not add up; was the disk full?: %w", errors.Join(faults...))
	}
	return nil
}

// Print writes the summary as one JSON object on one line.
func (s *Summary) Print(w io.Writer) error { return json.NewEncoder(w).Encode(s) }
