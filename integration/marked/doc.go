// Package marked sends values that stand for phone numbers, tokens and passwords through every service and looks for
// them in all that was written outside the data path (invariant 10): logs, metrics, spans, health, answers to requests, the
// reasons of dead letters and discards, what the operator's commands print.
//
// The data path is what the values are for: the values of the topics and the dead letters' copies of records, the facts
// and the custom data, the T-Server's log. What identifies an event is written by design, and not marked: id, source,
// subject and type of a CloudEvent, the key of a record, the name of a field.
package marked
