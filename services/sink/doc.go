// Package sink reads UserEvents from Kafka and takes them where they are wanted.
// There are two sinks, each a consumer group of its own, so that one that is held up
// never holds up the other:
//
//   - infomart writes facts, dimensions and ICON rows into the Info Mart-shaped store.
//   - tserver has UserEvents distributed and attached data put on calls by T-Server.
//
// The loop over one partition is package consume; what is done with its records is in
// the packages facts and tserver. docs/sinks.md is for whoever operates them.
package sink
