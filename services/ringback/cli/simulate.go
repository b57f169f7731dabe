package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/services/ringback/pipeline"
	"github.com/ringback/ringback/services/ringback/scenario"
	"github.com/ringback/ringback/services/ringback/simulate"
)

type simulateOptions struct {
	simulate.Config
	data, tokenFile string
	rate            float64
	asJSON          bool
}

func simulateCommand(std IO) *cobra.Command {
	var o simulateOptions
	c := &cobra.Command{
		Use:   "simulate",
		Short: "make load for a running producer: callback sessions as a busy site has them",
		Long: `simulate sends callback sessions to a running producer, each event when it happens,
with the time at which it happens. Sessions begin at random moments and go as in life:
reached, scheduled, declined, abandoned, redialled in vain and so on, in the shares of
a busy site, with a virtual queue for inbound calls, one for virtual callbacks and one
for outbound calls.

With --speed 60 a session goes sixty times faster: what takes a minute in life takes a
second, and so do the times in its facts. 429 and 503 are waited for, as long as the
producer asks, and the same events are sent again with the same ids.

It runs until Ctrl-C, or until --sessions have begun or --duration is over and those
under way have ended. Then it prints what became of the load. The exit code is 0 where
every event that was answered was accepted, 1 where one was refused, and 2 where the
command line or the token is at fault.`,
		Example: `  ringback simulate --session-rate 5 --speed 60 --duration 10m
  ringback simulate --url http://producer:8080 --token-file /run/secrets/token --rate 100`,
		Args: exactly(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return simulated(c.Context(), c, o, std) },
	}
	f := c.Flags()
	dataFlag(c, &o.data)
	f.StringVar(&o.URL, "url", "", "base `URL` of the producer; without it that of the pipeline that runs in --data")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` with the bearer token; without it that of --data, or with --url none")
	f.Float64Var(&o.SessionRate, "session-rate", 1, "`sessions` that begin a second, on average")
	f.Float64Var(&o.rate, "rate", 0, "instead: `events` a second, on average, once sessions end as often as they begin")
	f.Float64Var(&o.Speed, "speed", 1, "how many `times` faster than in life a session goes")
	f.IntVar(&o.Sessions, "sessions", 0, "`number` of sessions after which no new one begins; 0: without end")
	f.DurationVar(&o.Duration, "duration", 0, "`time` after which no new session begins; 0: without end")
	f.Uint64Var(&o.Seed, "seed", 0, "`number` that decides what happens, and the ids; 0: another one each time")
	f.IntVar(&o.Parallel, "parallel", 8, "`requests` under way at once")
	f.BoolVar(&o.asJSON, "json", false, "print the counts as one JSON object")
	return c
}

func simulated(ctx context.Context, c *cobra.Command, o simulateOptions, std IO) error {
	if c.Flags().Changed("rate") {
		if c.Flags().Changed("session-rate") {
			return fault.Misconfigf("simulate: --rate: is given and so is --session-rate: which of them holds?")
		}
		o.SessionRate = o.rate / scenario.MeanEvents()
		if o.rate <= 0 {
			return fault.Misconfigf("simulate: --rate: must be over 0, is %g", o.rate)
		}
	}
	if err := o.Validate(); err != nil {
		return err
	}
	if o.URL == "" {
		e, err := pipeline.ReadEndpoints(o.data)
		if err != nil {
			return err
		}
		if e.HTTP == "" {
			return fault.Misconfigf("simulate: the pipeline in %s takes no events in over HTTP; give --url", o.data)
		}
		o.URL = e.HTTP
		if o.tokenFile == "" {
			o.tokenFile = pipeline.PathsOf(o.data).Token
		}
	}
	if o.tokenFile != "" {
		var err error
		if o.Token, err = readToken("simulate", o.tokenFile); err != nil {
			return err
		}
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = o.Parallel
	transport.IdleConnTimeout = 30 * time.Second // under the producer's
	defer transport.CloseIdleConnections()
	o.Do = (&http.Client{Transport: transport}).Do
	o.Say = func(format string, args ...any) { fmt.Fprintf(std.Err, "waiting   "+format+"\n", args...) }
	counts, err := simulate.Run(ctx, o.Config)
	if err != nil {
		return err
	}
	if o.asJSON {
		err = json.NewEncoder(std.Out).Encode(counts)
	} else {
		err = counts.Print(std.Out)
	}
	if err == nil && counts.RefusedEvents() > 0 {
		err = errFailed
	}
	return err
}
