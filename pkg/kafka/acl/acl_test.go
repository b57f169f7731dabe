package acl_test

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
)

var update = flag.Bool("update", false, "write the generated parts of the document anew")

const document = "../../../docs/kafka-security.md"

// docs/kafka-security.md holds the rights as they are here.
func TestTheDocumentHoldsTheRights(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	want := string(text)
	for name, content := range map[string]string{
		"table":    acl.Table(acl.Services()),
		"commands": "```sh cluster\n" + acl.Commands(acl.Services()) + "```\n",
	} {
		begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->\n"
		before, rest, ok := strings.Cut(want, begin)
		require.True(t, ok, name)
		_, after, ok := strings.Cut(rest, end)
		require.True(t, ok, name)
		want = before + begin + content + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "go test ./pkg/kafka/acl -update")
}

// It lists every variable.
func TestTheDocumentListsEveryVariable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	for prefix, of := range map[string]reflect.Type{"KAFKA_": reflect.TypeFor[kafka.TLS](), "KAFKA_SASL_": reflect.TypeFor[kafka.SASL]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("env"), ",")
			require.Contains(t, string(text), "| `"+prefix+name+"` |")
		}
	}
}

// No service may create, alter or delete anything, and none has the whole of a kind of resource.
func TestTheRightsAreTheLeast(t *testing.T) {
	t.Parallel()
	for _, s := range acl.Services() {
		seen := map[acl.Right]bool{}
		for _, r := range s.Rights {
			require.False(t, seen[r], "%s: %v twice", s.Name, r)
			seen[r] = true
			require.NotEqual(t, acl.Cluster, r.Resource, "%s: %v", s.Name, r)
			require.NotEmpty(t, r.Name)
			require.NotContains(t, r.Name, "*")
			if s.Name != "topics" {
				require.Contains(t, []acl.Operation{acl.Read, acl.Write, acl.DescribeConfigs}, r.Operation, "%s: %v", s.Name, r)
			}
		}
	}
}

func TestLacking(t *testing.T) {
	t.Parallel()
	needed := acl.Enricher("g", true)
	read, write := acl.Right{Operation: acl.Read, Resource: acl.Topic, Name: "callback.lifecycle.v1"}, acl.Right{Operation: acl.Write, Resource: acl.Topic, Name: "callback.lifecycle.v1"}
	ids := acl.Right{Operation: acl.Write, Resource: acl.TransactionalID, Name: "g-", Prefix: true}
	for name, tc := range map[string]struct {
		refused acl.Right
		want    []acl.Right
	}{
		"one of its rights": {read, []acl.Right{read}},
		"not even describing, which each of them brings along":  {acl.Right{Operation: acl.Describe, Resource: acl.Topic, Name: "callback.lifecycle.v1"}, []acl.Right{read, write}},
		"a transactional id, as it is granted":                  {acl.Right{Operation: acl.Write, Resource: acl.TransactionalID, Name: "g-7"}, []acl.Right{ids}},
		"a transactional id's coordinator":                      {acl.Right{Operation: acl.Describe, Resource: acl.TransactionalID, Name: "g-7"}, []acl.Right{ids}},
		"another topic, as it was refused":                      {acl.Right{Operation: acl.Describe, Resource: acl.Topic, Name: "other"}, []acl.Right{{Operation: acl.Describe, Resource: acl.Topic, Name: "other"}}},
		"a name that is shorter than the prefix, as it was":     {acl.Right{Operation: acl.Write, Resource: acl.TransactionalID, Name: "g"}, []acl.Right{{Operation: acl.Write, Resource: acl.TransactionalID, Name: "g"}}},
		"writing idempotently, which writing any topic implies": {acl.Right{Operation: acl.IdempotentWrite, Resource: acl.Cluster, Name: acl.ClusterName}, writes(needed)},
	} {
		require.Equal(t, tc.want, acl.Lacking(needed, tc.refused), name)
	}
	require.Equal(t, []acl.Right{read}, acl.Lacking(nil, read))
}

func writes(rights []acl.Right) (topics []acl.Right) {
	for _, r := range rights {
		if r.Resource == acl.Topic && r.Operation == acl.Write {
			topics = append(topics, r)
		}
	}
	return topics
}
