// Package producer is the intake service: it takes lifecycle events over HTTP as
// CloudEvents 1.0, and answers 202 only once Kafka has acknowledged them with
// acks=all (invariant 1). schemas/openapi/producer.yaml is its contract, which it
// serves and which a test holds against the handlers.
//
// Accepter is the same path without HTTP, for events that come from a file.
package producer
