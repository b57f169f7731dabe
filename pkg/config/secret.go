package config

import (
	"os"
	"reflect"
	"strings"
)

// fileSuffix makes of a secret's variable the one that names its file.
const fileSuffix = "_FILE"

// isSecret tells whether a type is one that does not print. Packages have their own, called so.
func isSecret(t reflect.Type) bool { return t.Name() == "Secret" }

// declares tells whether a struct reads the variable itself.
func declares(t reflect.Type, variable string) bool {
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("env"), ","); name == variable {
			return true
		}
	}
	return false
}

// fromFile gives a secret the text of its file, where one is named. No fault repeats the text
// (invariant 10).
func (l *loader) fromFile(name string, given Environment) {
	l.known[name+fileSuffix] = true
	path := l.env[name+fileSuffix]
	if path == "" {
		return
	}
	if given[name] != "" {
		l.faultf(name, "is given and so is %s: which of them holds?", name+fileSuffix)
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		l.faultf(name+fileSuffix, "%w", err)
		return
	}
	given[name] = strings.TrimRight(string(text), "\r\n")
	if given[name] == "" {
		l.faultf(name+fileSuffix, "%s is empty", path)
	}
}
