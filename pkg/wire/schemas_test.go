package wire_test

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/require"
	twmb "github.com/twmb/avro"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/schemas"
)

var update = flag.Bool("update", false, "write the golden records that are missing, and what they are read as")

const testdata = "../../schemas/testdata"

func texts(t *testing.T, name string) []string {
	t.Helper()
	versions, err := schemas.Versions(name)
	require.NoError(t, err)
	require.NotEmpty(t, versions)
	var out []string
	for _, v := range versions {
		text, err := schemas.Text(name, v)
		require.NoError(t, err)
		out = append(out, text)
	}
	return out
}

// fullTransitive says which of the versions cannot read one another.
func fullTransitive(versions []string) error {
	for i := range versions {
		for j := range versions {
			writer, err := twmb.Parse(versions[i])
			if err != nil {
				return fmt.Errorf("version %d: %w", i+1, err)
			}
			reader, err := twmb.Parse(versions[j])
			if err != nil {
				return fmt.Errorf("version %d: %w", j+1, err)
			}
			if err := twmb.CheckCompatibility(writer, reader); err != nil {
				return fmt.Errorf("version %d cannot read version %d: %w", j+1, i+1, err)
			}
		}
	}
	return nil
}

func TestVersionsAreFullTransitive(t *testing.T) {
	t.Parallel()
	for _, name := range schemas.Names() {
		require.NoError(t, fullTransitive(texts(t, name)), name)
	}
}

// The check above can fail: each of these would break a reader or a writer that is out there.
func TestFullTransitiveFindsBreaks(t *testing.T) {
	t.Parallel()
	rec := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	for name, versions := range map[string][]string{
		"a field without default": {rec(``), rec(`{"name":"a","type":"int"}`)},
		"a wider type":            {rec(`{"name":"a","type":"int"}`), rec(`{"name":"a","type":"long"}`)},
		"first against third":     {rec(`{"name":"a","type":"int","default":0}`), rec(``), rec(`{"name":"a","type":"string","default":""}`)},
	} {
		require.Error(t, fullTransitive(versions), name)
	}
}

// Every field is documented, in every version, down to nested records.
func TestFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	for _, name := range schemas.Names() {
		for _, text := range texts(t, name) {
			var tree any
			require.NoError(t, json.Unmarshal([]byte(text), &tree))
			var walk func(any)
			walk = func(v any) {
				switch v := v.(type) {
				case []any:
					for _, e := range v {
						walk(e)
					}
				case map[string]any:
					if v["type"] == "record" || v["type"] == "enum" {
						require.NotEmpty(t, v["doc"], "%s: %s", name, v["name"])
					}
					fields, _ := v["fields"].([]any)
					for _, f := range fields {
						require.NotEmpty(t, f.(map[string]any)["doc"], "%s: field %s", name, f.(map[string]any)["name"])
					}
					walk(v["type"])
					walk(v["items"])
					walk(fields)
				}
			}
			walk(tree)
		}
	}
}

// A golden record of each version, written when the version was new, is read by the newest.
func TestGoldenRecords(t *testing.T) {
	t.Parallel()
	for _, name := range schemas.Names() {
		versions := texts(t, name)
		newest := avro.MustParse(versions[len(versions)-1])
		for i, text := range versions {
			t.Run(fmt.Sprintf("%s/v%d", name, i+1), func(t *testing.T) {
				t.Parallel()
				base := filepath.Join(testdata, "golden", name, fmt.Sprintf("v%d", i+1))
				var tree any
				require.NoError(t, json.Unmarshal([]byte(text), &tree))
				writer := avro.MustParse(text)
				written, err := writer.AppendRecord(nil, fill(tree, "").(avro.Record))
				require.NoError(t, err)
				if _, err := os.Stat(base + ".hex"); *update && os.IsNotExist(err) {
					require.NoError(t, os.MkdirAll(filepath.Dir(base), 0o755))
					require.NoError(t, os.WriteFile(base+".hex", []byte(hex.EncodeToString(written)+"\n"), 0o644))
				}
				stored, err := os.ReadFile(base + ".hex")
				require.NoError(t, err, "run the test with -update when a version is new")
				golden, err := hex.DecodeString(strings.TrimSpace(string(stored)))
				require.NoError(t, err)

				codec, err := goavro.NewCodec(text)
				require.NoError(t, err)
				_, rest, err := codec.NativeFromBinary(golden)
				require.NoError(t, err, "version %d is not what it was when it was released", i+1)
				require.Empty(t, rest)

				read, err := avro.NewReader(writer, newest)
				require.NoError(t, err)
				got, err := read.Decode(nil, golden)
				require.NoError(t, err)
				var shown bytes.Buffer
				for j, field := range newest.Fields() {
					value, err := json.Marshal(got[j])
					require.NoError(t, err)
					fmt.Fprintf(&shown, "%s %s\n", field, value)
				}
				if *update {
					require.NoError(t, os.WriteFile(base+".txt", shown.Bytes(), 0o644))
				}
				want, err := os.ReadFile(base + ".txt")
				require.NoError(t, err)
				require.Equal(t, string(want), shown.String())
			})
		}
	}
}

// fill makes a value in which every field says something, from its name.
func fill(v any, name string) any {
	switch v := v.(type) {
	case string:
		switch v {
		case "string":
			return "a " + name
		case "bytes":
			return []byte(name)
		case "boolean":
			return true
		case "int":
			return int32(1000 + len(name))
		default: // long
			return int64(-1_772_000_000_000 - len(name))
		}
	case []any: // null and another type
		return fill(v[1], name)
	}
	m := v.(map[string]any)
	switch m["type"] {
	case "record":
		var r avro.Record
		for _, f := range m["fields"].([]any) {
			f := f.(map[string]any)
			r = append(r, fill(f["type"], f["name"].(string)))
		}
		return r
	case "array":
		return []any{fill(m["items"], name), fill(m["items"], name+"2")}
	case "map":
		return map[string]any{"z": fill(m["values"], name), "a": fill(m["values"], name+"2")}
	default: // enum
		symbols := m["symbols"].([]any)
		return symbols[len(symbols)-1]
	}
}

// All KVPs of the source guide are in the schema of the UserEvent, with what the guide says of each.
func TestKVPsOfTheGuide(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join(testdata, "kvps.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+70)
	text, _, err := schemas.Latest(schemas.UserEvent)
	require.NoError(t, err)
	var schema struct {
		Fields []struct {
			Name, KVP, KVPType, RequestParameter, Table, Column, Via, Introduced, Allowed string
			Mandatory, AttachedData                                                       bool
			Type                                                                          json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &schema))
	yes := map[bool]string{true: "yes"}
	got := [][]string{}
	for _, f := range schema.Fields {
		if f.KVP != "" {
			got = append(got, []string{f.KVP, f.KVPType, yes[f.Mandatory], yes[f.AttachedData], f.RequestParameter, f.Table, f.Column, f.Via, f.Introduced, f.Allowed})
		}
	}
	require.Equal(t, rows[1:], got)

	kinds := map[string]callback.Kind{"string": callback.String, "integer": callback.Integer, "count": callback.Count, "flag": callback.Flag, "seconds": callback.Seconds, "timestamp": callback.Timestamp}
	require.EqualValues(t, 70, callback.NumKVPs)
	for i, row := range rows[1:] {
		info := callback.KVP(i).Info()
		require.Equal(t, row, []string{
			info.Name, row[1], yes[info.Mandatory], yes[info.AttachedData], info.Parameter, info.Table, info.Column, info.Via, row[8], row[9],
		}, "the generated code")
		require.Equal(t, kinds[row[1]], info.Kind)
	}
}

// The attached data's KVPs are those that the UserEvent's schema marks.
func TestAttachedDataHasTheMarkedKVPs(t *testing.T) {
	t.Parallel()
	text, _, err := schemas.Latest(schemas.AttachedData)
	require.NoError(t, err)
	var schema struct{ Fields []struct{ KVP string } }
	require.NoError(t, json.Unmarshal([]byte(text), &schema))
	var have, marked []string
	for _, f := range schema.Fields {
		if f.KVP != "" {
			have = append(have, f.KVP)
		}
	}
	for k := range callback.KVP(callback.NumKVPs) {
		if k.Info().AttachedData {
			marked = append(marked, k.String())
		}
	}
	require.ElementsMatch(t, marked, have)
}

// The fields that the schema gives each type of event are those that the code takes.
func TestEventTypesOfTheSchema(t *testing.T) {
	t.Parallel()
	text, _, err := schemas.Latest(schemas.LifecycleEvent)
	require.NoError(t, err)
	var schema struct {
		EventTypes []struct {
			Type               callback.Type
			Required, Optional []string
		}
		Fields []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &schema))
	require.Len(t, schema.EventTypes, len(callback.Types))
	for i, et := range schema.EventTypes {
		require.Equal(t, callback.Types[i], et.Type, "the order is the rank")
		for _, f := range schema.Fields {
			e := &callback.Event{Source: "/s", ID: "1", Type: et.Type, Subject: "svc", Time: 1_772_000_000_000_000, Data: everyField()}
			clearField(&e.Data, f.Name)
			taken, missing := true, false
			full := *e
			full.Data = everyField()
			for _, fault := range full.Validate() {
				taken = taken && !(fault.Field == f.Name && strings.Contains(fault.Reason, "is no field"))
			}
			for _, fault := range e.Validate() {
				missing = missing || (fault.Field == f.Name && strings.Contains(fault.Reason, "is missing"))
			}
			require.Equal(t, contains(et.Required, f.Name), missing, "%s needs %s", et.Type, f.Name)
			require.Equal(t, contains(et.Required, f.Name) || contains(et.Optional, f.Name), taken, "%s takes %s", et.Type, f.Name)
		}
	}
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// everyField is data in which every field is given, with a value that is allowed.
func everyField() callback.Data {
	when := callback.Micros(1_772_000_000_000_000)
	return callback.Data{
		Channel: ptr("IVR"), OfferType: ptr("IMMEDIATE"), OfferTiming: ptr("ON-HOURS"), EWT: ptr(int64(1)), Position: ptr(int64(1)),
		EWTThreshold: ptr(int64(1)), InboundVQEWT: ptr(int64(1)), WaitedBeforeOffer: ptr(int64(1)), CustomerANI: ptr("5550100"),
		OriginationIxnID: ptr("i"), VirtualQueue: &callback.VirtualQueue{Name: "VQ"}, Priority: ptr(int64(1)), CallbackType: ptr("IMMEDIATE"),
		ServiceName: ptr("s"), CustomerNumber: ptr("5550100"), DesiredTime: &when, CallDirection: ptr("CUSTOMER_TERMINATED"), MediaType: ptr("voice"),
		MaxAttempts: ptr(int64(1)), Parameters: map[string]string{}, IgnoringAvailability: ptr(true), Kind: ptr("CALL"), IxnID: ptr("i"),
		Result: ptr("BUSY"), Attempt: ptr(int64(1)), NextAttemptAt: &when, Target: ptr("t"), ConnectOrder: ptr("CUSTOMER_FIRST"), Disposition: ptr("d"),
	}
}

// clearField takes a field away, by its name in the schema.
func clearField(d *callback.Data, name string) {
	v := reflect.ValueOf(d).Elem()
	for i := range v.NumField() {
		if strings.EqualFold(v.Type().Field(i).Name, strings.ReplaceAll(name, "_", "")) {
			v.Field(i).SetZero()
			return
		}
	}
	panic("no field " + name)
}
