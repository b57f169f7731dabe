// Command generate writes what the deployment repeats of the code and of itself: topics and rights
// as the chart reads them, the topics' script of the compose file, and the chart's copies of the
// dashboards and the alert rules.
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
	"slices"
	"strings"

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
	files[chart+"/alerts.yaml"] = alerts
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
		out = append(out, topicFile{s.Name, s.Config})
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
	b.WriteString("#!/bin/sh\n# Made by deploy/generate from pkg/topic. Creates the topics that are absent.\nset -eu\n")
	b.WriteString(`create() {` + "\n" + `  name=$1; shift` + "\n" +
		`  /opt/kafka/bin/kafka-topics.sh --bootstrap-server "$KAFKA_BROKERS" --create --if-not-exists --topic "$name" --partitions "$PARTITIONS" --replication-factor "$REPLICATION" "$@"` + "\n}\n")
	for _, s := range topic.Specs(1, 1) {
		b.WriteString("create " + s.Name)
		for _, key := range slices.Sorted(maps.Keys(s.Config)) {
			fmt.Fprintf(&b, " --config %s=%s", key, s.Config[key])
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func indented(v any) ([]byte, error) {
	out, err := json.MarshalIndent(v, "", "  ")
	return append(out, '\n'), err
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
