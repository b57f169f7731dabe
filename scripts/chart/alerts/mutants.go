package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// mutations break a rule, each in a way of its own.
var mutations = map[string]func(*rulefmt.Rule){
	"never fires":      func(r *rulefmt.Rule) { r.Expr = "(" + r.Expr + ") and on () vector(0) > 1" },
	"always fires":     func(r *rulefmt.Rule) { r.Expr, r.For = "vector(1)", 0 },
	"fires a day late": func(r *rulefmt.Rule) { r.For += model.Duration(24 * time.Hour) },
	"has no runbook":   func(r *rulefmt.Rule) { r.Annotations = map[string]string{"summary": r.Annotations["summary"]} },
	"is not severe":    func(r *rulefmt.Rule) { r.Labels = map[string]string{"severity": "info"} },
}

// mutants breaks one rule at a time and returns those that the tests do not find.
func mutants(name string) (faults []error) {
	f, err := read(name)
	if err != nil {
		return []error{err}
	}
	all, err := f.load(filepath.Dir(name))
	if err != nil {
		return []error{err}
	}
	// promtool takes a test that expects nothing of an alert that is not there for passed.
	for _, t := range f.Tests {
		for _, e := range t.Alerts {
			if !slices.ContainsFunc(all, func(r rulefmt.Rule) bool { return r.Alert == e.Name }) {
				faults = append(faults, fmt.Errorf("%s: no alert %s", t.Name, e.Name))
			}
		}
	}
	for i, r := range all {
		for _, how := range slices.Sorted(maps.Keys(mutations)) {
			broken := r
			mutations[how](&broken)
			if !f.finds(broken) {
				faults = append(faults, fmt.Errorf("%s: the tests pass although it %s", all[i].Alert, how))
			}
		}
	}
	fmt.Println(len(all)*len(mutations), "broken rules")
	return faults
}

// finds tells whether a test fails with that rule.
func (f file) finds(broken rulefmt.Rule) bool {
	for _, t := range f.Tests {
		t.Alerts = slices.DeleteFunc(slices.Clone(t.Alerts), func(e expectation) bool { return e.Name != broken.Alert })
		if len(t.Alerts) > 0 && one(f, t, []rulefmt.Rule{broken}) != nil {
			return true
		}
	}
	return false
}
