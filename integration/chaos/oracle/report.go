package oracle

import (
	"fmt"
	"maps"
	"slices"
)

// Findings collects what differs. It keeps the first of each check and counts the rest.
type Findings struct {
	list   []string
	counts map[string]int
	checks []string
}

// kept is how many findings of a check are printed.
const kept = 20

// Check begins a check, of which Add then collects what differs.
func (f *Findings) Check(name string) func(format string, args ...any) {
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	f.checks = append(f.checks, name)
	return func(format string, args ...any) {
		if f.counts[name]++; f.counts[name] <= kept {
			f.list = append(f.list, name+": "+fmt.Sprintf(format, args...))
		}
	}
}

// List is what differs, and for each check how much more.
func (f *Findings) List() []string {
	list := f.list
	for _, name := range f.checks {
		if n := f.counts[name]; n > kept {
			list = append(list, fmt.Sprintf("%s: %d in all", name, n))
		}
	}
	return list
}

// Checks lists the checks that were made, with the number of findings of each.
func (f *Findings) Checks() (names []string, counts map[string]int) { return f.checks, f.counts }

// Compared checks that there was something to compare, of each kind: what holds of nothing is not known to hold.
func (f *Findings) Compared(numbers map[string]int) {
	nothing := f.Check("every check had something to compare")
	for _, what := range slices.Sorted(maps.Keys(numbers)) {
		if numbers[what] <= 0 {
			nothing("%s: none", what)
		}
	}
}
