//go:build realkafka && realpostgres && realregistry

package marked

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
	"github.com/ringback/ringback/pkg/wire"
)

const partitions = 4

// The DNs that the simulated T-Server refuses, and its codes for them: the first says that the data is at fault.
const (
	badDN, badCode   = "BADNUMBER", "71"
	waitDN, waitCode = "WAITING", "99"
)

// world is every service as a process, on real parts whose secrets are marks.
type world struct {
	*Marks
	services *process.Services
	env      map[string]string // that every service gets
	client   *kafka.Client
	codec    *wire.Codec
	intake   string // URL that events are posted to
	spans    *collector
	token    string // that the producer lets in
	all      []*process.Process
	named    map[string]*process.Process
	simLog   string
	secure   string // the broker's directory

	gatewayToken string // the file of it
}

func required(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s is not set: scripts/test-real sets it", name)
	return value
}

// script runs a script of the project, and fails with what it printed.
func script(ctx context.Context, t *testing.T, name string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(process.Root(), "scripts", name))
	cmd.Env = append(os.Environ(), env...)
	log, err := os.CreateTemp("", name) // the test's own directory may be gone
	require.NoError(t, err)
	defer os.Remove(log.Name())
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log // what the script starts keeps them open: no pipe that would be waited for
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("%s: %v\n%s", name, err, said)
	}
}

func newWorld(ctx context.Context, t *testing.T) *world {
	t.Helper()
	w := &world{Marks: &Marks{}, named: map[string]*process.Process{}}
	dir := t.TempDir()
	programs, err := process.Build(ctx, filepath.Join(dir, "bin"), false)
	require.NoError(t, err)
	w.services = &process.Services{Binaries: programs, Logs: filepath.Join(dir, "logs")}
	w.kafka(ctx, t)
	w.spans = newCollector(t)
	maps.Copy(w.env, w.spans.environment(w.New("the collector's token")))
	w.store(ctx, t)
	w.services.Parts.Registry = required(t, "RINGBACK_REGISTRY_URL")
	w.env["REGISTRY_USERNAME"], w.env["REGISTRY_PASSWORD_FILE"] = "ringback", w.secret(t, "the registry's password")
	schemas, err := registry.New(registry.Config{URL: w.services.Parts.Registry})
	require.NoError(t, err)
	t.Cleanup(schemas.Close)
	w.codec, err = wire.New(ctx, schemas)
	require.NoError(t, err)
	t.Cleanup(func() { w.stop(t) })
	return w
}

// kafka starts a broker of its own with TLS and passwords, since the topics' names are given; the other tests have
// theirs at the same time.
func (w *world) kafka(ctx context.Context, t *testing.T) {
	t.Helper()
	// Not below t's own directory, whose path is too long for a socket's name and goes before the broker does.
	home, err := os.MkdirTemp("", "ringback-marked")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	w.secure = filepath.Join(home, "kafka")
	run := "RINGBACK_KAFKA_RUN=" + w.secure
	t.Cleanup(func() { script(context.Background(), t, "kafka-down", run) })
	script(ctx, t, "kafka-secure-up", run)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(w.secure, name))
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
	w.Know("Kafka's password", read("admin.password"))
	w.services.Parts.Kafka = read("sasl_ssl")
	w.env = map[string]string{
		"KAFKA_TLS": "true", "KAFKA_TLS_CA_FILE": filepath.Join(w.secure, "ca.crt"), "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
		"KAFKA_SASL_USERNAME": "admin", "KAFKA_SASL_PASSWORD_FILE": filepath.Join(w.secure, "admin.password"),
	}
	w.client, err = kafka.New(kafka.Config{
		Brokers: strings.Split(w.services.Parts.Kafka, ","), ClientID: "marked",
		TLS:  kafka.TLS{Enabled: true, CAFile: w.env["KAFKA_TLS_CA_FILE"]},
		SASL: kafka.SASL{Mechanism: "SCRAM-SHA-512", Username: "admin", PasswordFile: w.env["KAFKA_SASL_PASSWORD_FILE"]},
	})
	require.NoError(t, err)
	t.Cleanup(w.client.Close)
	require.NoError(t, w.client.EnsureTopics(ctx, topic.Specs(partitions, 1)))
}

// store makes a database and a user of its own, with a password.
func (w *world) store(ctx context.Context, t *testing.T) {
	t.Helper()
	base := required(t, "RINGBACK_POSTGRES_URL")
	conn, err := pgx.Connect(ctx, base)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	name := "marked_" + strings.ToLower(rand.Text()[:8])
	password := w.New("PostgreSQL's password")
	for _, statement := range []string{
		fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", name, password), fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, name),
	} {
		_, err := conn.Exec(ctx, statement)
		require.NoError(t, err)
	}
	u, err := url.Parse(base)
	require.NoError(t, err)
	u.User, u.Path = url.UserPassword(name, password), "/"+name
	w.services.Parts.Postgres = u.String()
}

// secret writes a mark to a file.
func (w *world) secret(t *testing.T, place string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(w.New(place)+"\n"), 0o600))
	return path
}

// environment is what a service gets beside the addresses of the parts.
func (w *world) environment(more map[string]string) map[string]string {
	all := maps.Clone(w.env)
	maps.Copy(all, more)
	return all
}

// add starts a process.
func (w *world) add(t *testing.T, p *process.Process, err error) *process.Process {
	t.Helper()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	w.all, w.named[p.Name] = append(w.all, p), p
	return p
}

// simulator starts a simulated T-Server that lets the token of a file in.
func (w *world) simulator(t *testing.T, name, log, tokenFile string) (url string) {
	t.Helper()
	p, url, err := w.services.TServer(name, log, map[string]string{
		"TSERVER_SIM_TOKEN_FILE": tokenFile,
		"TSERVER_SIM_EVENT_ERRORS": fmt.Sprintf("%s=%s:no such number +%s in the plan,%s=%s:customer %s is not known",
			badDN, badCode, w.New("T-Server's text of a data error"), waitDN, waitCode, w.New("T-Server's text of an error")),
	})
	w.add(t, p, err)
	return url
}

// start starts every service and waits until all are ready.
func (w *world) start(ctx context.Context, t *testing.T) {
	t.Helper()
	w.gatewayToken = w.secret(t, "the gateway's token")
	w.simLog = filepath.Join(t.TempDir(), "tserver.log")
	w.services.Parts.Gateway = w.simulator(t, "simulator", w.simLog, w.gatewayToken)

	w.token = w.New("a token of the producer")
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, fmt.Appendf(nil, "%s the IVR\n%s 101 one tenant\n", w.token, w.New("a bound token of the producer")), 0o600))
	p, intake, err := w.services.Producer("producer", w.environment(map[string]string{"PRODUCER_AUTH": "token", "PRODUCER_TOKENS_FILE": tokens}))
	w.intake = intake
	w.add(t, p, err)
	p, err = w.services.Enricher("enricher", w.environment(map[string]string{"ENRICHER_SETTLE": "100ms"}))
	w.add(t, p, err)
	p, err = w.services.Infomart("infomart", w.environment(map[string]string{"SINK_UNKNOWN_SCHEMA_WAIT": "1s"}))
	w.add(t, p, err)
	w.sink(t, "tserver", w.gatewayToken, map[string]string{"TSERVER_DATA_ERROR_CODES": badCode})
	for _, p := range w.all {
		require.NoError(t, p.WaitReady(ctx), p.Name)
	}
}

// sink starts a sink tserver; services whose numbers T-Server does not take have a DN of their own.
func (w *world) sink(t *testing.T, name, tokenFile string, env map[string]string) *process.Process {
	t.Helper()
	services := filepath.Join(t.TempDir(), "services.json")
	require.NoError(t, os.WriteFile(services, []byte(`{"refused": {"_rep_userevent_dn": "`+badDN+`"}}`), 0o600))
	all := w.environment(map[string]string{
		"SINK_GROUP": "marked-" + name, "SINK_UNKNOWN_SCHEMA_WAIT": "1s", "TSERVER_MAX_AGE": "0", "TSERVER_SERVICES_FILE": services, "TSERVER_GATEWAY_TOKEN_FILE": tokenFile,
	})
	maps.Copy(all, env)
	p, err := w.services.SinkTServer(name, all)
	return w.add(t, p, err)
}

// stop ends what runs.
func (w *world) stop(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := len(w.all) - 1; i >= 0; i-- {
		if p := w.all[i]; p.Running() {
			if err := p.Stop(ctx); err != nil {
				t.Error(err)
			}
		}
	}
}
