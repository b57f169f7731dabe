// Command benchpipeline measures the services on a real Kafka and a real PostgreSQL.
//
// A comparison has a baseline, which is the least that could do the same work, and subjects, which
// are the services. Its arms run in turn, round by round, each from a clean start: baseline,
// subjects, baseline again. Only ratios within a round count, for what else the machine does changes
// from minute to minute; the two baselines of a round, held against each other, say how far such a
// ratio can be trusted (the A/A control). Reported is the median over the rounds. An arm that did
// not do what it should, by a count of the rows or records that are there afterwards, is an error.
//
// scripts/bench-pipeline starts the parts and runs it. To add a comparison, add a function to all.
package main
