// Package tracing makes spans and hands W3C trace context on. It knows OpenTelemetry's API alone: what
// becomes of the spans is decided where a process begins (package otlp). Without a tracer there are none,
// and nothing is spent on them.
//
// Attributes and errors hold no value of an event (invariant 10): of an error only its class is recorded.
package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ringback/ringback/pkg/fault"
)

// The headers of W3C Trace Context, in HTTP and on Kafka.
const (
	Parent = "traceparent"
	State  = "tracestate"
)

// scope names the spans' origin.
const scope = "github.com/ringback/ringback"

// Tracer begins the spans of a service; nil begins none.
type Tracer struct{ tracer trace.Tracer }

// New returns a tracer; a nil provider gives a nil one.
func New(p trace.TracerProvider) *Tracer {
	if p == nil {
		return nil
	}
	return &Tracer{p.Tracer(scope)}
}

// Span is one piece of work; nil is none.
type Span struct{ span trace.Span }

// End ends the span as err says.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		class := fault.ClassOf(err).String()
		s.span.SetStatus(codes.Error, class)
		s.span.SetAttributes(attribute.String("error.type", class))
	}
	s.span.End()
}

// Set adds attributes: names and numbers of ours, never a value of an event (invariant 10).
func (s *Span) Set(attributes ...attribute.KeyValue) {
	if s != nil {
		s.span.SetAttributes(attributes...)
	}
}

// Request begins the span of a request. What the request says of its trace is replaced by the span, which
// is the later of the two, so that whoever hands the request's trace on hands on the span.
func (t *Tracer) Request(r *http.Request, route string) (*http.Request, *Span) {
	if t == nil {
		return r, nil
	}
	w3c := propagation.TraceContext{}
	ctx := w3c.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, method(r.Method)+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method(r.Method)), attribute.String("http.route", route)))
	r = r.Clone(ctx)
	r.Header.Del(State)
	w3c.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return r, &Span{span}
}

// Answered ends the span of a request with the status that was answered.
func (s *Span) Answered(status int) {
	if s == nil {
		return
	}
	s.span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// Inject hands the span in ctx on in the headers of a request, where it is recorded.
func Inject(ctx context.Context, h http.Header) {
	if trace.SpanFromContext(ctx).IsRecording() {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	}
}

// method is the method, or _OTHER: it is the sender's word.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
		return m
	}
	return "_OTHER"
}

// Start begins a span below the one in ctx, where that is recorded; else there is none.
func Start(ctx context.Context, name string, kind trace.SpanKind, attributes ...attribute.KeyValue) (context.Context, *Span) {
	above := trace.SpanFromContext(ctx)
	if !above.IsRecording() {
		return ctx, nil
	}
	ctx, span := above.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
	return ctx, &Span{span}
}
