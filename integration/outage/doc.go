// Package outage holds the tests of invariant 7 on real parts: brokers, PostgreSQL, the schema registry or T-Server
// away for a while under load, killed or frozen; more load meanwhile than a producer
// has room for; and data that is bad. scripts/outage runs them.
package outage
