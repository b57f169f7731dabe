package producer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
)

// The modes of a request, as metrics name them.
const (
	modeStructured = "structured"
	modeBatch      = "batch"
	modeBinary     = "binary"
	modeNone       = "none" // refused before it was known
)

// events answers POST /v1/events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	start := s.now()
	watched := s.watch.Loop("producer: a request")
	defer watched.End()
	r, span := s.tracer.Request(r, "/v1/events")
	mode, status := s.takeIn(w, r, start)
	span.Answered(status)
	s.metrics.answered(mode, status, s.now().Sub(start))
}

// takeIn answers the request and returns its mode and the status it gave.
func (s *Server) takeIn(w http.ResponseWriter, r *http.Request, now time.Time) (mode string, status int) {
	refuse := func(p *problem) (string, int) {
		p.write(w, s.cfg.RetryAfter)
		return modeNone, p.Status
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return refuse(newProblem(http.StatusMethodNotAllowed, codeMethodNotAllowed, "Events are taken by POST."))
	}
	busy := func() (string, int) {
		return refuse(newProblem(http.StatusTooManyRequests, codeTooManyRequests, "More requests are under way than this service works on at once. Send it again later."))
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return busy()
	}
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()

	allowed, refusal := s.authenticate(r)
	if refusal != nil {
		return refuse(notLetIn(refusal))
	}
	// A request counts as an event before it is read, so that what cannot be read is bounded too.
	if wait := s.rates.take(allowed.Key, 1, now); wait > 0 {
		return refuse(limited(wait))
	}
	mode, p := modeOf(r.Header)
	if p != nil {
		return refuse(p)
	}
	size := s.cfg.MaxBody // of a body that does not say
	if r.ContentLength >= 0 {
		size = min(size, r.ContentLength)
	}
	if !s.room.TryAcquire(size) {
		return busy()
	}
	defer func() { s.room.Release(size) }()
	body, p := s.readBody(w, r)
	if read := int64(len(body)); p == nil && read < size { // it did not say how large it is
		s.room.Release(size - read)
		size = read
	}
	if p != nil {
		return refuse(p)
	}
	batch := incoming{answers: []eventAnswer{}}
	switch mode {
	case modeStructured:
		batch.add(intake.ParseTraced(body, now))
	case modeBinary:
		if p = batch.addBinary(r, body, now); p != nil {
			return refuse(p)
		}
	case modeBatch:
		if p = batch.addBatch(body, s.cfg.MaxBatch, now); p != nil {
			return refuse(p)
		}
	}
	if wait := s.rates.take(allowed.Key, len(batch.answers)-1, now); wait > 0 {
		return refuse(limited(wait + s.rates.one())) // the next request counts anew
	}
	batch.bind(allowed)
	batch.trace(r.Header)
	s.accept(r.Context(), &batch)
	s.metrics.decided(batch.answers)
	return mode, reply(w, batch.answers, mode == modeBatch, s.cfg.RetryAfter)
}

// authenticate returns what the request's token allows.
func (s *Server) authenticate(r *http.Request) (*auth.Grant, *auth.Refusal) {
	if s.verifier == nil {
		return &auth.Grant{}, nil
	}
	return auth.Check(r, s.verifier, auth.EventsWrite)
}

// modeOf tells the CloudEvents mode of a request by its header.
func modeOf(h http.Header) (string, *problem) {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return "", newProblem(http.StatusUnsupportedMediaType, codeMediaType, "Content-Encoding is not supported: send the body as it is.")
	}
	mediaType := strings.ToLower(h.Get("Content-Type"))
	switch cehttp.NewMessage(h, nil).ReadEncoding() {
	case binding.EncodingStructured:
		return modeStructured, nil
	case binding.EncodingBatch:
		return modeBatch, nil
	case binding.EncodingBinary:
		return modeBinary, nil
	}
	for name := range h {
		if strings.HasPrefix(name, "Ce-") { // binary mode, of no version that the SDK knows
			return modeBinary, nil
		}
	}
	detail := "The Content-Type must be " + intake.MediaType + " or " + intake.MediaTypeBatch + ", or the attributes must come as ce- headers (binary mode)."
	if strings.HasPrefix(mediaType, "application/json") {
		detail = "application/json does not say that the body is a CloudEvent. " + detail
	}
	return "", newProblem(http.StatusUnsupportedMediaType, codeMediaType, detail)
}

// readBody reads the body, up to its limit.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	tooLarge := newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("The body is larger than %d bytes.", s.cfg.MaxBody))
	if r.ContentLength > s.cfg.MaxBody {
		w.Header().Set("Connection", "close") // the body is not read: the connection cannot go on
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody))
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit):
		return nil, tooLarge
	case err != nil:
		return nil, newProblem(http.StatusBadRequest, codeBodyUnreadable, "The body ended early or came too slowly.")
	}
	return body, nil
}

// incoming is the events of one request: an answer for each, and those that go on.
type incoming struct {
	answers []eventAnswer
	items   []Item
	index   []int // of each item, its answer's
	faults  int   // listed in the answers
}

// maxFaults bounds the faults that an answer lists, beside the first of each event: a
// batch of nothing but faults would else be answered with many times what it holds.
const maxFaults = 1000

func (in *incoming) add(e *callback.Event, t intake.Tracing, refusal *intake.Refusal) {
	i := len(in.answers)
	if refusal != nil {
		p := refused(refusal, i)
		if room := max(1, maxFaults-in.faults); len(p.Errors) > room {
			more := len(p.Errors) - room
			p.Errors = append(p.Errors[:room], fieldError{"event", fmt.Sprintf("has %d faults more, which are not listed", more), i})
		}
		in.faults += len(p.Errors)
		in.answers = append(in.answers, eventAnswer{Index: i, ID: refusal.ID, Source: refusal.Source, Status: p.Status, Problem: p})
		return
	}
	in.answers = append(in.answers, eventAnswer{Index: i, ID: e.ID, Source: e.Source, Status: http.StatusAccepted})
	in.items = append(in.items, Item{Event: e, Tracing: t})
	in.index = append(in.index, i)
}

func (in *incoming) addBatch(body []byte, limit int, now time.Time) *problem {
	elements, refusal := intake.Split(body, limit)
	if refusal != nil {
		return refused(refusal, 0)
	}
	if len(elements) > limit {
		return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("The batch holds more than %d events.", limit))
	}
	for _, element := range elements {
		in.add(intake.ParseTraced(element, now))
	}
	return nil
}

func (in *incoming) addBinary(r *http.Request, body []byte, now time.Time) *problem {
	header, refusal := binaryHeader(r.Header)
	if refusal != nil {
		in.add(nil, intake.Tracing{}, refusal)
		return nil
	}
	e, t, refusal, err := intake.ParseBinary(r.Context(), cehttp.NewMessage(header, io.NopCloser(bytes.NewReader(body))), now)
	if err != nil {
		return newProblem(http.StatusBadRequest, codeBodyUnreadable, "The message could not be read.")
	}
	in.add(e, t, refusal)
	return nil
}

// bind holds every event to the tenant of the token, if it has one: an event that
// names none gets it, one that names another is refused.
func (in *incoming) bind(g *auth.Grant) {
	if g.Tenant == 0 {
		return
	}
	kept := 0
	for n, item := range in.items {
		i := in.index[n]
		switch id := item.Event.TenantDBID; {
		case id == nil:
			tenant := g.Tenant
			item.Event.TenantDBID = &tenant
		case *id != g.Tenant:
			p := newProblem(http.StatusForbidden, codeOtherTenant, "The event was not accepted.")
			p.Errors = []fieldError{{"tenantdbid", "names another tenant than the token is bound to", i}}
			in.answers[i].Status, in.answers[i].Problem = p.Status, p
			continue
		}
		in.items[kept], in.index[kept] = item, i
		kept++
	}
	in.items, in.index = in.items[:kept], in.index[:kept]
}

// trace prefers the trace that the request belongs to over the one that its events
// began in: it is the later span of the two.
func (in *incoming) trace(h http.Header) {
	parent := h.Get("Traceparent")
	if parent == "" || len(parent) > 512 {
		return
	}
	state := strings.Join(h.Values("Tracestate"), ",")
	if len(state) > 512 {
		state = ""
	}
	for i := range in.items {
		in.items[i].Tracing = intake.Tracing{Parent: parent, State: state}
	}
}

// accept writes the events that may go on, and notes the fate of each.
func (s *Server) accept(ctx context.Context, in *incoming) {
	if len(in.items) == 0 {
		return
	}
	// A client that leaves does not take its events back: the fate is waited for all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.AckTimeout)
	defer cancel()
	s.metrics.waiting.Add(float64(len(in.items)))
	defer s.metrics.waiting.Sub(float64(len(in.items)))
	start := s.now()
	var trouble error
	for n, fate := range s.accepter.Accept(ctx, in.items) {
		a := &in.answers[in.index[n]]
		if fate.Err == nil { // invariant 1: only what Kafka has acknowledged is accepted
			a.Partition, a.Offset = &fate.Partition, known(fate.Offset)
			continue
		}
		a.Problem = failed(fate.Err, s.cfg.AckTimeout)
		a.Status = a.Problem.Status
		if a.Status >= http.StatusInternalServerError && trouble == nil {
			trouble = fate.Err
		}
	}
	s.metrics.acknowledgment.Observe(s.now().Sub(start).Seconds())
	s.trouble(trouble)
}

// known is the offset, or nil where the broker no longer knows it.
func known(offset int64) *int64 {
	if offset < 0 {
		return nil
	}
	return &offset
}
