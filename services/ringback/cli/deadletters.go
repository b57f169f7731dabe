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
)

func deadLettersCommand(std IO) *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "deadletters",
		Short: "list and show the records that were set aside, with their reasons",
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "list all, each once",
		Args:  exactly(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return listLetters(c.Context(), data, std.Out) },
	}
	show := &cobra.Command{
		Use:   "show ID",
		Short: "show one whole; ID is as listed",
		Args:  exactly(cobra.ExactArgs(1)),
		RunE:  func(c *cobra.Command, args []string) error { return showLetter(c.Context(), data, args[0], std.Out) },
	}
	dataFlag(list, &data)
	dataFlag(show, &data)
	c.AddCommand(list, show)
	onlyCommands(c)
	return c
}

func listLetters(ctx context.Context, dir string, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tREASON\tSERVICE ID\tTIME\tDETAIL")
	n := 0
	err := eachLetter(ctx, dir, func(d *callback.DeadLetter) bool {
		n++
		service := "-"
		if d.ServiceID != nil {
			service = *d.ServiceID
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.ID(), d.Reason, printable(service), d.RecordTime.UTC().Format(time.RFC3339), printable(d.Detail))
		return true
	})
	if err != nil {
		return err
	}
	if n == 0 {
		_, err := fmt.Fprintln(out, "no dead letters")
		return err
	}
	return w.Flush()
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

func showLetter(ctx context.Context, dir, id string, out io.Writer) error {
	var found *callback.DeadLetter
	err := eachLetter(ctx, dir, func(d *callback.DeadLetter) bool {
		if d.ID() == id {
			found = d
		}
		return found == nil
	})
	if err != nil {
		return err
	}
	if found == nil {
		return fault.Misconfigf("deadletters: %s has no dead letter with the id %q", dir, id)
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

func eachLetter(ctx context.Context, dir string, f func(*callback.DeadLetter) bool) error {
	if _, err := os.Stat(pipeline.PathsOf(dir).Broker); err != nil {
		return fault.Misconfigf("deadletters: %s holds no topics: %w", dir, err)
	}
	topics, err := pipeline.OpenTopics(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(topics.DeadLetters(ctx, f), topics.Close())
}
