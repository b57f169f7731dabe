package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/tracing"
)

// maxAnswer bounds an answer's body, in bytes; a longer one is cut, and so is no answer of the contract.
const maxAnswer = 64 << 10

// post sends body and reads the answer. Where call is not empty, path is followed by it and /user-data.
func (c *Client) post(ctx context.Context, op, path, call string, body *body, ref int32) (_ Ack, err error) {
	ctx, span := tracing.Start(ctx, op, trace.SpanKindClient)
	defer func() { span.End(err) }()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u := *c.base
	if call == "" {
		u.Path += path
	} else {
		u.RawPath = u.EscapedPath() + path + escapeSegment(call) + "/user-data"
		u.Path += path + call + "/user-data"
	}
	sent, used := c.token.get()
	resp, err := c.send(ctx, &u, body, sent)
	if err != nil {
		return Ack{}, unanswered(ctx, op, err)
	}
	if used && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden) {
		// The token may have been replaced since it was read.
		next, err := c.token.reread(sent)
		if err == nil && next != sent {
			resp.Body.Close()
			if resp, err = c.send(ctx, &u, body.again(), next); err != nil {
				return Ack{}, unanswered(ctx, op, err)
			}
		}
	}
	defer resp.Body.Close()
	answer := answers.Get().(*bytes.Buffer)
	defer answers.Put(answer)
	answer.Reset()
	if _, err := answer.ReadFrom(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return Ack{}, unanswered(ctx, op, err)
	}
	ack, err := parseAnswer(op, resp, answer.Bytes(), ref, call != "")
	if err == nil {
		body.release()
	}
	return ack, err
}

func (c *Client) send(ctx context.Context, u *url.URL, body *body, token string) (*http.Response, error) {
	req := (&http.Request{
		Method:        http.MethodPost,
		URL:           u,
		Host:          u.Host,
		Header:        http.Header{"Content-Type": jsonType, "Accept": acceptTypes, "User-Agent": userAgent},
		Body:          body,
		GetBody:       func() (io.ReadCloser, error) { return body.again(), nil },
		ContentLength: int64(len(body.buf)),
		Proto:         "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if token != "" {
		req.Header["Authorization"] = []string{"Bearer " + token}
	}
	tracing.Inject(ctx, req.Header)
	return c.transport.RoundTrip(req)
}

var (
	jsonType    = []string{"application/json"}
	acceptTypes = []string{"application/json, application/problem+json"}
	userAgent   = []string{"ringback"}
)

// message is an EventACK or an EventError.
type message struct {
	Message             string `json:"message"`
	ReferenceID         *int32 `json:"referenceId"`
	EventSequenceNumber string `json:"eventSequenceNumber"`
	ErrorCode           *int   `json:"errorCode"`
	ErrorMessage        string `json:"errorMessage"`
}

func parseAnswer(op string, resp *http.Response, answer []byte, ref int32, call bool) (Ack, error) {
	status := resp.StatusCode
	switch {
	case status == http.StatusOK:
		// Invariant 8: only an EventACK of this very request is an acknowledgement, whatever the status says.
		var m message
		if err := json.Unmarshal(answer, &m); err != nil || m.Message != "EventACK" || m.ReferenceID == nil {
			return Ack{}, fault.Outagef("%s: HTTP 200 without an EventACK", op)
		}
		if *m.ReferenceID != ref {
			return Ack{}, fault.Outagef("%s: EventACK of another reference id", op)
		}
		return Ack{ReferenceID: ref, EventSequenceNumber: m.EventSequenceNumber}, nil
	case status == http.StatusUnprocessableEntity, status == http.StatusGone && call:
		var m message
		if err := json.Unmarshal(answer, &m); err != nil || m.Message != "EventError" || m.ErrorCode == nil {
			break
		}
		if m.ReferenceID == nil || *m.ReferenceID != ref {
			return Ack{}, fault.Outagef("%s: EventError of another reference id", op)
		}
		if status == http.StatusGone {
			return Ack{}, fmt.Errorf("%s: %w", op, ErrCallGone)
		}
		return Ack{}, fmt.Errorf("%s: %w", op, &EventError{Code: *m.ErrorCode, Message: redact(m.ErrorMessage)})
	}
	var p problem
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(answer, &p) == nil {
		return Ack{}, failure(op, status, &p)
	}
	return Ack{}, failure(op, status, nil)
}

// problem is what is read of RFC 9457 problem details.
type problem struct {
	Title  string `json:"title"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

func (p *problem) String() string {
	var b strings.Builder
	if p.Title != "" {
		b.WriteString(": " + redact(p.Title))
	}
	for i, e := range p.Errors {
		if i == 5 {
			fmt.Fprintf(&b, "; and %d more", len(p.Errors)-i)
			break
		}
		fmt.Fprintf(&b, "; %s: %s", redact(e.Pointer), redact(e.Detail))
	}
	return b.String()
}

// escapeSegment escapes s as one segment of a path; "." and ".." would otherwise be taken as directions.
func escapeSegment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}
