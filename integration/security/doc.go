// Package security tests what a cluster with TLS, SASL and ACLs asks of the services, on a real Apache
// Kafka: scripts/kafka-secure-up starts one, and RINGBACK_KAFKA_SECURE names its run directory.
//
//	scripts/kafka-secure-up
//	cd integration && GOWORK=off RINGBACK_KAFKA_SECURE=$PWD/../.cache/kafka/secure go test -tags realkafka -run Real ./security
package security
