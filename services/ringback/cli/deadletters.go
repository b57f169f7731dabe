package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/services/ringback/pipeline"
	"github.com/ringback/ringback/services/ringback/topics"
)

func deadLettersCommand(std IO) *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "deadletters",
		Short: "list and show the records that were set aside, with their reasons",
		Long: `deadletters reads callback.deadletters.v1: of the data directory of ringback run, or,
where KAFKA_BROKERS is set and --data is not given, of that cluster. KAFKA_* and
REGISTRY_* say then where it is, as for every service. A record that was set aside
may hold personal data.`,
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "list all, each once",
		Args:  exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return listLetters(c.Context(), source(c, data, std), std.Out)
		},
	}
	show := &cobra.Command{
		Use:   "show ID",
		Short: "show one whole; ID is as listed",
		Args:  exactly(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return showLetter(c.Context(), source(c, data, std), args[0], std.Out)
		},
	}
	dataFlag(list, &data)
	dataFlag(show, &data)
	c.AddCommand(list, show)
	onlyCommands(c)
	return c
}

// letterSource is where dead letters are read from.
type letterSource struct {
	name string
	open func(context.Context) (*pipeline.Topics, error)
}

// source is the cluster of the environment, if it names one and the command line no directory.
func source(c *cobra.Command, dir string, std IO) letterSource {
	if brokers := std.Env["KAFKA_BROKERS"]; brokers != "" && !c.Flags().Changed("data") {
		return letterSource{brokers, func(ctx context.Context) (*pipeline.Topics, error) {
			s, err := topics.LoadSettings(ctx, std.Env)
			if err != nil {
				return nil, err
			}
			return pipeline.ReachTopics(ctx, s.Kafka, s.Registry)
		}}
	}
	return letterSource{dir, func(ctx context.Context) (*pipeline.Topics, error) {
		if _, err := os.Stat(pipeline.PathsOf(dir).Broker); err != nil {
			return nil, fault.Misconfigf("deadletters: %s holds no topics: %w", dir, err)
		}
		return pipeline.OpenTopics(ctx, dir)
	}}
}

func listLetters(ctx context.Context, from letterSource, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tREASON\tSERVICE ID\tTIME\tDETAIL")
	n := 0
	err := from.each(ctx, func(d *callback.DeadLetter) bool {
		n++
		service := "-"
		if d.ServiceID != nil {
			service = *d.ServiceID
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.ID(), d.Reason, printable(service), d.RecordTime.UTC().Format(time.RFC3339), printable(d.Detail))
		return true
	})
	if n == 0 && err == nil {
		_, err := fmt.Fprintln(out, "no dead letters")
		return err
	}
	if n > 0 {
		err = errors.Join(w.Flush(), err)
	}
	return err
}

// letterView is how a dead letter is shown: key and value as text where a person can read
// them, else in base64 under a name that says so.
type letterView struct {
	ID        string            `json:"id"`
	Component string            `json:"component"`
	Topic     string            `json:"topic"`
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Reason    callback.Reason   `json:"reason"`
	Detail    string            `json:"detail"`
	Missing   []string          `json:"missing_kvps,omitempty"`
	ServiceID *string           `json:"service_id"`
	Time      time.Time         `json:"record_timestamp"`
	Key       *string           `json:"record_key,omitempty"`
	Key64     []byte            `json:"record_key_base64,omitempty"`
	Value     *string           `json:"record_value,omitempty"`
	Value64   []byte            `json:"record_value_base64,omitempty"`
	Headers   map[string]string `json:"record_headers,omitempty"`
}

func showLetter(ctx context.Context, from letterSource, id string, out io.Writer) error {
	var found *callback.DeadLetter
	err := from.each(ctx, func(d *callback.DeadLetter) bool {
		if d.ID() == id {
			found = d
		}
		return found == nil
	})
	if err != nil {
		return err
	}
	if found == nil {
		return fault.Misconfigf("deadletters: %s has no dead letter with the id %q", from.name, id)
	}
	v := letterView{
		ID: found.ID(), Component: found.Component, Topic: found.Topic, Partition: found.Partition, Offset: found.Offset,
		Reason: found.Reason, Detail: found.Detail, Missing: found.Missing, ServiceID: found.ServiceID,
		Time: found.RecordTime.UTC(), Headers: map[string]string{},
	}
	v.Key, v.Key64 = textOr64(found.RecordKey)
	v.Value, v.Value64 = textOr64(found.RecordValue)
	for _, h := range found.RecordHeaders {
		v.Headers[h.Name] = string(h.Value)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// textOr64 gives what a person can read as text, anything else, such as Avro, as bytes.
func textOr64(b []byte) (text *string, bytes []byte) {
	s := string(b)
	line := strings.NewReplacer("\n", "", "\r", "", "\t", "").Replace(s)
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b) && printable(line) == line:
		return &s, nil
	default:
		return nil, b
	}
}

// printable keeps a control character in a record from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}

func (s letterSource) each(ctx context.Context, f func(*callback.DeadLetter) bool) error {
	from, err := s.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(from.DeadLetters(ctx, f), from.Close())
}
