// Package broker is the Kafka broker that runs inside `ringback run`: kfake with a data directory.
// It is one process without replicas, for a person's first look and for tests; services reach it
// over TCP as they do any other broker.
//
// # What survives
//
// The death of the process, kill -9 included: every acknowledged record, every committed
// transaction with its group offsets, all or nothing; no aborted one; and the sequence numbers by
// which a batch that is sent again is recognised. Transactions that were open are aborted and their
// producers fenced. All of it lies in the operating system's page cache by then.
//
// A power cut or a crash of the machine may lose what the system had not yet written to the disk,
// typically the last 30 s, and not the same of every file: the data directory may then have to be
// removed. With Config.SyncWrites each batch is on the disk before it is acknowledged.
//
// A full disk: nothing that was acknowledged is lost. While less than Config.MinFree is free, whatever
// writes is refused with errors that clients take for an outage, and taken again when there is room.
// Should a write fail all the same, the broker stops at once: Failed tells it (guard.go).
//
// kfake alone does not give that: it ends a transaction partition by partition, forgets which were
// open when it is killed twice, and compacts by deleting first and writing afterwards. So this
// package notes the decision to commit before kfake acts on it (journal.go), repairs the directory
// before kfake opens it after an unclean end (repair.go), and compacts only while nobody is
// connected, beside a copy (compact.go). The formats are those of the kfake version in go.mod, to
// which tests hold them.
package broker
