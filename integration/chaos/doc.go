// Package chaos holds the test that kills. Events go to producers over HTTP while every process, broker and database
// is killed with SIGKILL and started again, frozen, cut off and rebalanced, at random by a seed that is printed and
// can be set. At the end an oracle of its own says what must have come of the events. scripts/chaos runs it.
package chaos
