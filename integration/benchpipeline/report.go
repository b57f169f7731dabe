package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// report is all that was measured.
type report struct {
	Started     time.Time     `json:"started"`
	GoVersion   string        `json:"go"`
	CPUs        int           `json:"cpus"`
	Comparisons []result      `json:"comparisons,omitempty"`
	Latencies   []latency     `json:"latencies,omitempty"`
	States      []stateResult `json:"states,omitempty"`
}

func newReport() report {
	return report{Started: time.Now().UTC().Truncate(time.Second), GoVersion: runtime.Version(), CPUs: runtime.NumCPU()}
}

// latency is how long something took, of many.
type latency struct {
	Name  string  `json:"name"`
	Aim   string  `json:"aim,omitempty"`
	Note  string  `json:"note,omitempty"`
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Most  float64 `json:"max_ms"`
}

func newLatency(name string, took []time.Duration) latency {
	ms := func(p float64) float64 {
		return math.Round(float64(percentile(took, p).Microseconds())/100) / 10
	}
	return latency{Name: name, Count: len(took), P50: ms(0.5), P90: ms(0.9), P99: ms(0.99), Most: ms(1)}
}

// percentile is the smallest value that at least that share of the values does not exceed.
func percentile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

func writeJSON(w io.Writer, r report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func writeMarkdown(w io.Writer, r report) error {
	p := printer{w: w}
	if len(r.Comparisons) > 0 {
		p.print("| work | arm | median | baseline | ratio: median (range) | A/A: median (range) | aim |\n|---|---|---|---|---|---|---|\n")
	}
	for _, c := range r.Comparisons {
		for _, s := range c.Subjects {
			aim := ""
			if c.Aim > 0 {
				aim = strconv.FormatFloat(c.Aim, 'g', -1, 64)
			}
			p.print("| %s | %s | %s %s/s | %s %s/s | **%.2f** (%.2f to %.2f) | %.2f (%.2f to %.2f) | %s |\n",
				c.Name, s.Name, thousands(s.Rate), c.Unit, thousands(c.Baseline.Rate), c.Unit,
				s.Ratio.Median, s.Ratio.Least, s.Ratio.Most, c.Control.Median, c.Control.Least, c.Control.Most, aim)
		}
	}
	p.processorTime(r)
	if len(r.Latencies) > 0 {
		p.print("\n| time | of | p50 | p90 | p99 | max | aim |\n|---|---|---|---|---|---|---|\n")
	}
	for _, l := range r.Latencies {
		p.print("| %s | %s | %.1f ms | %.1f ms | **%.1f ms** | %.1f ms | %s |\n", l.Name, thousands(float64(l.Count)), l.P50, l.P90, l.P99, l.Most, l.Aim)
	}
	for _, s := range r.States {
		p.state(s)
	}
	for _, l := range r.Latencies {
		p.print("\n%s: %s.\n", l.Name, l.Note)
	}
	for _, c := range r.Comparisons {
		p.print("\n%s: %s; %d rounds.\n", c.Name, c.Note, c.Rounds)
	}
	return p.err
}

func (p *printer) state(s stateResult) {
	p.print("\n| state of %s open sessions, %s events, %d partitions | |\n|---|---|\n", thousands(float64(s.Sessions)), thousands(float64(s.Events)), s.Partitions)
	p.print("| taken in | %.1f s, %.1f s of CPU |\n| peak resident memory meanwhile | %d MiB |\n", s.TakeIn, s.CPU, s.Peak>>20)
	p.print("| from the start of a new process after SIGKILL to ready | %.1f s, %.1f s of CPU |\n| peak resident memory of that process | %d MiB |\n", s.Restore, s.RestoreCPU, s.RestorePeak>>20)
	for _, of := range s.Silences {
		p.print("| %s: longest silence of each partition | %.1f s |\n", of.What, of.Seconds)
	}
}

// processorTime writes what a unit costs, where that was taken.
func (p *printer) processorTime(r report) {
	header := "\n| work | arm | CPU of the service | CPU of its database sessions | sum, as a multiple of the baseline's |\n|---|---|---|---|---|\n"
	for _, c := range r.Comparisons {
		base := c.Baseline.ServiceCPU + c.Baseline.DatabaseCPU
		if base == 0 {
			continue
		}
		p.print("%s", header)
		header = ""
		for _, a := range append([]armResult{c.Baseline}, c.Subjects...) {
			p.print("| %s | %s | %.1f µs | %.1f µs | %.2f |\n", c.Name, a.Name, a.ServiceCPU, a.DatabaseCPU, (a.ServiceCPU+a.DatabaseCPU)/base)
		}
	}
}

// thousands writes a number with commas.
func thousands(n float64) string {
	s := strconv.FormatInt(int64(math.Round(n)), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) print(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
