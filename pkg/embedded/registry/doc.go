// Package registry is a small schema registry for running everything in one process.
// It speaks the Confluent API as far as the usual clients and serializers need it,
// for Avro, keeps what it has in one file, and really checks compatibility.
//
// The directory belongs to one process at a time; whoever starts the registry sees to
// that, as for the embedded broker beside it.
//
// It survives a kill at any moment, and a power cut where the file system keeps its
// word on fsync: every change is written to a new file, synced and renamed over the
// old one before it is answered.
package registry
