package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/services/ringback/cli"
	"github.com/ringback/ringback/services/ringback/pipeline"
)

// The guide's reporting options hold in ringback run, for all callback services and for single ones.
func TestReportingOptionsHoldForEachCallbackService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	services := filepath.Join(dir, "services.json")
	require.NoError(t, os.WriteFile(services, []byte(`{"silent": {"_rep_userevent_enable": false}, "vip": {"_rep_userevent_dn": "REPORTING_VIP"}}`), 0o600))
	event := func(service string) string {
		return `{"specversion":"1.0","id":"1","source":"/ivr","type":"callback.requested","subject":"` + service + `-1","time":"2026-03-01T09:30:00Z",` +
			`"data":{"callback_type":"IMMEDIATE","service_name":"` + service + `"}}` + "\n"
	}
	run := func(env config.Environment) (code int, stdout, stderr string) {
		var out, err bytes.Buffer
		in := strings.NewReader(event("silent") + event("vip") + event("plain"))
		code = cli.Run(t.Context(), "test", []string{"run", "--once", "--data", filepath.Join(dir, "data"), "--import", "-"}, cli.IO{In: in, Out: &out, Err: &err, Env: env})
		return code, out.String(), err.String()
	}

	code, _, stderr := run(config.Environment{"TSERVER_REP_USEREVENT_MEDIATYPE": "voice", "TSERVER_REP_USEREVENT_SWTICH": "S"})
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "TSERVER_REP_USEREVENT_MEDIATYPE")
	require.Contains(t, stderr, "TSERVER_REP_USEREVENT_SWTICH")

	code, stdout, stderr := run(config.Environment{"TSERVER_REP_USEREVENT_DN": "REPORTING_ALL", "TSERVER_SERVICES_FILE": services})
	require.Zero(t, code, stderr)
	var s pipeline.Summary
	require.NoError(t, json.Unmarshal([]byte(stdout), &s))
	requireBalance(t, &s)
	require.EqualValues(t, 3, s.TServer.Applied)
	log, err := os.ReadFile(pipeline.PathsOf(filepath.Join(dir, "data")).TServerLog)
	require.NoError(t, err)
	require.NotContains(t, string(log), "silent-1")
	for _, want := range []string{"vip-1", "plain-1", "\tAttributeThisDN\t'REPORTING_VIP'\n", "\tAttributeThisDN\t'REPORTING_ALL'\n"} {
		require.Contains(t, string(log), want)
	}
	require.NotContains(t, string(log), "'REPORTING'")

	code, report, stderr := ringback(t, "", "verify", "--data", filepath.Join(dir, "data"))
	require.Zero(t, code, report+stderr)
	require.Contains(t, report, "1 UserEvents were not to be sent, says the ledger")
}

// verify knows what store-event-data keeps: it misses nothing else, and misses that.
func TestVerifyByStoreEventData(t *testing.T) {
	t.Parallel()
	for mode, c := range map[string]struct {
		keys, says, spoil, fails string
	}{
		"none": {says: "store-event-data is none", spoil: "DELETE FROM CALLBACK_FACT WHERE EVENT_SEQUENCE = 1", fails: "3. FAILED  CALLBACK_FACT"},
		"conf": {
			keys: "_CB_SERVICE_ID,_CB_FINAL_RECORD,_CB_DISPOSITION", says: "6 rows, of the 3 KVPs that store-event-data keeps, of 2 UserEvents",
			spoil: "UPDATE G_CUSTOM_DATA_S SET Value = 'ANOTHER' WHERE KeyName = '_CB_DISPOSITION'", fails: "2. FAILED  G_CUSTOM_DATA_S",
		},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			env := config.Environment{"INFOMART_STORE_EVENT_DATA": mode, "INFOMART_EVENT_DATA_KEYS": c.keys}
			dir := t.TempDir()
			do := func(args ...string) (int, string) {
				var out, err bytes.Buffer
				in := strings.NewReader(strings.Join(lines(t, "immediate"), "\n"))
				code := cli.Run(t.Context(), "test", append(args, "--data", dir), cli.IO{In: in, Out: &out, Err: &err, Env: env})
				return code, out.String() + err.String()
			}
			code, said := do("run", "--once", "--import", "-")
			require.Zero(t, code, said)
			code, said = do("verify")
			require.Zero(t, code, said)
			require.Contains(t, said, c.says)
			spoilStore(c.spoil)(t, pipeline.PathsOf(dir))
			code, said = do("verify")
			require.Equal(t, cli.ExitFailed, code)
			require.Contains(t, said, c.fails)
		})
	}
}
