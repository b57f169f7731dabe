package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
