package registry

import (
	"net/http"
	"slices"
)

// The modes. Import mode, in which schemas bring their own ids, is not there.
const (
	modeReadWrite = "READWRITE"
	modeReadOnly  = "READONLY"
	modeOverride  = "READONLY_OVERRIDE"
)

func (s *state) compatibilityOf(name string) string {
	if sub := s.Subjects[name]; sub != nil && sub.Compatibility != "" {
		return sub.Compatibility
	}
	return s.Compatibility
}

func (s *state) modeOf(name string) string {
	if s.Mode == modeOverride { // of all subjects, whatever their own mode
		return s.Mode
	}
	if sub := s.Subjects[name]; sub != nil && sub.Mode != "" {
		return sub.Mode
	}
	return s.Mode
}

func (s *Server) config(r *http.Request) (any, error) {
	st, name := s.store.read(), r.PathValue("subject")
	level := st.Compatibility
	if name != "" {
		if sub := st.Subjects[name]; (sub == nil || sub.Compatibility == "") && !flag(r, "defaultToGlobal") {
			return nil, notFound(codeNoSubjectConfig, "Subject '%s' does not have subject-level compatibility configured", name)
		}
		level = st.compatibilityOf(name)
	}
	return map[string]string{"compatibilityLevel": level}, nil
}

func (s *Server) setConfig(r *http.Request) (any, error) {
	var b struct {
		Compatibility string `json:"compatibility"`
	}
	if err := decode(r, &b); err != nil {
		return nil, err
	}
	if !slices.Contains(levels, b.Compatibility) {
		return nil, unprocessable(codeInvalidCompatibility, "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive")
	}
	err := s.set(r, func(st *state) { st.Compatibility = b.Compatibility }, func(sub *subject) { sub.Compatibility = b.Compatibility })
	return b, err
}

func (s *Server) resetConfig(r *http.Request) (any, error) {
	name := r.PathValue("subject")
	st := s.store.read()
	level := st.compatibilityOf(name)
	if sub := st.Subjects[name]; name != "" && (sub == nil || sub.Compatibility == "") {
		return nil, notFound(codeNoSubjectConfig, "Subject '%s' does not have subject-level compatibility configured", name)
	}
	err := s.set(r, func(st *state) { st.Compatibility = defaultCompatibility }, func(sub *subject) { sub.Compatibility = "" })
	return map[string]string{"compatibility": level, "compatibilityLevel": level}, err // clients read one or the other
}

func (s *Server) mode(r *http.Request) (any, error) {
	st, name := s.store.read(), r.PathValue("subject")
	if name == "" {
		return map[string]string{"mode": st.Mode}, nil
	}
	if sub := st.Subjects[name]; (sub == nil || sub.Mode == "") && !flag(r, "defaultToGlobal") {
		return nil, notFound(codeNoSubjectMode, "Subject '%s' does not have subject-level mode configured", name)
	}
	return map[string]string{"mode": st.modeOf(name)}, nil
}

func (s *Server) setMode(r *http.Request) (any, error) {
	var b struct {
		Mode string `json:"mode"`
	}
	if err := decode(r, &b); err != nil {
		return nil, err
	}
	name := r.PathValue("subject")
	if b.Mode != modeReadWrite && b.Mode != modeReadOnly && (b.Mode != modeOverride || name != "") {
		return nil, unprocessable(codeInvalidMode, "Invalid mode. Valid values are READWRITE, READONLY and, for all subjects, READONLY_OVERRIDE")
	}
	err := s.set(r, func(st *state) { st.Mode = b.Mode }, func(sub *subject) { sub.Mode = b.Mode })
	return b, err
}

func (s *Server) resetMode(r *http.Request) (any, error) {
	name := r.PathValue("subject")
	st := s.store.read()
	mode := st.modeOf(name)
	if sub := st.Subjects[name]; name != "" && (sub == nil || sub.Mode == "") {
		return nil, notFound(codeNoSubjectMode, "Subject '%s' does not have subject-level mode configured", name)
	}
	err := s.set(r, func(st *state) { st.Mode = modeReadWrite }, func(sub *subject) { sub.Mode = "" })
	return map[string]string{"mode": mode}, err
}

// set changes a setting of the subject that the path names, or of all subjects.
func (s *Server) set(r *http.Request, global func(*state), own func(*subject)) error {
	if r.PathValue("subject") == "" {
		return s.store.update(func(st *state) error { global(st); return nil })
	}
	name, err := subjectName(r)
	if err != nil {
		return err
	}
	return s.store.update(func(st *state) error { own(st.subject(name)); return nil })
}

func (s *Server) checkCompatibility(r *http.Request) (any, error) {
	name, err := subjectName(r)
	if err != nil {
		return nil, err
	}
	b, err := readSchema(r)
	if err != nil {
		return nil, err
	}
	st := s.store.read()
	level, against := st.compatibilityOf(name), st.earlier(st.Subjects[name])
	if number := r.PathValue("version"); number != "" {
		v, err := st.find(name, number, false)
		if err != nil {
			return nil, err
		}
		schema, _ := st.schema(v.ID)
		against = []earlierSchema{{v.Version, schema}}
	}
	reasons, err := compatible(level, b.Schema, against)
	if err != nil {
		return nil, unprocessable(codeInvalidSchema, "Invalid schema: %v", err)
	}
	out := map[string]any{"is_compatible": len(reasons) == 0}
	if flag(r, "verbose") {
		if reasons == nil {
			reasons = []string{}
		}
		out["messages"] = reasons
	}
	return out, nil
}
