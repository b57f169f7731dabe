// Package guide holds docs/infomart-reader.md to its word: every query in it runs on a store that the sample scenario
// has filled, on SQLite and on PostgreSQL, and gives what the guide says.
package guide
