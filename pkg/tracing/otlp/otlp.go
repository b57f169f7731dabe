// Package otlp sends a process's spans to an OpenTelemetry collector. It brings OpenTelemetry's SDK in, so
// that only the main packages of the services import it.
package otlp

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/tracing"
)

// stopTimeout bounds the sending of the last spans: a collector that is away must not hold up the end.
const stopTimeout = 5 * time.Second

// Start returns the tracer of the process, and how its last spans are sent. Where env names no endpoint the
// tracer is nil. OTEL_EXPORTER_OTLP_HEADERS_FILE is ours; the other OTEL_* variables are OpenTelemetry's own,
// which its SDK reads by itself.
func Start(ctx context.Context, env map[string]string, service, version string, logger *slog.Logger) (*tracing.Tracer, func(), error) {
	if !asked(env) {
		return nil, func() {}, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := env[name]; p != "" && p != "http/protobuf" {
			return nil, nil, fault.Misconfigf("%s: spans are sent by http/protobuf alone, is %q", name, p)
		}
	}
	options, err := headers(env)
	if err != nil {
		return nil, nil, err
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, nil, fault.Misconfigf("otlp: %w", err)
	}
	// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, nil, fault.Misconfigf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(&trouble{logger: logger})
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return tracing.New(provider), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			logger.Warn("the last spans were not sent", "error", err)
		}
	}, nil
}

// headers are those of the file, which is as OTEL_EXPORTER_OTLP_HEADERS: name=value, separated by commas, percent-
// encoded. They hold the collector's secret, which no variable need (invariant 10).
func headers(env map[string]string) ([]otlptracehttp.Option, error) {
	const name = "OTEL_EXPORTER_OTLP_HEADERS_FILE"
	path := env[name]
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Misconfigf("%s: %w", name, err)
	}
	all := map[string]string{}
	for i, pair := range strings.Split(strings.TrimSpace(string(text)), ",") {
		key, value, ok := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
			return nil, fault.Misconfigf("%s: header %d is not of the form name=value, percent-encoded", name, i+1)
		}
		all[key] = decoded
	}
	return []otlptracehttp.Option{otlptracehttp.WithHeaders(all)}, nil
}

func asked(env map[string]string) bool {
	if strings.EqualFold(env["OTEL_SDK_DISABLED"], "true") || strings.EqualFold(env["OTEL_TRACES_EXPORTER"], "none") {
		return false
	}
	return env["OTEL_EXPORTER_OTLP_ENDPOINT"] != "" || env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] != ""
}

// trouble logs why spans are not sent, once for each reason: a collector that is away is no one's outage.
type trouble struct {
	logger *slog.Logger
	mu     sync.Mutex
	last   string
}

// Handle implements [otel.ErrorHandler].
func (t *trouble) Handle(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := err.Error(); text != t.last {
		t.last = text
		t.logger.Warn("spans are not sent", "error", err)
	}
}
