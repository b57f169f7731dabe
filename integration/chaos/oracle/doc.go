// Package oracle says what must have become of events, by its own reading of the topics, the store and T-Server's log:
// with another Kafka client than the services', and with the reference implementation of the fold beside the
// enricher's own rules.
package oracle
