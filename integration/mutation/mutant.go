package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// mutant is a patch and the test that must fail because of it.
type mutant struct {
	Name      string // the file's name without .patch
	File      string
	Invariant string
	Breaks    string // what no longer holds
	trial
	Files []string // that the patch changes
}

// trial is a test run.
type trial struct {
	Package string // as go test wants it, from the root of the repository
	Tags    string
	Run     string // its -run pattern
	Timeout time.Duration
	Cluster bool // it needs the three brokers as well
}

var changed = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`)

// load reads the mutants of a directory, all of them or those whose name begins with one of names.
func load(dir string, names []string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	var all []mutant
	found := map[string]bool{}
	for _, file := range files {
		m, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		wanted := len(names) == 0
		for _, name := range names {
			if strings.HasPrefix(m.Name, name) {
				wanted, found[name] = true, true
			}
		}
		if wanted {
			all = append(all, m)
		}
	}
	for _, name := range names {
		if !found[name] {
			return nil, fmt.Errorf("%s holds no mutant whose name begins with %q", dir, name)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no mutants", dir)
	}
	return all, nil
}

// read reads a patch. What comes before it is its header, a "Field: value" a line.
func read(file string) (mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return mutant{}, err
	}
	m := mutant{Name: strings.TrimSuffix(filepath.Base(file), ".patch"), File: file, trial: trial{Timeout: time.Minute}}
	head, _, ok := strings.Cut(string(text), "\n--- a/")
	if !ok {
		return mutant{}, errors.New("no patch in it")
	}
	for line := range strings.Lines(head) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		var bad error
		switch field {
		case "":
		case "Invariant":
			m.Invariant = value
		case "Breaks":
			m.Breaks = value
		case "Package":
			m.Package = value
		case "Tags":
			m.Tags = value
		case "Run":
			m.Run = value
		case "Cluster":
			m.Cluster = value == "yes"
		case "Timeout":
			m.Timeout, bad = time.ParseDuration(value)
		default:
			bad = fmt.Errorf("unknown field %q", field)
		}
		if bad != nil {
			return mutant{}, bad
		}
	}
	for _, match := range changed.FindAllStringSubmatch(string(text), -1) {
		m.Files = append(m.Files, match[1])
	}
	if slices.Contains([]string{m.Invariant, m.Breaks, m.Package, m.Tags, m.Run}, "") || len(m.Files) == 0 {
		return mutant{}, errors.New("there must be Invariant, Breaks, Package, Tags, Run and a changed file")
	}
	return m, nil
}
