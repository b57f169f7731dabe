// Command generate writes what the deployment repeats of the code and of itself: topics and rights
// as the chart reads them, the topics' script of the compose file, the chart's copies of the dashboards,
// and the alert rules as the chart can make them those of one release.
//
//	go run ./deploy/generate/main.go [-check]    in the root of the checkout
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
	"github.com/ringback/ringback/pkg/topic"
)

const chart = "deploy/helm/ringback/files"

func main() {
	check := flag.Bool("check", false, "write nothing; fail where a file is not as it would be written")
	flag.Parse()
	files, err := generate()
	if err == nil {
		err = settle(files, *check)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate() (map[string][]byte, error) {
	topics, err := indented(topicsOf())
	if err != nil {
		return nil, err
	}
	rights, err := indented(rightsOf())
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		chart + "/topics.json":     topics,
		chart + "/rights.json":     rights,
		"deploy/compose/topics.sh": script(),
	}
	alerts, err := os.ReadFile("deploy/prometheus/alerts.yaml")
	if err != nil {
		return nil, err
	}
	if files[chart+"/alerts.json"], err = rules(alerts); err != nil {
		return nil, err
	}
	dashboards, err := filepath.Glob("deploy/grafana/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range dashboards {
		if files[chart+"/dashboards/"+filepath.Base(name)], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return files, nil
}

type topicFile struct {
	Name   string            `json:"name"`
	Config map[string]string `json:"config"`
}

func topicsOf() []topicFile {
	var out []topicFile
	for _, s := range topic.Specs(1, 1) {
		out = append(out, topicFile{s.Name, kafka.Settings(s)})
	}
	return out
}

type rightFile struct {
	Operation string `json:"operation"`
	Type      string `json:"type"`
	Name      string `json:"name"`
	Prefix    bool   `json:"prefix"`
}

// rightsOf gives the rights by service, operations as Strimzi writes them: Read, DescribeConfigs.
func rightsOf() map[string][]rightFile {
	types := map[acl.Resource]string{acl.Topic: "topic", acl.Group: "group", acl.Cluster: "cluster", acl.TransactionalID: "transactionalId"}
	out := map[string][]rightFile{}
	for _, s := range acl.Services() {
		for _, r := range s.Rights {
			operation := ""
			for word := range strings.SplitSeq(r.Operation.String(), "_") {
				operation += word[:1] + strings.ToLower(word[1:])
			}
			out[s.Name] = append(out[s.Name], rightFile{operation, types[r.Resource], r.Name, r.Prefix})
		}
	}
	return out
}

func script() []byte {
	var b bytes.Buffer
	b.WriteString("#!/bin/sh\n# Made by deploy/generate from pkg/topic. Creates the topics that are absent, as `ringback topics apply` would.\nset -eu\n")
	b.WriteString(`create() {` + "\n" + `  name=$1; shift` + "\n" +
		`  "${KAFKA_TOPICS:-/opt/kafka/bin/kafka-topics.sh}" --bootstrap-server "$KAFKA_BROKERS" --create --if-not-exists --topic "$name" --partitions "$PARTITIONS" --replication-factor "$REPLICATION" --config min.insync.replicas="${MIN_INSYNC:-1}" "$@"` + "\n}\n")
	for _, s := range topic.Specs(1, 1) {
		b.WriteString("create " + s.Name)
		settings := kafka.Settings(s)
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			fmt.Fprintf(&b, " --config %s=%s", key, settings[key])
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// rule is an alert as the chart reads it. RELEASE in its expression stands for the matchers of the release, and
// where Each is set the expression is one term, for SERVICE, of those that are joined by or.
type rule struct {
	Alert       string            `json:"alert" yaml:"alert"`
	Expr        string            `json:"expr" yaml:"expr"`
	For         string            `json:"for,omitempty" yaml:"for"`
	KeepFiring  string            `json:"keep_firing_for,omitempty" yaml:"keep_firing_for"`
	Labels      map[string]string `json:"labels" yaml:"labels"`
	Annotations map[string]string `json:"annotations" yaml:"annotations"`
	// Needs are the services whose metrics it reads; it says nothing where one of them is off.
	Needs []string `json:"needs,omitempty" yaml:"-"`
	Each  bool     `json:"each,omitempty" yaml:"-"`
}

type ruleGroup struct {
	Name  string `json:"name" yaml:"name"`
	Rules []rule `json:"rules" yaml:"rules"`
}

func rules(source []byte) ([]byte, error) {
	var file struct {
		Groups []ruleGroup `json:"groups" yaml:"groups"`
	}
	d := yaml.NewDecoder(bytes.NewReader(source))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("deploy/prometheus/alerts.yaml: %w", err)
	}
	for _, g := range file.Groups {
		for i := range g.Rules {
			r := &g.Rules[i]
			if err := r.ofRelease(); err != nil {
				return nil, fmt.Errorf("deploy/prometheus/alerts.yaml: %s: %w", r.Alert, err)
			}
		}
	}
	return indented(file)
}

var (
	absent = regexp.MustCompile(`^absent\(up\{job="ringback-[a-z-]+"\}\)$`)
	// lexeme is what an expression consists of, as far as it takes to find the selectors: numbers and durations,
	// labels in parentheses, metrics with their matchers, functions with their parenthesis, other words.
	lexeme = regexp.MustCompile(`[0-9][0-9a-z.]*|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\s*\(|\{((?:"(?:[^"\\]|\\.)*"|[^"}])*)\})?|[{"'` + "`" + `]`)
	// words name no metric where no matchers and no parenthesis follow.
	words = strings.Fields("and or unless offset bool atan2 inf nan sum min max avg count group stddev stdvar topk bottomk quantile count_values limitk")
)

// ofRelease has every selector ask for RELEASE.
func (r *rule) ofRelease() error {
	terms := strings.Fields(strings.ReplaceAll(r.Expr, " or ", " "))
	if r.Each = !slices.ContainsFunc(terms, func(t string) bool { return !absent.MatchString(t) }); r.Each {
		r.Expr = `absent(up{RELEASE,job="ringback-SERVICE"})`
		return nil
	}
	var fault error
	needs := map[string]bool{}
	r.Expr = lexeme.ReplaceAllStringFunc(strings.TrimSpace(r.Expr), func(found string) string {
		parts := lexeme.FindStringSubmatch(found)
		name, matchers := parts[1], parts[2]
		switch {
		case strings.ContainsAny(found[:1], "{\"'`"):
			fault = fmt.Errorf("%s where a metric's name is due: it cannot be made one of a release", found)
			return found
		case name == "", strings.HasSuffix(found, "("), slices.Contains(words, name) && matchers == "":
			return found
		}
		for _, of := range []string{"producer", "enricher", "sink"} {
			if strings.HasPrefix(name, "ringback_"+of+"_") {
				needs[of] = true
			}
		}
		if matchers != "" {
			matchers = "," + matchers
		}
		return name + "{RELEASE" + matchers + "}"
	})
	if strings.HasPrefix(r.Alert, "RingbackTServer") {
		needs = map[string]bool{"sink-tserver": true}
	}
	r.Needs = slices.Sorted(maps.Keys(needs))
	return fault
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

func settle(files map[string][]byte, check bool) error {
	var stale []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		have, err := os.ReadFile(name)
		if err == nil && bytes.Equal(have, files[name]) {
			continue
		}
		if check {
			stale = append(stale, name)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, files[name], 0o644); err != nil {
			return err
		}
	}
	// A copy whose original is gone is stale too.
	copies, err := filepath.Glob(chart + "/dashboards/*.json")
	if err != nil {
		return err
	}
	for _, name := range copies {
		if _, ok := files[name]; ok {
			continue
		}
		if check {
			stale = append(stale, name)
		} else if err := os.Remove(name); err != nil {
			return err
		}
	}
	if len(stale) > 0 {
		return fmt.Errorf("not as generated: %s; run go run ./deploy/generate/main.go", strings.Join(stale, ", "))
	}
	return nil
}
