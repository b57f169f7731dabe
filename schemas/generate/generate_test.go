package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ringback/ringback/schemas"
	"github.com/ringback/ringback/schemas/asyncapi"
)

// The generated files in the repository are what the schemas say.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	if err := run("../..", true); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFindsADifference(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := run(root, true); err == nil {
		t.Fatal("files that are not there passed the check")
	}
	if err := run(root, false); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "docs", "kvps.md")
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(have, []byte("flag"), []byte("flog"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(root, true); err == nil || !strings.Contains(err.Error(), "docs/kvps.md") {
		t.Fatalf("a changed file passed the check: %v", err)
	}
}

func TestKeyName(t *testing.T) {
	t.Parallel()
	for kvp, want := range map[string]string{
		"_CB_SERVICE_ID": "KeyServiceID", "_CB_DIM_VQ_DBID": "KeyDimVQDBID", "VQ_CFG_TYPE_ID": "KeyVQCfgTypeID", "_CB_ORS_SESSION_ID": "KeyORSSessionID",
		"_CB_DIAL_1_RESULT": "KeyDial1Result", "_CB_N_IXN_REQ_AGENT": "KeyNIxnReqAgent", "_CB_OFFER_EWT_INBOUND_VQ": "KeyOfferEWTInboundVQ", "_CB_CUSTOMER_ANI": "KeyCustomerANI",
	} {
		if got := keyName(kvp); got != want {
			t.Errorf("%s is %s, not %s", kvp, got, want)
		}
	}
}

func TestKVPsAreChecked(t *testing.T) {
	t.Parallel()
	good := field{Name: "cb_x", KVP: "_CB_X", KVPType: "flag", Type: json.RawMessage(`["null","long"]`)}
	for name, change := range map[string]func(*field){
		"an unknown kind":    func(f *field) { f.KVPType = "boolean" },
		"another type":       func(f *field) { f.Type = json.RawMessage(`["null","string"]`) },
		"no null":            func(f *field) { f.Type = json.RawMessage(`"long"`) },
		"another field name": func(f *field) { f.Name = "x" },
	} {
		bad := good
		change(&bad)
		if _, err := (&recordSchema{Fields: []field{bad}}).kvps(); err == nil {
			t.Errorf("%s passed", name)
		}
	}
	if _, err := (&recordSchema{Fields: []field{good, good}}).kvps(); err == nil {
		t.Error("the same KVP twice passed")
	}
	if got, err := (&recordSchema{Fields: []field{good, {Name: "other"}}}).kvps(); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestEventDocsAreChecked(t *testing.T) {
	t.Parallel()
	a := field{Name: "a", Doc: "d", Type: json.RawMessage(`"long"`)}
	if _, err := eventDocs(&recordSchema{Fields: []field{a}, EventTypes: []eventType{{Type: "t", Optional: []string{"b"}}}}); err == nil {
		t.Error("a field that the schema does not have passed")
	}
	if _, err := eventDocs(&recordSchema{Fields: []field{a}, EventTypes: []eventType{{Type: "t"}}}); err == nil {
		t.Error("a field of no event passed")
	}
}

// Every schema is some topic's, and the document says of each record what it is told by.
func TestAsyncAPIHoldsEverySchema(t *testing.T) {
	t.Parallel()
	text, err := asyncAPI(asyncapi.Topics)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Channels   map[string]struct{ Address string }
		Components struct {
			Schemas  map[string]struct{ Schema json.RawMessage }
			Messages map[string]struct {
				Subject string `json:"x-subject"`
				Headers struct{ Required []string }
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range schemas.Names() {
		want, _, err := schemas.Latest(name)
		if err != nil {
			t.Fatal(err)
		}
		var a, b bytes.Buffer
		if err := errors.Join(json.Compact(&a, []byte(want)), json.Compact(&b, doc.Components.Schemas[name].Schema)); err != nil || a.String() != b.String() {
			t.Errorf("%s is not in the document as it is in its file: %v", name, err)
		}
	}
	for name, subject := range map[string]string{
		"userEvent": "callback.userevents.v1-value", "sessionState": "callback.sessions.v1-ringback.callback.v1.SessionState", "position": "callback.sessions.v1-ringback.callback.v1.Position", "tick": "",
	} {
		if got := doc.Components.Messages[name].Subject; got != subject {
			t.Errorf("%s has the subject %q, not %q", name, got, subject)
		}
	}
	if got := doc.Components.Messages["deadLetter"].Headers.Required; slices.Contains(got, "ce_subject") || !slices.Contains(got, "ce_id") {
		t.Errorf("a dead letter has a ce_id, and a ce_subject only where the service is known: %v", got)
	}
	if len(doc.Channels) != len(asyncapi.Topics) || doc.Channels["lifecycle"].Address != asyncapi.Lifecycle {
		t.Errorf("channels %v", doc.Channels)
	}
}

func TestTopicsAreChecked(t *testing.T) {
	t.Parallel()
	good := asyncapi.Topic{
		Name: "t", Channel: "t", Config: map[string]string{"cleanup.policy": "delete"},
		Messages: []asyncapi.Message{{Name: "m", Schema: schemas.DeadLetter, Type: "x"}},
	}
	if _, err := asyncAPI([]asyncapi.Topic{good}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*asyncapi.Topic){
		"no cleanup.policy":          func(t *asyncapi.Topic) { t.Config = nil },
		"a schema that is not there": func(t *asyncapi.Topic) { t.Messages = []asyncapi.Message{{Name: "m", Schema: "none", Type: "x"}} },
		"a message without a type":   func(t *asyncapi.Topic) { t.Messages = []asyncapi.Message{{Name: "m", Schema: schemas.DeadLetter}} },
		"a type beside event types": func(t *asyncapi.Topic) {
			t.Messages = []asyncapi.Message{{Name: "m", Schema: schemas.LifecycleEvent, Type: "x"}}
		},
	} {
		bad := good
		change(&bad)
		if _, err := asyncAPI([]asyncapi.Topic{bad}); err == nil {
			t.Errorf("%s passed", name)
		}
	}
}
