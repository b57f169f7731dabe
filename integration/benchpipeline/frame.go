package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// sample is one run of an arm.
type sample struct {
	units   int64         // of work done, counted afterwards
	elapsed time.Duration // preparation and counting not included
	cpu     cpu           // the same; zero where it was not taken
}

func (s sample) rate() float64 { return float64(s.units) / s.elapsed.Seconds() }

// arm is one way to do the work of a comparison.
type arm struct {
	name string
	// run does the work once, from a clean start, times it, and checks what is there afterwards.
	run func(ctx context.Context) (sample, error)
}

// comparison is ways to do the same work, held against the first.
type comparison struct {
	name     string
	unit     string // what is counted
	aim      float64
	baseline arm
	subjects []arm
	note     string
}

// result is what a comparison came to.
type result struct {
	Name     string      `json:"name"`
	Unit     string      `json:"unit"`
	Note     string      `json:"note,omitempty"`
	Aim      float64     `json:"aim,omitempty"` // of a subject's ratio
	Rounds   int         `json:"rounds"`
	Baseline armResult   `json:"baseline"`
	Control  ratios      `json:"aa_control"` // the baseline's second run over its first
	Subjects []armResult `json:"subjects"`
}

type armResult struct {
	Name  string    `json:"name"`
	Units int64     `json:"units_per_run"`
	Rate  float64   `json:"median_per_second"`
	Rates []float64 `json:"per_second"`
	Ratio *ratios   `json:"ratio_to_baseline,omitempty"`
	// Medians of the processor time of one unit, in µs.
	ServiceCPU  float64 `json:"service_cpu_us,omitempty"`
	DatabaseCPU float64 `json:"database_cpu_us,omitempty"`

	service, database []float64
}

// ratios are those of all rounds.
type ratios struct {
	Median float64   `json:"median"`
	Least  float64   `json:"least"`
	Most   float64   `json:"most"`
	All    []float64 `json:"all"`
}

func newRatios(all []float64) ratios {
	return ratios{Median: median(all), Least: slices.Min(all), Most: slices.Max(all), All: all}
}

// median is the middle value, or the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// measure runs a comparison: one round to warm up, then as many as are asked for.
func measure(ctx context.Context, c comparison, rounds int, progress func(string, ...any)) (result, error) {
	r := result{Name: c.name, Unit: c.unit, Note: c.note, Aim: c.aim, Rounds: rounds, Baseline: armResult{Name: c.baseline.name}}
	for _, a := range c.subjects {
		r.Subjects = append(r.Subjects, armResult{Name: a.name})
	}
	var control []float64
	against := make([][]float64, len(c.subjects))
	for round := range rounds + 1 {
		run := func(a arm) (sample, error) {
			s, err := a.run(ctx)
			if err != nil {
				return s, fmt.Errorf("%s: %s: %w", c.name, a.name, err)
			}
			progress("%s: round %d: %s: %.0f %s/s", c.name, round, a.name, s.rate(), c.unit)
			return s, nil
		}
		first, err := run(c.baseline)
		if err != nil {
			return r, err
		}
		measured := make([]sample, len(c.subjects))
		for i, a := range c.subjects {
			if measured[i], err = run(a); err != nil {
				return r, err
			}
		}
		second, err := run(c.baseline)
		if err != nil {
			return r, err
		}
		if round == 0 {
			continue
		}
		control = append(control, second.rate()/first.rate())
		r.Baseline.add(first)
		r.Baseline.add(second)
		for i, s := range measured {
			r.Subjects[i].add(s)
			against[i] = append(against[i], 2*s.rate()/(first.rate()+second.rate()))
		}
	}
	r.Control = newRatios(control)
	for i := range r.Subjects {
		of := newRatios(against[i])
		r.Subjects[i].Ratio = &of
	}
	return r, nil
}

func (a *armResult) add(s sample) {
	a.Units = s.units
	a.Rates = append(a.Rates, s.rate())
	a.Rate = median(a.Rates)
	if s.cpu != (cpu{}) {
		a.service = append(a.service, float64(s.cpu.service.Microseconds())/float64(s.units))
		a.database = append(a.database, float64(s.cpu.database.Microseconds())/float64(s.units))
		a.ServiceCPU, a.DatabaseCPU = median(a.service), median(a.database)
	}
}
