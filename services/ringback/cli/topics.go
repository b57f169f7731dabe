package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/services/ringback/topics"
)

// ExitDifferent says that topics plan has found something to change.
const ExitDifferent = 3

// errDifferent ends a plan that has printed its differences.
var errDifferent = errors.New("different")

func topicsCommand(std IO) *cobra.Command {
	c := &cobra.Command{
		Use:   "topics",
		Short: "the topics as code: show how a cluster differs from what it should have, and change it",
		Long: `topics holds the topics of a Kafka cluster, and the compatibility of their schemas in
a registry, against what they should be. KAFKA_* and REGISTRY_* say where these are,
as for every service. docs/topics.md lists what is set.`,
	}
	var size topics.Size
	plan := &cobra.Command{
		Use:   "plan",
		Short: "show the differences and change nothing",
		Long: `plan shows the differences and changes nothing. The exit code is 0 where there are
none, 3 where apply would change something, 1 where it would refuse to, or where the
cluster or the registry does not answer, and 2 where the command line or the
configuration is at fault.`,
		Args: exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return planTopics(c.Context(), size, std) },
	}
	apply := &cobra.Command{
		Use:   "apply",
		Short: "show the differences, then create, alter and set",
		Long: `apply shows the differences and then makes them: it creates topics, alters their
settings and sets the compatibility of their schemas. Another number of partitions or
of replicas is refused, with the reason; then nothing is changed at all. The exit code
is 0 where all is as it should be in the end, 1 where it is not, and 2 where the
command line or the configuration is at fault.`,
		Args: exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return applyTopics(c.Context(), size, std) },
	}
	for _, verb := range []*cobra.Command{plan, apply} {
		f := verb.Flags()
		f.IntVar(&size.Partitions, "partitions", 12, "`number` of partitions of every topic, fixed for good")
		f.IntVar(&size.Replication, "replication", 3, "`number` of replicas of every partition")
		f.IntVar(&size.MinInSync, "min-insync", 2, "`number` of replicas that must have a record before it is acknowledged")
	}
	c.AddCommand(plan, apply)
	onlyCommands(c)
	return c
}

// planned opens the cluster and the registry, and shows how they differ.
func planned(ctx context.Context, size topics.Size, std IO) (*topics.Place, *topics.Plan, error) {
	settings, err := topics.LoadSettings(ctx, std.Env)
	if err := errors.Join(err, size.Validate()); err != nil {
		return nil, nil, err
	}
	at, err := topics.Open(settings)
	if err != nil {
		return nil, nil, err
	}
	p, err := topics.Make(ctx, at, size.Want())
	if err == nil {
		err = p.Print(std.Out)
	}
	if err != nil {
		at.Close()
		return nil, nil, err
	}
	return at, p, nil
}

func planTopics(ctx context.Context, size topics.Size, std IO) error {
	at, p, err := planned(ctx, size, std)
	if err != nil {
		return err
	}
	at.Close()
	switch {
	case p.Refused():
		return errFailed
	case !p.Same():
		return errDifferent
	}
	return nil
}

func applyTopics(ctx context.Context, size topics.Size, std IO) error {
	at, p, err := planned(ctx, size, std)
	if err != nil {
		return err
	}
	defer at.Close()
	if p.Same() {
		return nil
	}
	if err := p.Apply(ctx, at); err != nil {
		return err
	}
	if err := topics.Settled(ctx, at, size.Want()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.Out, "done")
	return err
}
