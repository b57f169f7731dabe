// Package consume is the loop by which a sink works through one partition. It knows
// nothing of brokers or databases: it reads a Log, hands batches to a Handler, and
// keeps the rules that every sink has in common.
//
//   - The position lives in the sink's store. It says where to go on, never the
//     group's offset, and it moves in the transaction of its effects (invariants 4, 5).
//   - On assignment the last record applied is read again. Another record in its
//     place, or a position past the end of the log, means that the topic was made
//     anew: the partition stops and says so (ErrPosition).
//   - An outage, wherever it happens, is waited out; nothing is dead-lettered and no
//     position moves (invariant 7).
//   - A record that cannot be decoded is set aside with its reason, and its
//     neighbours go on; where most of a partition cannot be decoded, the partition
//     is paused until an operator accepts it (invariant 7, package poison).
//   - Every record of a batch is counted once: applied, already applied or
//     dead-lettered; a batch that does not add up is a bug and stops the sink (invariant 2).
package consume
