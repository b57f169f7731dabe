// Package parity holds the services, as processes of their own on a real Apache Kafka, PostgreSQL and schema registry,
// against `ringback run --once`, which runs the same code on embedded parts: the same events must come to the same
// UserEvents, attached data, facts, custom data, discards, dead letters and messages to T-Server.
//
// What may differ is only what says where a record lay, and when and by whom it was written: offsets, the time of
// arrival, keys that the store gives out, reference ids. Each is left out where the contents are read, with its reason.
package parity
