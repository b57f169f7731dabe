package marked

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"index/suffixarray"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Marks are values that nothing else has, each made for one place. It may be used from many goroutines.
type Marks struct {
	mu     sync.Mutex
	places map[string]string // by value
	needle []needle
}

// needle is one form in which a mark may turn up.
type needle struct {
	mark, form string
	text       []byte
}

// digits is how many a mark has: as many as a long phone number.
const digits = 13

// shown is how many digits in a row give a mark away, at its beginning or its end, wherever it was cut.
const shown = 10

// New makes the mark of a place: digits, so that it is a phone number and an integer too.
func (m *Marks) New(place string) string {
	mark := fmt.Sprintf("900%0*d", digits-3, rand.Int64N(1e10))
	m.Know(place, mark)
	return mark
}

// Know takes a secret that others made for a mark.
func (m *Marks) Know(place, mark string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.places == nil {
		m.places = map[string]string{}
	}
	m.places[mark] = place
	m.needle = append(m.needle, needles(mark)...)
}

// Made reports how many marks there are.
func (m *Marks) Made() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.places)
}

func needles(mark string) []needle {
	all := []needle{}
	add := func(form, text string) { all = append(all, needle{mark, form, []byte(text)}) }
	parts := map[string]string{"beginning": mark[:min(shown, len(mark))], "end": mark[max(0, len(mark)-shown):]}
	for part, text := range parts {
		add(part, text)
		add(part+" in hexadecimal", hex.EncodeToString([]byte(text)))
		add(part+" as a list of bytes", strings.Trim(fmt.Sprint([]byte(text)), "[]"))
		add(part+" in quoted bytes", strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(text)), "[]byte{"), "}"))
	}
	// Base64 has three forms, by where in a group of three bytes the text begins; the first and last letters hang on
	// its neighbours.
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString(append(bytes.Repeat([]byte{0}, before), mark...))
		from := (before*8 + 5) / 6
		add("base64", encoded[from:(before+len(mark))*8/6])
	}
	if n, err := strconv.ParseInt(mark, 10, 64); err == nil {
		add("floating point", fmt.Sprint(float64(n))[:shown])
		add("integer in hexadecimal", strconv.FormatInt(n, 16))
	}
	return all
}

// Leak is a mark that was found.
type Leak struct {
	Place string // that the mark was made for
	Form  string
	Line  string // that it stands in
}

func (l Leak) String() string {
	return fmt.Sprintf("the mark of %s (%s) in %q", l.Place, l.Form, l.Line)
}

// In looks for every mark in every form, and returns one leak for each mark, at most.
func (m *Marks) In(text []byte) []Leak {
	m.mu.Lock()
	defer m.mu.Unlock()
	var leaks []Leak
	found := map[string]bool{}
	index := suffixarray.New(text) // there are tens of thousands of needles
	for _, n := range m.needle {
		hits := index.Lookup(n.text, 1)
		if len(hits) == 0 || found[n.mark] {
			continue
		}
		at := hits[0]
		found[n.mark] = true
		from := max(bytes.LastIndexByte(text[:at], '\n')+1, at-200)
		to := min(len(text), at+200)
		if end := bytes.IndexByte(text[at:to], '\n'); end >= 0 {
			to = at + end
		}
		leaks = append(leaks, Leak{Place: m.places[n.mark], Form: n.form, Line: string(text[from:to])})
	}
	slices.SortFunc(leaks, func(a, b Leak) int { return strings.Compare(a.Place, b.Place) })
	return leaks
}
