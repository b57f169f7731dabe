// Package enricher folds each session's lifecycle events into the KVPs that Info
// Mart knows. It reads callback.lifecycle.v1, keeps a session's state in the
// compacted topic callback.sessions.v1, and writes UserEvents and attached data.
//
// Outputs, state and input position of a batch go in one transaction per partition,
// under a transactional id of that partition, so that a former owner is fenced and
// nothing is applied twice.
package enricher
