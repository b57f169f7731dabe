// Package intake reads lifecycle events as applications send them: CloudEvents
// 1.0 in their JSON format, one by one, as a batch or as JSON Lines, and in the
// binary mode of a transport.
//
// It is strict, since what is misread here is wrong in every report after it: a
// field that is misspelt, twice there or of another type is refused by name. A
// Refusal lists every fault of its event, not the first alone, and shows no value
// that could be personal (invariant 10).
package intake
