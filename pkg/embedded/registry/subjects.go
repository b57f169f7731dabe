package registry

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/twmb/avro"
)

// schemaBody is the body of a request that carries a schema.
type schemaBody struct {
	Schema     string `json:"schema"`
	SchemaType string `json:"schemaType"`
	References []any  `json:"references"`
	ID         int    `json:"id"`
	Version    int    `json:"version"`
}

// versionBody describes one version of a subject.
type versionBody struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	Schema  string `json:"schema"`
}

func readSchema(r *http.Request) (schemaBody, error) {
	var b schemaBody
	if err := decode(r, &b); err != nil {
		return b, err
	}
	switch {
	case b.SchemaType != "" && b.SchemaType != "AVRO":
		return b, unprocessable(codeInvalidSchema, "Schemas of type %q are not supported, only AVRO.", b.SchemaType)
	case len(b.References) > 0:
		return b, unprocessable(codeInvalidSchema, "Schemas that refer to other schemas are not supported.")
	case b.Schema == "":
		return b, unprocessable(codeInvalidSchema, "Empty schema")
	}
	if _, err := avro.Parse(b.Schema); err != nil {
		return b, unprocessable(codeInvalidSchema, "Invalid schema: %v", err)
	}
	return b, nil
}

func subjectName(r *http.Request) (string, error) {
	name := r.PathValue("subject")
	if name == "" || len(name) > 1024 || strings.ContainsFunc(name, unicode.IsControl) {
		return "", unprocessable(codeInvalidSubject, "The subject name is empty, too long or has control characters.")
	}
	return name, nil
}

// find returns the version that the path names: a number, "latest" or -1. With
// deleted, one that is softly deleted is found too.
func (s *state) find(name, number string, deleted bool) (version, error) {
	live := s.Subjects[name].live(deleted)
	if len(live) == 0 {
		return version{}, notFound(codeSubjectNotFound, "Subject '%s' not found.", name)
	}
	if number == "latest" || number == "-1" {
		return live[len(live)-1], nil
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return version{}, unprocessable(codeInvalidVersion, "The version is not a number from 1 to 2147483647, nor \"latest\".")
	}
	for _, v := range live {
		if v.Version == int(n) {
			return v, nil
		}
	}
	return version{}, notFound(codeVersionNotFound, "Version %d not found.", n)
}

func (s *state) body(name string, v version) versionBody {
	schema, _ := s.schema(v.ID)
	return versionBody{Subject: name, Version: v.Version, ID: v.ID, Schema: schema}
}

func (s *Server) subjects(r *http.Request) (any, error) {
	names := s.store.read().names(flag(r, "deleted"))
	prefix := r.URL.Query().Get("subjectPrefix")
	out := []string{}
	for _, n := range names {
		if strings.HasPrefix(n, prefix) {
			out = append(out, n)
		}
	}
	return out, nil
}

func (s *Server) versions(r *http.Request) (any, error) {
	name, err := subjectName(r)
	if err != nil {
		return nil, err
	}
	live := s.store.read().Subjects[name].live(flag(r, "deleted"))
	if len(live) == 0 {
		return nil, notFound(codeSubjectNotFound, "Subject '%s' not found.", name)
	}
	out := make([]int, len(live))
	for i, v := range live {
		out[i] = v.Version
	}
	return out, nil
}

func (s *Server) version(r *http.Request) (any, error) {
	name, err := subjectName(r)
	if err != nil {
		return nil, err
	}
	st := s.store.read()
	v, err := st.find(name, r.PathValue("version"), flag(r, "deleted"))
	if err != nil {
		return nil, err
	}
	return st.body(name, v), nil
}

func (s *Server) versionText(r *http.Request) (any, error) {
	v, err := s.version(r)
	if err != nil {
		return nil, err
	}
	return raw(v.(versionBody).Schema), nil
}

func (s *Server) referencedBy(r *http.Request) (any, error) {
	if _, err := s.version(r); err != nil {
		return nil, err
	}
	return []int{}, nil
}

// register adds a schema to a subject. One that the subject has keeps its version, one
// that another subject has keeps its id.
func (s *Server) register(r *http.Request) (any, error) {
	name, err := subjectName(r)
	if err != nil {
		return nil, err
	}
	b, err := readSchema(r)
	if err != nil {
		return nil, err
	}
	if b.ID > 0 {
		return nil, unprocessable(codeNotPermitted, "Subject %s is not in import mode: a schema cannot bring its own id.", name)
	}
	if v, ok := s.store.read().registered(name, b.Schema, false); ok {
		return map[string]int{"id": v.ID}, nil
	}
	var id int
	err = s.store.update(func(st *state) error {
		if v, ok := st.registered(name, b.Schema, false); ok { // another request was faster
			id = v.ID
			return nil
		}
		if mode := st.modeOf(name); mode != modeReadWrite {
			return unprocessable(codeNotPermitted, "Subject %s is in mode %s.", name, mode)
		}
		sub := st.subject(name)
		if b.Version > 0 && b.Version != sub.Last+1 {
			return unprocessable(codeInvalidVersion, "The next version of subject %s is %d, not %d.", name, sub.Last+1, b.Version)
		}
		level := st.compatibilityOf(name)
		reasons, err := compatible(level, b.Schema, st.earlier(sub))
		if err != nil {
			return unprocessable(codeInvalidSchema, "Invalid schema: %v", err)
		}
		if len(reasons) > 0 {
			return refuse(http.StatusConflict, codeIncompatible,
				"Schema being registered is incompatible with an earlier schema for subject %q, compatibility %s: %s", name, level, strings.Join(reasons, "; "))
		}
		known := false
		if id, known = st.id(b.Schema); !known {
			st.Schemas = append(st.Schemas, b.Schema)
			id = len(st.Schemas)
		}
		sub.Last++
		sub.Versions = append(sub.Versions, version{Version: sub.Last, ID: id})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]int{"id": id}, nil
}

// registered returns the subject's version that has this schema.
func (s *state) registered(name, schema string, deleted bool) (version, bool) {
	id, ok := s.id(schema)
	if !ok {
		return version{}, false
	}
	for _, v := range slices.Backward(s.Subjects[name].live(deleted)) {
		if v.ID == id {
			return v, true
		}
	}
	return version{}, false
}

func (s *Server) lookup(r *http.Request) (any, error) {
	name, err := subjectName(r)
	if err != nil {
		return nil, err
	}
	b, err := readSchema(r)
	if err != nil {
		return nil, err
	}
	st, deleted := s.store.read(), flag(r, "deleted")
	if len(st.Subjects[name].live(deleted)) == 0 {
		return nil, notFound(codeSubjectNotFound, "Subject '%s' not found.", name)
	}
	v, ok := st.registered(name, b.Schema, deleted)
	if !ok {
		return nil, notFound(codeSchemaNotFound, "Schema not found")
	}
	return st.body(name, v), nil
}

func (s *Server) deleteSubject(r *http.Request) (any, error) {
	name, err := subjectName(r)
	if err != nil {
		return nil, err
	}
	out := []int{}
	err = s.store.update(func(st *state) error {
		if mode := st.modeOf(name); mode != modeReadWrite {
			return unprocessable(codeNotPermitted, "Subject %s is in mode %s.", name, mode)
		}
		sub := st.Subjects[name]
		live, all := sub.live(false), sub.live(true)
		permanent := flag(r, "permanent")
		switch {
		case len(all) == 0:
			return notFound(codeSubjectNotFound, "Subject '%s' not found.", name)
		case permanent && len(live) > 0:
			return notFound(codeSubjectNotSoftDeleted, "Subject '%s' was not deleted first before being permanently deleted", name)
		case !permanent && len(live) == 0:
			return notFound(codeSubjectSoftDeleted, "Subject '%s' was soft deleted. Set permanent=true to delete permanently", name)
		case permanent:
			sub.Versions = nil
			live = all
		}
		for i := range sub.Versions {
			sub.Versions[i].Deleted = true
		}
		for _, v := range live {
			out = append(out, v.Version)
		}
		return nil
	})
	return out, err
}

func (s *Server) deleteVersion(r *http.Request) (any, error) {
	name, err := subjectName(r)
	if err != nil {
		return nil, err
	}
	var out int
	err = s.store.update(func(st *state) error {
		if mode := st.modeOf(name); mode != modeReadWrite {
			return unprocessable(codeNotPermitted, "Subject %s is in mode %s.", name, mode)
		}
		permanent := flag(r, "permanent")
		number := r.PathValue("version")
		v, err := st.find(name, number, true)
		if number == "latest" || number == "-1" {
			v, err = st.find(name, number, permanent)
		}
		if err != nil {
			return err
		}
		out = v.Version
		sub := st.Subjects[name]
		i := slices.IndexFunc(sub.Versions, func(o version) bool { return o.Version == v.Version })
		switch {
		case permanent && !v.Deleted:
			return notFound(codeVersionNotSoftDeleted, "Subject '%s' Version %d was not deleted first before being permanently deleted", name, v.Version)
		case !permanent && v.Deleted:
			return notFound(codeVersionSoftDeleted, "Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently", name, v.Version)
		case permanent:
			sub.Versions = slices.Delete(sub.Versions, i, i+1)
		default:
			sub.Versions[i].Deleted = true
		}
		return nil
	})
	return out, err
}
