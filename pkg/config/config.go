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

// Validator is a configuration whose values are checked together. It checks what it holds, too.
type Validator interface {
	// Validate returns every fault; each begins with the name of its variable and a colon.
	Validate() []error
}

// faulty is a Validator whose Validate returns them joined.
type faulty interface{ Faults() []error }

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

// Load fills the targets, which are pointers to structs with env tags, and has them and what they
// hold validated. prefixes are those of the variables that belong to this program, such as ENRICHER_:
// one that no target reads is a fault. The error is a misconfiguration that lists every fault.
//
// A variable that is empty is as one that is not set. A secret X may also be in the file that X_FILE
// names.
func Load(ctx context.Context, env Environment, prefixes []string, targets ...any) error {
	l := loader{env: env, known: map[string]bool{}, faulted: map[string]bool{}}
	for _, target := range targets {
		l.fields(ctx, "", reflect.ValueOf(target).Elem())
	}
	for _, target := range targets {
		l.validate(reflect.ValueOf(target).Elem())
	}
	l.misspelt(prefixes)
	if len(l.faults) == 0 {
		return nil
	}
	return fault.Misconfigf("configuration: %w", errors.Join(l.faults...))
}

type loader struct {
	env     Environment
	known   map[string]bool
	faulted map[string]bool // variables that are at fault
	faults  []error
}

func (l *loader) faultf(name, format string, args ...any) {
	l.faulted[name] = true
	l.faults = append(l.faults, fmt.Errorf(name+": "+format, args...))
}

// fields loads each field by itself, since go-envconfig stops at the first fault.
func (l *loader) fields(ctx context.Context, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("env"), ",")
		name = strings.TrimSpace(name)
		switch {
		case name == "-" || !f.IsExported():
			continue
		case name == "" && f.Type.Kind() == reflect.Struct:
			l.fields(ctx, prefix+option(options, "prefix"), v.Field(i))
			continue
		case name == "":
			continue
		}
		full := prefix + name
		l.known[full] = true
		given := Environment{}
		if value := l.env[full]; value != "" {
			given[full] = value
		}
		if isSecret(f.Type) && !declares(v.Type(), name+fileSuffix) {
			l.fromFile(full, given)
		}
		field, err := one(ctx, f, prefix, given)
		if err != nil {
			l.faultf(full, "%s", reason(f, err))
			// What is validated together with it is to see no zero that nobody gave.
			if field, err = one(ctx, f, prefix, nil); err != nil {
				continue
			}
		}
		v.Field(i).Set(field)
	}
}

// one loads a field of a struct.
func one(ctx context.Context, f reflect.StructField, prefix string, env Environment) (reflect.Value, error) {
	alone := reflect.New(reflect.StructOf([]reflect.StructField{{Name: f.Name, Type: f.Type, Tag: f.Tag}}))
	lookup := envconfig.PrefixLookuper(prefix, envconfig.MapLookuper(env))
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: alone.Interface(), Lookuper: lookup}); err != nil {
		return reflect.Value{}, err
	}
	return alone.Elem().Field(0), nil
}

// validate has v validated, or, where it cannot, what it holds. A variable has one fault: what else is
// found follows from the first.
func (l *loader) validate(v reflect.Value) {
	var found []error
	switch c := v.Addr().Interface().(type) {
	case Validator:
		found = c.Validate()
	case faulty:
		found = c.Faults()
	default:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Type.Kind() == reflect.Struct {
				l.validate(v.Field(i))
			}
		}
	}
	told := map[string]bool{}
	for _, err := range found {
		name, _, _ := strings.Cut(err.Error(), ":")
		if !l.faulted[name] {
			told[name] = true
			l.faults = append(l.faults, err)
		}
	}
	for name := range told { // it may have told several of one
		l.faulted[name] = true
	}
}

// option returns the value of an option of an env tag, such as prefix=KAFKA_.
func option(options, name string) string {
	for options != "" {
		o, rest, _ := strings.Cut(options, ",")
		if value, ok := strings.CutPrefix(strings.TrimSpace(o), name+"="); ok {
			if name == "default" && rest != "" { // as go-envconfig has it: a default is the last option, commas and all
				return value + "," + rest
			}
			return value
		}
		options = rest
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
	case t.Kind() == reflect.String, isSecret(t):
		return "a text"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return "texts, separated by commas"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Int:
		return "integers, separated by commas"
	default:
		return "of the form its documentation gives"
	}
}

// misspelt names variables with a prefix of ours that nothing reads.
func (l *loader) misspelt(prefixes []string) {
	var names []string
	for name := range l.env {
		if !l.known[name] && !isServiceLink(name) && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		l.faultf(name, "no such variable%s", nearest(name, l.known))
	}
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
