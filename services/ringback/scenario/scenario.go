// Package scenario holds callback sessions as they go in a contact centre, each with
// what it must come to: lifecycle events as lines of JSON, and golden results.
//
// docs/scenarios.md says what each one shows.
package scenario

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed files/*.jsonl files/*.golden.json
var files embed.FS

// Sample is the name of all scenarios together, their events interleaved by time as
// those of a busy site are; within each scenario the order of arrival is kept.
const Sample = "sample"

const (
	linesSuffix  = ".jsonl"
	goldenSuffix = ".golden.json"
)

// Names lists the scenarios, sorted. [Sample] is not among them.
func Names() []string {
	entries, err := files.ReadDir("files")
	if err != nil {
		panic(err) // the folder is embedded
	}
	var names []string
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), linesSuffix); ok {
			names = append(names, name)
		}
	}
	return names
}

// Lines returns the scenario's events in order of arrival, each a CloudEvent in structured JSON without its line end.
func Lines(name string) ([][]byte, error) {
	if name == Sample {
		return sample()
	}
	content, err := files.ReadFile("files/" + name + linesSuffix)
	if err != nil {
		return nil, fmt.Errorf("scenario: no scenario is named %q: %w", name, err)
	}
	return bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n")), nil
}

// Open returns the scenario as an import file: JSON Lines. For a name that is not known, reading fails.
func Open(name string) io.ReadCloser {
	lines, err := Lines(name)
	if err != nil {
		return io.NopCloser(failing{err})
	}
	return io.NopCloser(bytes.NewReader(append(bytes.Join(lines, []byte("\n")), '\n')))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// sample merges the scenarios by the times of the events that each has next.
func sample() ([][]byte, error) {
	type event struct {
		line []byte
		at   time.Time
	}
	var queues [][]event
	for _, name := range Names() {
		lines, err := Lines(name)
		if err != nil {
			return nil, err
		}
		// The sessions of a scenario arrive independently of one another.
		bySubject := map[string]int{}
		for _, line := range lines {
			var head struct {
				Subject string
				Time    time.Time
			}
			if err := json.Unmarshal(line, &head); err != nil {
				return nil, fmt.Errorf("scenario: %s: %w", name, err)
			}
			queue, known := bySubject[head.Subject]
			if !known {
				queue = len(queues)
				bySubject[head.Subject] = queue
				queues = append(queues, nil)
			}
			queues[queue] = append(queues[queue], event{line, head.Time})
		}
	}
	var merged [][]byte
	for len(queues) > 0 {
		next := 0
		for i := range queues {
			if queues[i][0].at.Before(queues[next][0].at) {
				next = i
			}
		}
		merged = append(merged, queues[next][0].line)
		if queues[next] = queues[next][1:]; len(queues[next]) == 0 {
			queues = slices.Delete(queues, next, next+1)
		}
	}
	return merged, nil
}
