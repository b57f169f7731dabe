package config

import (
	"reflect"
	"strings"
)

// Variable is what an environment variable's struct field says of it.
type Variable struct {
	Name string
	// Form is how a value is written: a duration, an integer, a text.
	Form string
	// Unit is what an integer counts.
	Unit string
	// Default is what holds where the variable is not set or empty; without one, Empty says what that means.
	Default, Empty string
	Secret         bool
	// File: the text may be in the file that the variable with _FILE behind its name has.
	File bool

	Struct reflect.Type // where it is declared
	Field  string
}

// Variables lists the variables that Load reads into a struct of that type.
func Variables(t reflect.Type) []Variable { return variables("", t) }

func variables(prefix string, t reflect.Type) []Variable {
	var all []Variable
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("env"), ",")
		name = strings.TrimSpace(name)
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && f.Type.Kind() == reflect.Struct:
			all = append(all, variables(prefix+option(options, "prefix"), f.Type)...)
		case name != "":
			all = append(all, Variable{
				Name: prefix + name, Form: shape(f.Type), Unit: f.Tag.Get("unit"),
				Default: option(options, "default"), Empty: f.Tag.Get("empty"),
				Secret: isSecret(f.Type), File: isSecret(f.Type) && !declares(t, name+fileSuffix),
				Struct: t, Field: f.Name,
			})
		}
	}
	return all
}
