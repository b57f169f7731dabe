//go:build realkafka && realpostgres && realregistry

package marked

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/topic"
)

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// Invariant 10: no secret, phone number or ANI in a log line, metric label or error text.
func TestRealNothingMarkedIsWritten(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	w := newWorld(ctx, t)
	w.start(ctx, t)
	w.constrain(ctx, t)
	out := written{}

	plain, termed := good(t, w.Marks, "plain", false), good(t, w.Marks, "terms", true)
	w.accepted(ctx, t, plain)
	w.accepted(ctx, t, termed)
	w.refused(ctx, t, out)
	w.accepted(ctx, t, conflicts(w.Marks, plain)) // the enricher refuses them
	w.settled(ctx, t)

	userEvents, err := w.read(ctx, topic.UserEvents)
	require.NoError(t, err)
	attached, err := w.read(ctx, topic.AttachedData)
	require.NoError(t, err)
	events, err := w.read(ctx, topic.Lifecycle)
	require.NoError(t, err)
	w.produce(ctx, t, append(spoilt(w.Marks, events[0]), w.illegal(t)...)...)
	w.produce(ctx, t, append(spoilt(w.Marks, userEvents[0]), w.userEvents(ctx, t, userEvents[0])...)...)
	w.produce(ctx, t, spoilt(w.Marks, attached[0])...)
	w.settled(ctx, t)
	w.hardship(ctx, t, out)
	w.commands(ctx, t, out, plain)

	w.spans.await(ctx, t, "POST /v1/events", "enrich", "sink infomart", "sink tserver", "outage", "kafka", topic.UserEvents)
	count := out.all(ctx, t, w)
	t.Logf("%d marks; dead letters: %v", w.Made(), count)
	for _, reason := range []string{
		"enricher CONFLICT", "enricher UNDECODABLE", "enricher UNKNOWN_SCHEMA", "enricher UNKNOWN_TYPE", "enricher NOT_A_CLOUDEVENT", "enricher INVALID_FIELD",
		"infomart MISSING_MANDATORY_KVP", "infomart UNDECODABLE", "infomart UNKNOWN_SCHEMA", "infomart NOT_A_CLOUDEVENT", "infomart REFUSED", "infomart CONFLICT",
		"tserver UNDECODABLE", "tserver UNKNOWN_SCHEMA", "tserver NOT_A_CLOUDEVENT", "tserver REFUSED",
	} {
		if count[reason] == 0 {
			t.Errorf("no record was refused as %s; the dead letters are:\n%s", reason, out["dead letters"])
		}
	}
	for _, leak := range out.leaks(w.Marks) {
		t.Error(leak)
	}

	// What is not there to be found would not be found: the marks went all the way, and the search sees a leak.
	w.arrived(ctx, t)
	planted, where := w.planted(ctx, t)
	found := strings.Join(planted.leaks(w.Marks), "\n")
	for _, place := range where {
		require.Contains(t, found, place+": the mark of a planted leak")
	}
}

// constrain has the database refuse a row by a rule that the sink does not know.
func (w *world) constrain(ctx context.Context, t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(ctx, w.services.Parts.Postgres)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, "ALTER TABLE dbo.CALLBACK_FACT ADD CONSTRAINT A_CUSTOMERS_RULE CHECK (SERVICE_ID <> 'refused-constraint')")
	require.NoError(t, err)
}

// send posts a body and returns the status and the answer.
func (w *world) send(ctx context.Context, t *testing.T, body []byte, headers map[string]string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.intake, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, answer
}

const (
	structured = "application/cloudevents+json"
	batched    = "application/cloudevents-batch+json"
)

// accepted posts events in one batch, each of which must be accepted.
func (w *world) accepted(ctx context.Context, t *testing.T, events []object) {
	t.Helper()
	body, err := json.Marshal(events)
	require.NoError(t, err)
	status, answer := w.send(ctx, t, body, map[string]string{"Content-Type": batched})
	require.Equal(t, http.StatusAccepted, status, "%.2000s", answer)
}

// refused sends what intake refuses, one by one, in every mode and with every mistake, and keeps the answers.
func (w *world) refused(ctx context.Context, t *testing.T, out written) {
	t.Helper()
	accepted := 0
	post := func(body []byte, headers map[string]string) {
		t.Helper()
		status, answer := w.send(ctx, t, body, headers)
		if status == http.StatusAccepted {
			accepted++ // a field that a type does not look at, or a text that may be any
		} else {
			require.True(t, status >= 400 && status < 500, "%d: %s", status, answer)
		}
		out.add("answers", answer)
	}
	for _, e := range bad(t, w.Marks) {
		body, err := json.Marshal(e)
		require.NoError(t, err)
		post(body, map[string]string{"Content-Type": structured})
	}
	require.Less(t, accepted, 50)
	for _, body := range texts(w.Marks) {
		for _, mode := range []string{structured, batched} {
			post(body, map[string]string{"Content-Type": mode})
		}
	}
	for _, name := range []string{"ce-specversion", "ce-time", "ce-type", "ce-tenantdbid", "Content-Type", "Content-Encoding", "Authorization", "Traceparent"} {
		headers := map[string]string{
			"ce-specversion": "1.0", "ce-id": "binary", "ce-source": "/marked", "ce-type": "callback.queued", "ce-subject": "binary", "ce-time": "2026-03-01T09:30:00Z",
			"Content-Type": "application/json",
		}
		headers[name] = w.New("the header " + name)
		post([]byte(`{}`), headers)
	}
	// Paths, and what is no HTTP.
	for _, path := range []string{"/v1/events?customer_number=", "/v1/customers/"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(w.intake, "/v1/events")+path+w.New("the path "+path), nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		answer, err := io.ReadAll(res.Body)
		require.NoError(t, errors.Join(err, res.Body.Close()))
		out.add("answers", answer)
	}
}

// settled waits until every record is dealt with and nothing more is due.
func (w *world) settled(ctx context.Context, t *testing.T) {
	t.Helper()
	w.flush(ctx, t)
	require.NoError(t, process.Until(ctx, func() error {
		ends, err := w.client.Offsets(ctx, topic.Lifecycle)
		if err != nil {
			return err
		}
		for n, r := range ends {
			at, _, err := w.client.CommittedOffset(ctx, "ringback-enricher", topic.Lifecycle, n)
			if err == nil && at != r.Latest {
				err = fmt.Errorf("the enricher stands at %d of %d in partition %d: %w", at, r.Latest, n, w.named["enricher"].Readiness(ctx))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
	for sink, topics := range map[string][]string{"infomart": {topic.UserEvents}, "tserver": {topic.UserEvents, topic.AttachedData}} {
		for _, name := range topics {
			records, err := w.read(ctx, name)
			require.NoError(t, err)
			require.NotEmpty(t, records)
			require.NoError(t, process.Until(ctx, func() error {
				samples, err := w.named[sink].Scrape(ctx)
				if done := int(samples.Sum("ringback_sink_records_total", fmt.Sprintf("topic=%q", name))); err == nil && done < len(records) {
					err = fmt.Errorf("sink %s has dealt with %d records of %d in %s: %w", sink, done, len(records), name, w.named[sink].Readiness(ctx))
				}
				return err
			}))
		}
	}
}

// hardship starts services whose parts are away, refuse their secrets or answer with errors, and keeps what they say.
func (w *world) hardship(ctx context.Context, t *testing.T, out written) {
	t.Helper()
	nowhere, err := process.FreeAddr()
	require.NoError(t, err)
	wrong := w.secret(t, "a wrong password")
	says := func(p *process.Process, text string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		last := "nothing"
		require.NoError(t, process.Until(ctx, func() error {
			err := p.Readiness(ctx)
			if _, reason, told := strings.Cut(fmt.Sprint(err), ": not ready: "); told {
				if last = reason; strings.Contains(reason, text) {
					return nil
				}
			}
			return errors.New("not yet")
		}), "%s does not say %q but %q; its log:\n%s", p.Name, text, last, p.Tail(1000))
		out.health(ctx, t, p)
	}
	ends := func(p *process.Process) {
		t.Helper()
		select {
		case <-p.Exited():
		case <-ctx.Done():
			t.Fatalf("%s runs on", p.Name)
		}
	}
	away := w.environment(map[string]string{"REGISTRY_URL": "http://" + nowhere, "PRODUCER_AUTH": "off"})
	p, _, err := w.services.Producer("producer-without-registry", away)
	says(w.add(t, p, err), "schema registry")
	p, err = w.services.Enricher("enricher-without-kafka", w.environment(map[string]string{"KAFKA_BROKERS": nowhere}))
	says(w.add(t, p, err), "")
	p, err = w.services.Infomart("infomart-without-store", w.environment(map[string]string{
		"STORE_URL": "postgres://marked:" + w.New("a password of a store that is away") + "@" + nowhere + "/store", "SINK_GROUP": "marked-away",
	}))
	says(w.add(t, p, err), "")
	p, err = w.services.Enricher("enricher-with-a-wrong-password", w.environment(map[string]string{"KAFKA_SASL_PASSWORD_FILE": wrong}))
	ends(w.add(t, p, err))
	p, err = w.services.Infomart("infomart-with-a-bad-url", w.environment(map[string]string{"STORE_URL": "postgres://marked:" + w.New("a password in a bad URL") + "@[/store"}))
	ends(w.add(t, p, err))

	tokens := filepath.Join(t.TempDir(), "tokens")
	line := w.New("a token that is there twice")
	require.NoError(t, os.WriteFile(tokens, []byte(line+"\n"+line+"\n\x00"+w.New("a token with a NUL")+" 0\n"+w.New("a token with a bad tenant")+" 99999999999\n"), 0o600))
	p, _, err = w.services.Producer("producer-with-bad-tokens", w.environment(map[string]string{"PRODUCER_AUTH": "token", "PRODUCER_TOKENS_FILE": tokens}))
	ends(w.add(t, p, err))

	// T-Server refuses the token, and answers with errors that are waited out. Their ledgers are others than that of the
	// sink by which everything is sent already.
	ledger := func() string { return filepath.Join(t.TempDir(), "ledger.db") }
	ends(w.sink(t, "tserver-with-a-wrong-token", wrong, map[string]string{"STORE_URL": "", "STORE_PATH": ledger()}))
	says(w.sink(t, "tserver-waiting", w.gatewayToken, map[string]string{"STORE_URL": "", "STORE_PATH": ledger(), "TSERVER_REP_USEREVENT_DN": waitDN}), "EventError "+waitCode)
}

// commands runs the operator's commands on what the services got, and keeps what they print.
func (w *world) commands(ctx context.Context, t *testing.T, out written, events []object) {
	t.Helper()
	dir := t.TempDir()
	var file bytes.Buffer
	for _, e := range append(append(events, conflicts(w.Marks, events)...), bad(t, w.Marks)...) {
		line, err := json.Marshal(e)
		require.NoError(t, err)
		file.Write(append(line, '\n'))
	}
	for _, text := range texts(w.Marks) {
		file.Write(append(bytes.ReplaceAll(text, []byte("\n"), nil), '\n'))
	}
	path, token, data := filepath.Join(dir, "events.jsonl"), filepath.Join(dir, "token"), filepath.Join(dir, "data")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(token, []byte(w.token), 0o600))
	for _, args := range [][]string{
		{"run", "--once", "--data", data, "--import", path}, {"deadletters", "list", "--data", data}, {"verify", "--data", data},
		{"import", "--url", strings.TrimSuffix(w.intake, "/v1/events"), "--token-file", token, path},
	} {
		p := process.New(process.Spec{Name: "ringback-" + strings.Join(args[:2], "-"), Path: w.services.Path("ringback"), Args: args, Logs: w.services.Logs})
		require.NoError(t, p.Start())
		select {
		case <-p.Exited():
		case <-ctx.Done():
			t.Fatalf("%s runs on", p.Name)
		}
		text, err := os.ReadFile(p.LogFile())
		require.NoError(t, err)
		require.Greater(t, len(text), 200, "%s: %s", p.Name, text)
	}
}

// arrived sees to it that marks are where they belong, so that all services have had them.
func (w *world) arrived(ctx context.Context, t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(ctx, w.services.Parts.Postgres)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	for _, query := range []string{
		"SELECT string_agg(CUSTOMER_ANI || ' ' || CUSTOMER_PHONE_NUMBER, ' ') FROM dbo.CALLBACK_FACT", "SELECT string_agg(Value, ' ') FROM dbo.G_CUSTOM_DATA_S",
		"SELECT string_agg(DISPOSITION, ' ') FROM dbo.CALLBACK_DIM_3",
	} {
		var text string
		require.NoError(t, conn.QueryRow(ctx, query).Scan(&text))
		require.NotEmpty(t, w.In([]byte(text)), query)
	}
	text, err := os.ReadFile(w.simLog)
	require.NoError(t, err)
	require.NotEmpty(t, w.In(text), "T-Server's log")
	letters, err := w.read(ctx, topic.DeadLetters)
	require.NoError(t, err)
	var kept bytes.Buffer
	for i := range letters {
		d, err := w.codec.ParseDeadLetter(ctx, &letters[i])
		require.NoError(t, err)
		kept.Write(d.RecordValue)
		for _, h := range d.RecordHeaders {
			kept.Write(h.Value)
		}
	}
	require.NotEmpty(t, w.In(kept.Bytes()), "the records that dead letters keep")
}
