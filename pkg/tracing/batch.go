package tracing

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// MaxLinks bounds the links of a batch's span: the traces of its first records.
const MaxLinks = 64

// Headed is what a record tells of its headers.
type Headed[T any] interface {
	*T
	Header(key string) ([]byte, bool)
}

// Batch begins the span of work on records that belong to many traces: it is none's child, and linked
// with those that the records carry, each once, up to [MaxLinks] of them.
func Batch[T any, R Headed[T]](ctx context.Context, t *Tracer, name string, records []T, attributes ...attribute.KeyValue) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	var links []trace.Link
	type span struct {
		trace trace.TraceID
		span  trace.SpanID
	}
	seen := map[span]bool{}
	for i := range records {
		if len(links) == MaxLinks {
			break
		}
		parent, state := Carried(R(&records[i]).Header)
		if parent == nil {
			continue
		}
		carrier := propagation.MapCarrier{Parent: string(parent), State: string(state)}
		c := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
		key := span{c.TraceID(), c.SpanID()}
		if !c.IsValid() || seen[key] {
			continue
		}
		seen[key] = true
		links = append(links, trace.Link{SpanContext: c})
	}
	attributes = append(attributes, attribute.Int("messaging.batch.message_count", len(records)))
	ctx, begun := t.tracer.Start(ctx, name, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(links...), trace.WithAttributes(attributes...))
	return ctx, &Span{begun}
}

// Messaging are the attributes of work on one partition of a topic.
func Messaging(operation, topic string, partition int32) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("messaging.system", "kafka"), attribute.String("messaging.operation.type", operation),
		attribute.String("messaging.destination.name", topic), attribute.String("messaging.destination.partition.id", strconv.Itoa(int(partition))),
	}
}
