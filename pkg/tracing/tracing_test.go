package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/tracing"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func traced(t *testing.T) (*tracing.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	return tracing.New(sdk.NewTracerProvider(sdk.WithSyncer(spans))), spans
}

func record(headers ...string) kafka.Record {
	var r kafka.Record
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kafka.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

func TestWithoutATracerThereIsNothing(t *testing.T) {
	t.Parallel()
	none := tracing.New(nil)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Traceparent", parent)
	same, span := none.Request(r, "/")
	require.Same(t, r, same)
	span.Answered(500)
	ctx, span := tracing.Batch(t.Context(), none, "b", []kafka.Record{record(tracing.Parent, parent)})
	span.End(errors.New("no"))
	require.Equal(t, t.Context(), ctx)
	ctx, span = tracing.Start(ctx, "s", trace.SpanKindClient)
	span.Set()
	require.Equal(t, t.Context(), ctx)
	h := http.Header{}
	tracing.Inject(ctx, h)
	require.Empty(t, h)
}

// Invariant 10: of an error the class is told, not the text.
func TestErrorsAreToldByClass(t *testing.T) {
	t.Parallel()
	tracer, spans := traced(t)
	for _, err := range []error{nil, fault.Outagef("call 5550142317"), fmt.Errorf("5550142317")} {
		_, span := tracing.Batch[kafka.Record](t.Context(), tracer, "b", nil)
		span.End(err)
	}
	all := spans.GetSpans()
	require.Equal(t, codes.Unset, all[0].Status.Code)
	require.Equal(t, "outage", all[1].Status.Description)
	require.Equal(t, "bug", all[2].Status.Description)
	require.NotContains(t, fmt.Sprint(all), "5550142317")
}

// A batch is linked with each trace once, up to the bound.
func TestBatchLinks(t *testing.T) {
	t.Parallel()
	tracer, spans := traced(t)
	records := []kafka.Record{
		record(tracing.Parent, parent, tracing.State, "a=b"), record(tracing.Parent, parent), record(), record(tracing.Parent, "no"),
		record("ce_traceparent", strings.Replace(parent, "00f0", "11f0", 1)),
	}
	for i := range 2 * tracing.MaxLinks {
		records = append(records, record(tracing.Parent, fmt.Sprintf("00-%032x-%016x-00", i+1, i+1)))
	}
	above := trace.ContextWithSpanContext(t.Context(), trace.SpanContextFromContext(
		propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{tracing.Parent: parent})))
	_, span := tracing.Batch(above, tracer, "b", records)
	span.End(nil)
	links := spans.GetSpans()[0].Links
	require.Len(t, links, tracing.MaxLinks)
	require.False(t, spans.GetSpans()[0].Parent.IsValid(), "it is none's child")
	require.Equal(t, "a=b", links[0].SpanContext.TraceState().String())
	require.Equal(t, "11f067aa0ba902b7", links[1].SpanContext.SpanID().String())
	require.Equal(t, fmt.Sprintf("%032x", 1), links[2].SpanContext.TraceID().String())
}

func TestRequestReplacesTheTraceByItsSpan(t *testing.T) {
	t.Parallel()
	tracer, spans := traced(t)
	r := httptest.NewRequest("BREW", "/v1/events?ani=5550142317", nil)
	r.Header.Set("Traceparent", parent)
	r.Header.Set("Tracestate", "a=b")
	inner, span := tracer.Request(r, "/v1/events")
	span.Answered(http.StatusServiceUnavailable)
	got := spans.GetSpans()[0]
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", got.SpanContext.TraceID().String())
	require.Equal(t, fmt.Sprintf("00-%s-%s-01", got.SpanContext.TraceID(), got.SpanContext.SpanID()), inner.Header.Get("Traceparent"))
	require.Equal(t, "a=b", inner.Header.Get("Tracestate"))
	require.Equal(t, parent, r.Header.Get("Traceparent"), "the request itself is left alone")
	require.Equal(t, codes.Error, got.Status.Code)
	require.NotContains(t, fmt.Sprint(got), "5550142317")
	require.NotContains(t, fmt.Sprint(got), "BREW")
}

func FuzzCarried(f *testing.F) {
	f.Add(parent, "a=b")
	f.Add(strings.ToUpper(parent), "")
	f.Add("00-"+strings.Repeat("0", 32)+"-00f067aa0ba902b7-01", "")
	f.Add("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x")
	f.Add(parent[:53]+"ff", "")
	f.Add(parent[:53]+"03", "")
	f.Add("", strings.Repeat("a=b,", 300))
	f.Fuzz(func(t *testing.T, p, s string) {
		r := record(tracing.Parent, p, tracing.State, s)
		got, state := tracing.Carried(r.Header)
		c := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{tracing.Parent: p}))
		if got == nil {
			// Later versions of the form are not handed on; else only what is none.
			require.True(t, !c.IsValid() || !strings.HasPrefix(p, "00-"), "%q", p)
			require.Nil(t, state)
			return
		}
		require.Equal(t, p, string(got), "invariant 3: byte for byte")
		require.True(t, c.IsValid())
		if state != nil {
			require.Equal(t, s, string(state))
			_, err := trace.ParseTraceState(s)
			require.NoError(t, err)
		}
	})
}
