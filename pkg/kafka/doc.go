// Package kafka is the one Kafka client of the services. It wraps kafka-go's
// Transport and ConsumerGroup, never its Reader (which delivers aborted records)
// nor its Writer (which writes twice when an answer is lost).
//
//   - Producer writes idempotently with acks=all: what it reports as written is durable
//     (invariant 1), and a lost answer never makes a second copy.
//   - Transactor commits outputs, state and input position in one transaction.
//   - Client.Fetch reads one partition, read-committed by a filter of its own.
//   - Client.RunGroup runs one handler per assigned partition.
//
// Every error has a class of package fault: a broker that is away is an Outage, what an
// operator must change is a Misconfiguration. docs/kafka.md says what differs between brokers.
package kafka
