// Package stack puts the whole pipeline together out of processes: real Kafka brokers and a real PostgreSQL behind
// fault-injecting proxies, a schema registry, the simulated T-Server, and the services, several of each.
package stack
