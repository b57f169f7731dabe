package pipeline_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/tracing"
	"github.com/ringback/ringback/services/ringback/pipeline"
)

// One trace goes from the HTTP request through Kafka to the row and to T-Server: the request's span is
// the sender's child, and the batches that the event and its UserEvents were in are linked with it.
func TestOneTraceFromRequestToRow(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	settings, err := pipeline.LoadSettings(t.Context(), config.Environment{})
	require.NoError(t, err)
	p, err := pipeline.Start(t.Context(), pipeline.Config{
		Dir: t.TempDir(), Addr: "127.0.0.1:0", Partitions: 2, Settings: settings, Tracer: tracing.New(provider),
	})
	require.NoError(t, err)
	stop := sync.OnceValue(p.Stop)
	t.Cleanup(func() { require.NoError(t, stop()) })

	const trace, number = "4bf92f3577b34da6a3ce929d0e0e4736", "5550142317"
	now := time.Now().UTC()
	var events []string
	for i, e := range []string{
		`"callback.offered","data":{"customer_ani":"` + number + `"}`,
		`"callback.offer_accepted","data":{}`,
		`"callback.requested","data":{"callback_type":"WAIT_FOR_AGENT","service_name":"sales","customer_number":"` + number + `","virtual_queue":{"name":"VQ"}}`,
		`"callback.queued","data":{"virtual_queue":{"name":"VQ"}}`,
		`"callback.cancelled","data":{}`,
	} {
		events = append(events, fmt.Sprintf(`{"specversion":"1.0","id":"e%d","source":"/test","subject":"s","time":%q,"type":%s}`,
			i, now.Add(time.Duration(i-10)*time.Second).Format(time.RFC3339), e))
	}
	token, err := os.ReadFile(p.Paths.Token)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.Addr().String()+"/v1/events", strings.NewReader("["+strings.Join(events, ",")+"]"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/cloudevents-batch+json")
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Less(t, res.StatusCode, 300)
	require.NoError(t, p.Drain(ctx, true))
	// A batch's span ends behind its position, which is all that Drain waits for.
	require.NoError(t, stop())

	ended := spans.GetSpans()
	child, linked := map[string]int{}, map[string]int{}
	parents := map[string]string{}
	for _, s := range ended {
		if s.SpanContext.TraceID().String() == trace {
			child[s.Name]++
		}
		for _, l := range s.Links {
			if l.SpanContext.TraceID().String() == trace {
				linked[s.Name]++
			}
		}
		parents[s.SpanContext.SpanID().String()] = s.Name
	}
	require.Equal(t, 1, child["POST /v1/events"], "the request is the sender's child")
	require.Equal(t, 1, child["send callback.lifecycle.v1"])
	require.Positive(t, linked["enrich"], "spans: %v", parents)
	require.Positive(t, linked["sink infomart"], "the row's batch")
	require.Positive(t, linked["sink tserver"])
	below := map[string]string{}
	for _, s := range ended {
		if s.Parent.IsValid() {
			below[s.Name] = parents[s.Parent.SpanID().String()]
		}
	}
	require.Equal(t, "enrich", below["commit transaction"])
	require.Equal(t, "sink infomart", below["apply"])
	require.Equal(t, "sink tserver", below["gateway: distribute user event"])

	// Invariant 10: no span tells what an event held.
	for _, s := range ended {
		text := s.Name + s.Status.Description
		for _, a := range append(append([]attribute.KeyValue{}, s.Attributes...), s.Resource.Attributes()...) {
			text += " " + a.Value.String()
		}
		require.NotContains(t, text, number)
		require.NotContains(t, text, "sales")
	}
}
