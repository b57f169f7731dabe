package registry

import (
	"net/http"
	"strconv"
	"strings"
)

// pathSchema returns the schema that the path's id names.
func (s *Server) pathSchema(r *http.Request) (*state, int, string, error) {
	st := s.store.read()
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 32)
	if err != nil {
		return nil, 0, "", notFound(http.StatusNotFound, "HTTP 404 Not Found")
	}
	schema, ok := st.schema(int(id))
	if !ok {
		return nil, 0, "", notFound(codeSchemaNotFound, "Schema %d not found", id)
	}
	return st, int(id), schema, nil
}

func (s *Server) schemaByID(r *http.Request) (any, error) {
	st, _, schema, err := s.pathSchema(r)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"schema": schema}
	if flag(r, "fetchMaxId") {
		out["maxId"] = len(st.Schemas)
	}
	return out, nil
}

func (s *Server) schemaTextByID(r *http.Request) (any, error) {
	_, _, schema, err := s.pathSchema(r)
	return raw(schema), err
}

// subjectVersion is a place where a schema is used.
type subjectVersion struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

func (s *Server) versionsByID(r *http.Request) (any, error) {
	st, id, _, err := s.pathSchema(r)
	if err != nil {
		return nil, err
	}
	out := []subjectVersion{}
	deleted := flag(r, "deleted")
	for _, name := range st.names(deleted) {
		for _, v := range st.Subjects[name].live(deleted) {
			if v.ID == id {
				out = append(out, subjectVersion{name, v.Version})
			}
		}
	}
	return out, nil
}

func (s *Server) subjectsByID(r *http.Request) (any, error) {
	uses, err := s.versionsByID(r)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, u := range uses.([]subjectVersion) { // in order of the subjects
		if len(out) == 0 || out[len(out)-1] != u.Subject {
			out = append(out, u.Subject)
		}
	}
	return out, nil
}

func (s *Server) schemas(r *http.Request) (any, error) {
	st := s.store.read()
	deleted, latest := flag(r, "deleted"), flag(r, "latestOnly")
	prefix := r.URL.Query().Get("subjectPrefix")
	out := []versionBody{}
	for _, name := range st.names(deleted) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		live := st.Subjects[name].live(deleted)
		if latest {
			live = live[len(live)-1:]
		}
		for _, v := range live {
			out = append(out, st.body(name, v))
		}
	}
	return out, nil
}
