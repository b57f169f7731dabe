package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ringback/ringback/schemas"
)

// recordSchema is as much of a record's schema as the generator reads.
type recordSchema struct {
	Name       string      `json:"name"`
	Namespace  string      `json:"namespace"`
	Doc        string      `json:"doc"`
	EventTypes []eventType `json:"eventTypes"`
	Fields     []field     `json:"fields"`

	path string // of its file
}

// eventType is a type of lifecycle event, as the property eventTypes of its schema lists it in order of rank.
type eventType struct {
	Type     string   `json:"type"`
	Doc      string   `json:"doc"`
	Required []string `json:"required"`
	Optional []string `json:"optional"`
}

// field is a field, and the properties of one that is a KVP or fills a column.
type field struct {
	Name string          `json:"name"`
	Doc  string          `json:"doc"`
	Type json.RawMessage `json:"type"`

	KVP              string `json:"kvp"`
	KVPType          string `json:"kvpType"`
	Mandatory        bool   `json:"mandatory"`
	AttachedData     bool   `json:"attachedData"`
	RequestParameter string `json:"requestParameter"`
	ParameterAdded   bool   `json:"parameterAdded"` // the guide does not list the parameter
	Table            string `json:"table"`
	Column           string `json:"column"`
	Via              string `json:"via"`
	Introduced       string `json:"introduced"`
	Allowed          string `json:"allowed"`
}

func load(name string) (*recordSchema, error) {
	text, version, err := schemas.Latest(name)
	if err != nil {
		return nil, err
	}
	s := &recordSchema{path: fmt.Sprintf("schemas/avro/%s/v%d.avsc", name, version)}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	for _, f := range s.Fields {
		if f.Doc == "" {
			return nil, fmt.Errorf("%s: field %s has no doc", s.path, f.Name)
		}
	}
	return s, nil
}

// kinds are the kinds of value of a KVP: the identifier in package callback, and the Avro type.
var kinds = map[string]struct{ ident, avro string }{
	"string":    {"String", "string"},
	"integer":   {"Integer", "long"},
	"count":     {"Count", "long"},
	"flag":      {"Flag", "long"},
	"seconds":   {"Seconds", "long"},
	"timestamp": {"Timestamp", "long"},
}

// kvps lists the fields that are KVPs, in order, and checks that they agree with themselves.
func (s *recordSchema) kvps() ([]field, error) {
	var out []field
	idents := map[string]string{}
	for _, f := range s.Fields {
		if f.KVP == "" {
			continue
		}
		kind, ok := kinds[f.KVPType]
		if !ok {
			return nil, fmt.Errorf("%s: %s has the kvpType %q", s.path, f.Name, f.KVPType)
		}
		var union []string
		if err := json.Unmarshal(f.Type, &union); err != nil || len(union) != 2 || union[0] != "null" || union[1] != kind.avro {
			return nil, fmt.Errorf("%s: %s is a %s, so its type must be null or %s", s.path, f.Name, f.KVPType, kind.avro)
		}
		if want := strings.ToLower(strings.TrimPrefix(f.KVP, "_")); f.Name != want {
			return nil, fmt.Errorf("%s: field %s is the KVP %s, so its name must be %s", s.path, f.Name, f.KVP, want)
		}
		if other, taken := idents[keyName(f.KVP)]; taken {
			return nil, fmt.Errorf("%s: %s and %s have the same Go name", s.path, other, f.KVP)
		}
		idents[keyName(f.KVP)] = f.KVP
		out = append(out, f)
	}
	return out, nil
}

// initialisms are the words of KVP names that Go writes in capitals.
var initialisms = map[string]bool{"ANI": true, "DBID": true, "EWT": true, "ID": true, "ORS": true, "VQ": true}

// keyName is the Go name of a KVP's constant: KeyServiceID of _CB_SERVICE_ID.
func keyName(kvp string) string {
	name := "Key"
	for word := range strings.SplitSeq(strings.TrimPrefix(kvp, "_CB_"), "_") {
		if !initialisms[word] {
			word = word[:1] + strings.ToLower(word[1:])
		}
		name += word
	}
	return name
}
