// Command mutation asks whether the tests on real brokers hold the invariants. Each file of patches/ is a mutant: it
// takes away a line that enforces an invariant. The named test must pass without the patch and fail with it. A patch
// that no longer applies, does not compile or names no test is a fault of its own: the list cannot rot unseen.
//
// scripts/mutants starts the parts that the tests need and runs it; docs/invariants.md says which line each mutant
// takes away, and what the last run found.
package main
