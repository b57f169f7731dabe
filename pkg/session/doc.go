// Package session holds the rules by which a session's lifecycle events become
// UserEvents: what is applied, what is a duplicate, and when START, FINAL, a
// correction, a time-out and attached data are due.
//
// The rules know two clocks and never mix them. Event time orders the fold and
// fills the KVPs. The partition's clock, which is the largest timestamp read from
// it, drives every deadline; so the log alone decides, live and in a replay
// (invariant 3). Nothing here reads the wall clock.
package session
