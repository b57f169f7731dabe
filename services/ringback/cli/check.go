package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/pkg/fault"
)

type checkOptions struct {
	ready    []string
	closed   string
	insecure bool
	timeout  time.Duration
}

func checkCommand(std IO) *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check READYZ...",
		Short: "ask running services whether they are ready, and a producer whether it is closed",
		Long: `check asks each of the services whether it is ready, by the URL of its /readyz. With
--closed it sends a request without a token to a producer, which must answer 401 and
nothing else; the request holds no event, so that nothing is written if it is let in.

helm test runs it in the cluster. It prints a line for each URL. The exit code is 0
where all is as it should be, 1 where something is not or does not answer, and 2 where
the command line is at fault.`,
		Example: `  ringback check --closed http://producer/v1/events http://producer:8081/readyz http://enricher:8081/readyz`,
		RunE: func(c *cobra.Command, args []string) error {
			o.ready = args
			return check(c.Context(), o, std.Out)
		},
	}
	f := c.Flags()
	f.StringVar(&o.closed, "closed", "", "`URL` at which a producer takes events, which must refuse one without a token")
	f.BoolVar(&o.insecure, "insecure", false, "take any certificate: nothing secret is sent, and an address inside a cluster may not be in it")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "`time` that each may take to answer")
	return c
}

func check(ctx context.Context, o checkOptions, out io.Writer) error {
	if len(o.ready) == 0 && o.closed == "" {
		return fault.Misconfigf("check: nothing to check: give the URL of a /readyz, or --closed")
	}
	if o.timeout <= 0 {
		return fault.Misconfigf("check: --timeout must be over 0, is %s", o.timeout)
	}
	for _, address := range append(o.ready[:len(o.ready):len(o.ready)], o.closed) {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fault.Misconfigf("check: %q is no URL of http or https", address)
		} else if u.User != nil {
			return fault.Misconfigf("check: a URL holds a user; it is asked without one")
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: o.insecure, MinVersion: tls.VersionTLS12}
	defer transport.CloseIdleConnections()
	// A redirect is no answer of the service's.
	client := &http.Client{Transport: transport, Timeout: o.timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var result error
	say := func(address, problem string) {
		line := "ok        " + address
		if problem != "" {
			line, result = "failed    "+address+": "+problem, errFailed
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			result = errors.Join(result, err)
		}
	}
	for _, address := range o.ready {
		switch status, body, err := ask(ctx, client, http.MethodGet, address); {
		case err != nil:
			say(address, "no answer: "+err.Error())
		case status != http.StatusOK:
			say(address, fmt.Sprintf("%d where 200 is due: %s", status, body))
		default:
			say(address, "")
		}
	}
	if o.closed != "" {
		switch status, _, err := ask(ctx, client, http.MethodPost, o.closed); {
		case err != nil:
			say(o.closed, "no answer: "+err.Error())
		case status != http.StatusUnauthorized:
			say(o.closed, fmt.Sprintf("%d without a token, where 401 is due", status))
		default:
			say(o.closed, "")
		}
	}
	return result
}

// ask returns the status and the beginning of the body. What is posted is an empty batch: it holds no event.
func ask(ctx context.Context, client *http.Client, method, address string) (int, string, error) {
	var content io.Reader
	if method == http.MethodPost {
		content = strings.NewReader("[]")
	}
	req, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return 0, "", err
	}
	if content != nil {
		req.Header.Set("Content-Type", "application/cloudevents-batch+json")
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return res.StatusCode, strings.TrimSpace(string(body)), err
}
