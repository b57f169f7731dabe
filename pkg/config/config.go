// Package config loads configuration from the environment by go-envconfig and
// names all its faults at once: variables that are missing or malformed, values
// that do not fit together, and names that nothing reads, which are misspelt ones.
package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"

	"github.com/ringback/ringback/pkg/fault"
)

// Validator is a configuration whose values are checked together.
type Validator interface {
	// Validate returns every fault; each names its variable.
	Validate() []error
}

// Environment is where variables come from: names to values.
type Environment map[string]string

// OS returns the process's environment.
func OS() Environment {
	env := Environment{}
	for _, kv := range os.Environ() {
		if name, value, ok := strings.Cut(kv, "="); ok {
			env[name] = value
		}
	}
	return env
}

// Load fills the targets, which are pointers to structs with env tags. prefixes are
// those of the variables that belong to this program, such as ENRICHER_: one that no
// target reads is a fault. The error is a misconfiguration that lists every fault.
func Load(ctx context.Context, env Environment, prefixes []string, targets ...any) error {
	var faults []error
	known := map[string]bool{}
	for _, target := range targets {
		v := reflect.ValueOf(target).Elem()
		faults = append(faults, fields(ctx, env, "", v, known)...)
	}
	if len(faults) == 0 {
		for _, target := range targets {
			if c, ok := target.(Validator); ok {
				faults = append(faults, c.Validate()...)
			}
		}
	}
	faults = append(faults, misspelt(env, prefixes, known)...)
	if len(faults) == 0 {
		return nil
	}
	return fault.Misconfigf("configuration: %w", errors.Join(faults...))
}

// fields loads each field by itself, since go-envconfig stops at the first fault.
func fields(ctx context.Context, env Environment, prefix string, v reflect.Value, known map[string]bool) []error {
	var faults []error
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("env"), ",")
		name = strings.TrimSpace(name)
		switch {
		case name == "-" || !f.IsExported():
			continue
		case name == "" && f.Type.Kind() == reflect.Struct:
			faults = append(faults, fields(ctx, env, prefix+option(options, "prefix"), v.Field(i), known)...)
			continue
		case name == "":
			continue
		}
		known[prefix+name] = true
		one := reflect.New(reflect.StructOf([]reflect.StructField{{Name: f.Name, Type: f.Type, Tag: f.Tag}}))
		lookup := envconfig.PrefixLookuper(prefix, envconfig.MapLookuper(env))
		if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: one.Interface(), Lookuper: lookup}); err != nil {
			faults = append(faults, fmt.Errorf("%s%s: %s", prefix, name, reason(f, err)))
			continue
		}
		v.Field(i).Set(one.Elem().Field(0))
	}
	return faults
}

// option returns the value of an option of an env tag, such as prefix=KAFKA_.
func option(options, name string) string {
	for o := range strings.SplitSeq(options, ",") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(o), name+"="); ok {
			return value
		}
	}
	return ""
}

// reason says what is wrong without repeating the value, which may be a secret.
func reason(f reflect.StructField, err error) string {
	if errors.Is(err, envconfig.ErrMissingRequired) {
		return "is required"
	}
	return "must be " + shape(f.Type)
}

func shape(t reflect.Type) string {
	switch {
	case t.PkgPath() == "time" && t.Name() == "Duration":
		return "a duration such as 5s or 10m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "an integer"
	case t.Kind() == reflect.Slice:
		return "a list of values, each " + strings.TrimPrefix(shape(t.Elem()), "must be ") + ", separated by commas"
	case t.Kind() == reflect.Map:
		return "a list of name:value pairs, separated by commas"
	default:
		return "of the form its documentation gives"
	}
}

// misspelt names variables with a prefix of ours that nothing reads.
func misspelt(env Environment, prefixes []string, known map[string]bool) []error {
	var names []string
	for name := range env {
		if !known[name] && !isServiceLink(name) && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	faults := make([]error, len(names))
	for i, name := range names {
		faults[i] = fmt.Errorf("%s: no such variable%s", name, nearest(name, known))
	}
	return faults
}

// serviceLink is what Kubernetes adds for each Service of the namespace, such as
// KAFKA_SERVICE_HOST or KAFKA_PORT_9092_TCP_ADDR for one named kafka.
var serviceLink = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?$`)

func isServiceLink(name string) bool { return serviceLink.MatchString(name) }

// nearest suggests the known name that differs least.
func nearest(name string, known map[string]bool) string {
	best, at := "", len(name)/3+1
	for k := range known {
		if d := distance(name, k); d < at || d == at && best != "" && k < best {
			best, at = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
