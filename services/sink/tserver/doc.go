// Package tserver has UserEvents distributed on the reporting DN, and attached data
// put on calls, by way of a T-Server gateway.
//
// Invariant 8: a UserEvent goes to T-Server at least once, in order within a session,
// and is recorded as sent only on its acknowledgement. The ledger is written before a
// batch is sent (SENDING) and after it (ACKED and the other outcomes, with the
// position, in one transaction). What a crash leaves SENDING is sent again, and its
// attempts tell why T-Server may have it twice; what has ended is not sent again.
package tserver
