package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/intake"
	"github.com/ringback/ringback/services/ringback/pipeline"
)

type importOptions struct {
	data, url, token string
}

func importCommand(std IO) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE...",
		Short: "send files of CloudEvents in JSON Lines to a running producer; - is standard input",
		Args:  exactly(cobra.MinimumNArgs(1)),
		RunE:  func(c *cobra.Command, files []string) error { return importFiles(c.Context(), o, files, std) },
	}
	dataFlag(c, &o.data)
	c.Flags().StringVar(&o.url, "url", "", "base `URL` of the producer; without it that of the pipeline that runs in --data")
	c.Flags().StringVar(&o.token, "token-file", "", "`file` with the bearer token; without it that of --data")
	return c
}

// importFiles posts the files in batches, one after another, so that the order of a session's events is kept.
func importFiles(ctx context.Context, o importOptions, files []string, std IO) error {
	all, err := openInputs("import", files, std.In)
	if err != nil {
		return err
	}
	defer all.close()
	paths := pipeline.PathsOf(o.data)
	if o.url == "" {
		e, err := pipeline.ReadEndpoints(o.data)
		if err != nil {
			return err
		}
		o.url = e.HTTP
	}
	if o.url == "" {
		return fault.Misconfigf("import: the pipeline in %s takes no events in over HTTP; give --url", o.data)
	}
	if o.token == "" {
		o.token = paths.Token
	}
	token, err := readToken("import", o.token)
	if err != nil {
		return err
	}
	p := poster{url: strings.TrimSuffix(o.url, "/") + "/v1/events", token: token, std: std}
	for _, in := range all {
		r, err := in.open()
		if err != nil {
			return err
		}
		if err := errors.Join(p.file(ctx, in.name, r), r.Close()); err != nil {
			return fmt.Errorf("import: %s: %w", in.name, err)
		}
		fmt.Fprintf(std.Err, "imported  %s: %d accepted, %d refused\n", in.name, p.accepted, p.refused)
		p.accepted, p.refused = 0, 0
	}
	if p.bad {
		return errFailed
	}
	return nil
}

// readToken returns the first token of a file: that of a data directory, or one such as
// the producer reads.
func readToken(of, path string) (string, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Misconfigf("%s: the token: %w", of, err)
	}
	for line := range strings.Lines(string(file)) {
		text, _, _ := strings.Cut(line, "#")
		if fields := strings.Fields(text); len(fields) > 0 {
			return fields[0], nil
		}
	}
	return "", fault.Misconfigf("%s: %s holds no token", of, path)
}

// patience bounds one request; the producer answers within its own time-outs, which are shorter.
const patience = time.Minute

// The producer's own default limits, less room for the brackets.
const (
	postEvents = 1000
	postBytes  = 1<<20 - 4096
)

type poster struct {
	url, token        string
	std               IO
	accepted, refused int
	bad               bool

	lines []int64
	body  bytes.Buffer
}

func (p *poster) file(ctx context.Context, name string, r io.Reader) error {
	lines := intake.NewLines(r)
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return p.flush(ctx, name)
		}
		if err != nil {
			return err
		}
		if line.Long || !intake.Element(line.Raw) || len(line.Raw) > postBytes {
			// It would spoil the batch it is in.
			_, _, refusal := line.Parse(time.Now())
			if refusal == nil {
				refusal = intake.Whole(fmt.Sprintf("is longer than %d bytes", postBytes))
			}
			p.refuse(name, line.Number, refusal.Error())
			continue
		}
		if len(p.lines) >= postEvents || p.body.Len()+len(line.Raw) > postBytes {
			if err := p.flush(ctx, name); err != nil {
				return err
			}
		}
		if len(p.lines) > 0 {
			p.body.WriteByte(',')
		}
		p.body.Write(line.Raw)
		p.lines = append(p.lines, line.Number)
	}
}

func (p *poster) refuse(name string, line int64, why string) {
	p.refused++
	p.bad = true
	fmt.Fprintf(p.std.Err, "refused   %s, line %d: %s\n", name, line, why)
}

func (p *poster) flush(ctx context.Context, name string) error {
	if len(p.lines) == 0 {
		return nil
	}
	body := append([]byte{'['}, append(p.body.Bytes(), ']')...)
	defer func() { p.lines = p.lines[:0]; p.body.Reset() }()
	told := ""
	for backoff := 100 * time.Millisecond; ; backoff = min(2*backoff, 5*time.Second) {
		again, err := p.post(ctx, name, body)
		if err != nil || again == "" {
			return err
		}
		if again != told {
			fmt.Fprintf(p.std.Err, "waiting   %s\n", again)
			told = again
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// post sends one batch; again, unless it is empty, says why it is to be sent once more,
// which changes nothing of what was accepted: the ids are the same.
func (p *poster) post(ctx context.Context, name string, body []byte) (again string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return "", fault.Misconfigf("%w", err)
	}
	req.Header.Set("Content-Type", intake.MediaTypeBatch)
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("the producer does not answer: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return "", err
	}
	return p.answer(name, res.StatusCode, text)
}

// reply is what the producer answers: the fate of each event, or one problem for all.
type reply struct {
	Accepted int    `json:"accepted"`
	Code     string `json:"code"`
	Detail   string `json:"detail"`
	Events   []struct {
		Index   int `json:"index"`
		Status  int `json:"status"`
		Problem *struct {
			Code   string `json:"code"`
			Detail string `json:"detail"`
			Errors []struct {
				Field  string `json:"field"`
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"problem"`
	} `json:"events"`
}

func (p *poster) answer(name string, status int, text []byte) (again string, err error) {
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		return "", fmt.Errorf("%s answered %d, and no JSON: is it a producer?", p.url, status)
	}
	if status == http.StatusUnauthorized {
		return "", fault.Misconfigf("the producer refuses the token: %s", r.Detail)
	}
	if len(r.Events) == 0 {
		if retriable(status) {
			return fmt.Sprintf("the producer answered %d %s: %s", status, r.Code, r.Detail), nil
		}
		return "", fmt.Errorf("the producer answered %d %s: %s", status, r.Code, r.Detail)
	}
	for _, e := range r.Events {
		if retriable(e.Status) && e.Problem != nil {
			return fmt.Sprintf("the producer answered %d %s: %s", e.Status, e.Problem.Code, e.Problem.Detail), nil
		}
	}
	for _, e := range r.Events {
		if e.Problem == nil {
			p.accepted++
			continue
		}
		if e.Index < 0 || e.Index >= len(p.lines) {
			return "", fmt.Errorf("the producer answered for event %d of %d", e.Index, len(p.lines))
		}
		why := make([]string, len(e.Problem.Errors))
		for i, f := range e.Problem.Errors {
			why[i] = f.Field + ": " + f.Reason
		}
		if len(why) == 0 {
			why = []string{e.Problem.Detail}
		}
		p.refuse(name, p.lines[e.Index], e.Problem.Code+": "+strings.Join(why, "; "))
	}
	return "", nil
}

func retriable(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}
