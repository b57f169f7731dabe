package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ringback/ringback/pkg/fault"
)

// fileName is the file in Config.Dir.
const fileName = "registry.json"

// version is one version of a subject.
type version struct {
	Version int  `json:"version"`
	ID      int  `json:"id"`
	Deleted bool `json:"deleted,omitempty"` // softly: hidden, and no longer checked against
}

// subject is a subject's versions and settings; an empty setting is the global one.
type subject struct {
	Versions []version `json:"versions,omitempty"`
	// Last is the highest number given to a version, deleted ones too: numbers are not used again.
	Last          int    `json:"last"`
	Compatibility string `json:"compatibility,omitempty"`
	Mode          string `json:"mode,omitempty"`
}

// state is all that the registry knows; it is the content of the file.
type state struct {
	Format        int                 `json:"format"`
	Compatibility string              `json:"compatibility"`
	Mode          string              `json:"mode"`
	Schemas       []string            `json:"schemas"` // the schema with id n is at n-1; ids are for good
	Subjects      map[string]*subject `json:"subjects"`
}

func newState() *state {
	return &state{Format: 1, Compatibility: defaultCompatibility, Mode: modeReadWrite, Subjects: map[string]*subject{}}
}

func (s *state) clone() *state {
	c := *s
	c.Schemas = slices.Clone(s.Schemas)
	c.Subjects = make(map[string]*subject, len(s.Subjects))
	for name, sub := range s.Subjects {
		d := *sub
		d.Versions = slices.Clone(sub.Versions)
		c.Subjects[name] = &d
	}
	return &c
}

// schema returns the schema of that id.
func (s *state) schema(id int) (string, bool) {
	if id < 1 || id > len(s.Schemas) {
		return "", false
	}
	return s.Schemas[id-1], true
}

// id returns the id of a schema that differs in no more than white space and the order of its keys.
func (s *state) id(schema string) (int, bool) {
	want := canonical(schema)
	for i, known := range s.Schemas {
		if canonical(known) == want {
			return i + 1, true
		}
	}
	return 0, false
}

// subject returns the subject of that name, made if absent.
func (s *state) subject(name string) *subject {
	sub, ok := s.Subjects[name]
	if !ok {
		sub = &subject{}
		s.Subjects[name] = sub
	}
	return sub
}

// names lists the subjects that have a version, deleted or not as asked, in order.
func (s *state) names(deleted bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Subjects)) {
		if len(s.Subjects[name].live(deleted)) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// live lists the versions that are not deleted; with deleted, all.
func (sub *subject) live(deleted bool) []version {
	if sub == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(sub.Versions), func(v version) bool { return v.Deleted && !deleted })
}

// canonical is the schema with its keys in order and without white space.
func canonical(schema string) string {
	dec := json.NewDecoder(bytes.NewReader([]byte(schema)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return schema
	}
	out, err := json.Marshal(v)
	if err != nil {
		return schema
	}
	return string(out)
}

// store is the state and its file.
type store struct {
	dir string

	mu    sync.RWMutex
	state *state // replaced, never changed
}

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.Misconfigf("embedded registry: %w", err)
	}
	// What a killed process left half-written; its change was not answered as made.
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), fileName+".") {
			err = errors.Join(err, os.Remove(filepath.Join(dir, f.Name())))
		}
	}
	if err != nil {
		return nil, fault.Misconfigf("embedded registry: %w", err)
	}
	st := &store{dir: dir, state: newState()}
	path := filepath.Join(dir, fileName)
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return st, nil
	case err != nil:
		return nil, fault.Misconfigf("embedded registry: %w", err)
	}
	loaded := newState()
	if err := json.Unmarshal(raw, loaded); err != nil {
		return nil, fault.Misconfigf("embedded registry: %s is damaged: %w", path, err)
	}
	if err := loaded.check(); err != nil {
		return nil, fault.Misconfigf("embedded registry: %s is damaged: %w", path, err)
	}
	st.state = loaded
	return st, nil
}

func (s *state) check() error {
	if s.Format != 1 {
		return fmt.Errorf("format %d, and this release reads format 1", s.Format)
	}
	if s.Subjects == nil {
		s.Subjects = map[string]*subject{}
	}
	for name, sub := range s.Subjects {
		if sub == nil {
			return fmt.Errorf("subject %q is null", name)
		}
		last := 0
		for _, v := range sub.Versions {
			if _, ok := s.schema(v.ID); !ok || v.Version <= last || v.Version > sub.Last {
				return fmt.Errorf("subject %q: version %d with schema id %d", name, v.Version, v.ID)
			}
			last = v.Version
		}
	}
	return nil
}

// read returns the state, which must not be changed.
func (st *store) read() *state {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.state
}

// update changes a copy of the state and makes it the state once it is on disk. An
// error of change leaves everything as it was.
func (st *store) update(change func(*state) error) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	next := st.state.clone()
	if err := change(next); err != nil {
		return err
	}
	if err := st.save(next); err != nil {
		return &apiError{status: 500, code: codeStore, message: "the schema could not be stored: " + err.Error()}
	}
	st.state = next
	return nil
}

// save writes a new file, syncs it and renames it over the old one, so that there is
// a whole file at every moment.
func (st *store) save(s *state) (err error) {
	raw, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(st.dir, fileName+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(raw); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(st.dir, fileName)); err != nil {
		return err
	}
	d, err := os.Open(st.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync() // the rename itself
}
