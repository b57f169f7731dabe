// Command alerts does, on Prometheus' own rule engine, what promtool cannot: it tries the unit tests of alert rules
// on rules that are broken, and checks that the queries of dashboards are PromQL.
//
//	alerts -mutants TESTS.yaml   breaks one rule at a time, in several ways; the tests must fail each time. Of the
//	                             format of `promtool test rules` it knows alert_rule_test with input_series
//	alerts -queries < QUERIES    one query a line
package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"gopkg.in/yaml.v3"
)

type file struct {
	Rules    []string       `yaml:"rule_files"`
	Interval model.Duration `yaml:"evaluation_interval"`
	Tests    []test         `yaml:"tests"`
}

type test struct {
	Name     string         `yaml:"name"`
	Interval model.Duration `yaml:"interval"`
	Input    []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Alerts []expectation `yaml:"alert_rule_test"`
}

type expectation struct {
	At    model.Duration `yaml:"eval_time"`
	Name  string         `yaml:"alertname"`
	Fires []alert        `yaml:"exp_alerts"`
}

type alert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

func (a alert) String() string { return fmt.Sprint(a.Labels, a.Annotations) }

func main() {
	var faults []error
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "-queries":
		faults = queries()
	case len(args) == 2 && args[0] == "-mutants":
		faults = mutants(args[1])
	default:
		fmt.Fprintln(os.Stderr, "usage: alerts -mutants TESTS.yaml | alerts -queries")
		os.Exit(2)
	}
	for _, err := range faults {
		fmt.Fprintln(os.Stderr, "alerts:", err)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

func queries() (faults []error) {
	lines := bufio.NewScanner(os.Stdin)
	n := 0
	for ; lines.Scan(); n++ {
		if _, err := parse(lines.Text()); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", lines.Text(), err))
		}
	}
	if n == 0 {
		faults = append(faults, fmt.Errorf("no query"))
	}
	fmt.Println(n, "queries")
	return faults
}

func read(name string) (file, error) {
	var f file
	text, err := os.ReadFile(name)
	if err != nil {
		return f, err
	}
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	return f, d.Decode(&f)
}

// one feeds a test's series and evaluates the rules at each interval.
func one(f file, t test, specs []rulefmt.Rule) error {
	all, err := made(specs)
	if err != nil {
		return err
	}
	temporary, err := os.MkdirTemp("", "alerts")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	db, err := tsdb.Open(temporary, slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx := context.Background()
	start := time.Unix(0, 0).UTC()
	if err := feed(ctx, db, start, t); err != nil {
		return err
	}
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: 10_000_000, Timeout: time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 },
	})
	query := rules.EngineQueryFunc(engine, db)
	last := time.Duration(0)
	for _, e := range t.Alerts {
		last = max(last, time.Duration(e.At))
	}
	for at := time.Duration(0); at <= last; at += time.Duration(f.Interval) {
		for _, r := range all {
			if _, err := r.Eval(ctx, 0, start.Add(at), query, nil, 0); err != nil {
				return fmt.Errorf("%s: %w", r.Name(), err)
			}
		}
		for _, e := range t.Alerts {
			if time.Duration(e.At) != at {
				continue
			}
			if err := e.check(all); err != nil {
				return fmt.Errorf("at %s: %w", e.At, err)
			}
		}
	}
	return nil
}

func feed(ctx context.Context, db *tsdb.DB, start time.Time, t test) error {
	app := db.Appender(ctx)
	for _, in := range t.Input {
		set, values, err := series(in.Series + " " + in.Values)
		if err != nil {
			return fmt.Errorf("%s: %w", in.Series, err)
		}
		for i, v := range values {
			if v.Omitted {
				continue
			}
			if _, err := app.Append(storage.SeriesRef(0), set, start.Add(time.Duration(i)*time.Duration(t.Interval)).UnixMilli(), v.Value); err != nil {
				return err
			}
		}
	}
	return app.Commit()
}

func (f file) load(dir string) ([]rulefmt.Rule, error) {
	var all []rulefmt.Rule
	for _, name := range f.Rules {
		groups, faults := ruleFile(filepath.Join(dir, name))
		if len(faults) > 0 {
			return nil, faults[0]
		}
		for _, g := range groups.Groups {
			all = append(all, g.Rules...)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no rules")
	}
	return all, nil
}

// made gives the rules as an engine evaluates them, no alert active.
func made(specs []rulefmt.Rule) ([]*rules.AlertingRule, error) {
	var all []*rules.AlertingRule
	for _, r := range specs {
		expr, err := parse(r.Expr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Alert, err)
		}
		all = append(all, rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), time.Duration(r.KeepFiringFor),
			labels.FromMap(r.Labels), labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler)))
	}
	return all, nil
}

// check holds the alerts of that name that fire against those expected.
func (e expectation) check(all []*rules.AlertingRule) error {
	var got, want []string
	for _, r := range all {
		if r.Name() != e.Name {
			continue
		}
		for _, a := range r.ActiveAlerts() {
			if a.State != rules.StateFiring {
				continue
			}
			set := a.Labels.Map()
			delete(set, "alertname")
			got = append(got, alert{set, a.Annotations.Map()}.String())
		}
	}
	for _, a := range e.Fires {
		want = append(want, alert{maps.Clone(a.Labels), maps.Clone(a.Annotations)}.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s:\n  fires    %s\n  expected %s", e.Name, strings.Join(got, "\n           "), strings.Join(want, "\n           "))
	}
	return nil
}

var promQL = parser.NewParser(parser.Options{})

func parse(expr string) (parser.Expr, error) { return promQL.ParseExpr(expr) }

func series(text string) (labels.Labels, []parser.SequenceValue, error) {
	return promQL.ParseSeriesDesc(text)
}

func ruleFile(name string) (*rulefmt.RuleGroups, []error) {
	return rulefmt.ParseFile(name, false, model.UTF8Validation, promQL, slog.New(slog.DiscardHandler))
}
