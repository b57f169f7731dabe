// Package foldtest is a second reading of the derivation rules, written from their
// text alone, to hold package fold and everything behind it against.
//
// Nothing here is fast. Each KVP is one small function that reads like its rule and
// looks through the whole session again; a rule that names another KVP works it out
// anew. Events are plain maps, so that a field mixed up on the way from JSON to the
// fold shows as well. No code is shared with package fold.
//
// [Session] is what a set of events says, [Replay] the UserEvents that one import of
// them makes, [Lifecycle] and [Soup] draw sessions for property tests.
package foldtest
