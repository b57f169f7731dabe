// Package wire turns the project's values into Kafka records and back.
//
// A record follows the CloudEvents Kafka protocol binding in binary mode: the
// attributes are headers with the prefix ce_, the value is Avro in the Confluent wire
// format. Its key is the service id. Subjects of the registry are named by topic
// ("<topic>-value"); callback.sessions.v1, which holds two shapes, by topic and record
// ("<topic>-<record>").
//
// The same value gives the same bytes, always (invariant 3).
package wire
