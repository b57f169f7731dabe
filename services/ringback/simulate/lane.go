package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/intake"
)

const (
	maxBatch = 200              // events of a request
	patience = time.Minute      // for one request; the producer's own time-outs are shorter
	maxPause = 10 * time.Second // between two tries, where the producer asks for none
)

// lane sends the events of its sessions, one request after the other.
type lane struct {
	cfg   *Config
	tally *tally
	wake  chan struct{}

	mu    sync.Mutex
	queue []event
	ended bool
}

func (l *lane) put(e event) {
	l.mu.Lock()
	l.queue = append(l.queue, e)
	l.mu.Unlock()
	l.rouse()
}

// end lets the lane end once it has sent what it has.
func (l *lane) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.rouse()
}

func (l *lane) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns what is to be sent next; none when the lane is to end.
func (l *lane) take(ctx context.Context) []event {
	for ctx.Err() == nil {
		l.mu.Lock()
		batch := l.queue[:min(len(l.queue), maxBatch)]
		l.queue = l.queue[len(batch):]
		ended := l.ended
		l.mu.Unlock()
		if len(batch) > 0 || ended {
			return batch
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
	return nil
}

func (l *lane) run(ctx context.Context) error {
	for {
		batch := l.take(ctx)
		if len(batch) == 0 {
			return nil
		}
		for pause := 100 * time.Millisecond; len(batch) > 0; pause = min(2*pause, maxPause) {
			// The request that is under way is seen through: what was accepted is to be counted.
			again, wait, err := l.send(context.WithoutCancel(ctx), batch)
			if err != nil {
				return err
			}
			if batch = again; len(batch) == 0 {
				break
			}
			select {
			case <-time.After(max(wait, pause)):
			case <-ctx.Done():
				return nil // they are unsent
			}
			l.tally.add(func(c *Counts) { c.Again += len(batch) })
		}
	}
}

// send sends events and returns those that are to be sent again, with the same ids, and what the producer
// asks to wait before.
func (l *lane) send(ctx context.Context, batch []event) (again []event, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body := []byte{'['}
	for i, e := range batch {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, e.Line...)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(l.cfg.URL, "/")+"/v1/events", bytes.NewReader(append(body, ']')))
	if err != nil {
		return nil, 0, fault.Misconfigf("simulate: %w", err)
	}
	req.Header.Set("Content-Type", intake.MediaTypeBatch)
	if l.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+l.cfg.Token)
	}
	res, err := l.cfg.Do(req)
	if err != nil {
		// Away, or its answer was lost: with the same ids that does no harm.
		l.say("the producer does not answer: %v", err)
		return batch, 0, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		l.say("the producer's answer broke off: %v", err)
		return batch, 0, nil
	}
	return l.answer(batch, res, text)
}

// reply is what the producer answers: the fate of each event, or one problem for all.
type reply struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Events []struct {
		Index   int `json:"index"`
		Status  int `json:"status"`
		Problem *struct {
			Code string `json:"code"`
		} `json:"problem"`
	} `json:"events"`
}

func (l *lane) answer(batch []event, res *http.Response, text []byte) (again []event, wait time.Duration, err error) {
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		wait = time.Duration(seconds) * time.Second
	}
	var r reply
	parsed := json.Unmarshal(text, &r) == nil
	switch {
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden && len(r.Events) == 0:
		return nil, 0, fault.Misconfigf("simulate: the producer refuses the token: %d %s", res.StatusCode, r.Detail)
	case len(r.Events) == 0 && (retriable(res.StatusCode) || res.StatusCode >= http.StatusInternalServerError && !parsed):
		l.say("the producer answered %d %s", res.StatusCode, r.Code)
		return batch, wait, nil
	case len(r.Events) != len(batch):
		return nil, 0, fmt.Errorf("simulate: the producer answered %d %s for %d events, and the fates of %d: is it a producer?", res.StatusCode, r.Code, len(batch), len(r.Events))
	}
	now := time.Now()
	for _, e := range r.Events {
		if e.Index < 0 || e.Index >= len(batch) {
			return nil, 0, fmt.Errorf("simulate: the producer answered for event %d of %d", e.Index, len(batch))
		}
		switch {
		case e.Problem == nil:
			l.tally.answered(batch[e.Index], "", now)
		case retriable(e.Status):
			l.say("the producer answered %d %s", e.Status, e.Problem.Code)
			again = append(again, batch[e.Index])
		default:
			l.tally.answered(batch[e.Index], e.Problem.Code, now)
		}
	}
	return again, wait, nil
}

func retriable(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

func (l *lane) say(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); l.cfg.Say != nil && l.tally.news(text) {
		l.cfg.Say("%s", text)
	}
}
