package callback

import (
	"maps"
	"slices"
	"strings"
)

// ParameterPrefix begins the name of every reporting parameter.
const ParameterPrefix = "_cb_"

// ValidateParameters checks the request's parameters, which Validate does not:
// the producer refuses a bad one, whereas in a record that came another way it is
// ignored and counted. A _cb_ name that is no reporting parameter is kept.
func (e *Event) ValidateParameters() []Fault {
	var v validator
	m := e.Data.Parameters
	if len(m) > MaxParameters {
		v.faultf("parameters", "are %d, at most %d are allowed", len(m), MaxParameters)
		return v.faults
	}
	for _, name := range sortedKeys(m) {
		v.parameter(name, m[name])
	}
	return v.faults
}

func (v *validator) parameter(name, text string) {
	field := "parameters." + ShowName(name)
	if r := textReason(name, MaxText); r != "" {
		v.fault(field, "has a name that "+r)
		return
	}
	if !strings.HasPrefix(name, ParameterPrefix) {
		v.fault(field, "is no reporting parameter: their names begin with "+ParameterPrefix)
		return
	}
	k, known := KVPByParameter(name)
	if !known || k.Info().Kind == String {
		v.text(field, &text)
		return
	}
	value, ok := k.ParseParameter(text)
	switch kind := k.Info().Kind; {
	case !ok:
		v.fault(field, "must be "+kindNames[kind])
	case kind == Timestamp && value.Int > MaxSeconds:
		v.fault(field, reasonAfter2038)
	case value.Int < MinInt || value.Int > MaxInt:
		v.faultf(field, "lies outside %d to %d, the range of the Info Mart's 32-bit columns", MinInt, MaxInt)
	}
}

var kindNames = [...]string{
	Integer:   "an integer in decimal",
	Count:     "a number in decimal, not negative",
	Flag:      "0 or 1",
	Seconds:   "whole seconds in decimal, not negative",
	Timestamp: "epoch seconds, or 13-digit epoch milliseconds, in decimal",
}

func sortedKeys(m map[string]string) []string {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}
