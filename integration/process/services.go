package process

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Parts are the addresses of what the services work with. A part that a service does not need may be empty.
type Parts struct {
	Kafka    string // bootstrap addresses, separated by commas
	Registry string // URL
	Postgres string // URL
	Gateway  string // URL
}

func (p Parts) environment() map[string]string {
	return map[string]string{"KAFKA_BROKERS": p.Kafka, "REGISTRY_URL": p.Registry}
}

// Services makes the processes of the services, all with the same parts and a directory for their logs.
type Services struct {
	*Binaries
	Parts Parts
	Logs  string
}

// AdminToken is an operator's, who may accept the records of a paused partition of any service.
const AdminToken = "operator-0123456789abcdef"

// service makes a process that has an admin address; more goes over the environment that every service has.
func (s *Services) service(name, program, admin string, args []string, env ...map[string]string) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	tokens := filepath.Join(s.Logs, name+"-admin-tokens") // of its own: another may be reading its while this is written
	if err := os.MkdirAll(s.Logs, 0o755); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	if err := os.WriteFile(tokens, []byte(AdminToken+" operator scopes=admin:accept\n"), 0o600); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	all := s.Parts.environment()
	all[admin] = addr
	all[strings.TrimSuffix(admin, "ADDR")+"TOKENS_FILE"] = tokens
	for _, more := range env {
		maps.Copy(all, more)
	}
	return New(Spec{
		Name: name, Path: s.Path(program), Args: args, Env: all, Logs: s.Logs,
		Ready: "http://" + addr + "/readyz", Metrics: "http://" + addr + "/metrics",
	}), nil
}

// Producer makes a producer, and the URL that it takes events in at, without a token.
func (s *Services) Producer(name string, env map[string]string) (p *Process, url string, err error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, "", err
	}
	p, err = s.service(name, "producer", "PRODUCER_ADMIN_ADDR", nil,
		map[string]string{"PRODUCER_ADDR": addr, "PRODUCER_AUTH": "off"}, env)
	return p, "http://" + addr + "/v1/events", err
}

// Enricher makes an enricher.
func (s *Services) Enricher(name string, env map[string]string) (*Process, error) {
	return s.service(name, "enricher", "ENRICHER_ADMIN_ADDR", nil, env)
}

// Infomart makes a sink infomart on PostgreSQL.
func (s *Services) Infomart(name string, env map[string]string) (*Process, error) {
	return s.service(name, "sink", "SINK_ADMIN_ADDR", []string{"infomart"}, map[string]string{"STORE_URL": s.Parts.Postgres}, env)
}

// SinkTServer makes a sink tserver whose ledger is in PostgreSQL.
func (s *Services) SinkTServer(name string, env map[string]string) (*Process, error) {
	return s.service(name, "sink", "SINK_ADMIN_ADDR", []string{"tserver"}, map[string]string{
		"STORE_URL": s.Parts.Postgres, "TSERVER_GATEWAY_URL": s.Parts.Gateway, "TSERVER_REP_USEREVENT_SWITCH": "SIP_Switch",
	}, env)
}

// TServer makes the simulated T-Server, and its URL; it appends to the log file.
func (s *Services) TServer(name, log string, env map[string]string) (p *Process, url string, err error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, "", err
	}
	all := map[string]string{"TSERVER_SIM_ADDR": addr, "TSERVER_SIM_LOG": log}
	maps.Copy(all, env)
	return New(Spec{
		Name: name, Path: s.Path("tserver"), Env: all, Logs: s.Logs, Ready: "http://" + addr + "/v1/health",
	}), "http://" + addr, nil
}

// EmbeddedRegistry makes the embedded schema registry, and its URL; dir keeps its schemas.
func (b *Binaries) EmbeddedRegistry(name, dir, logs string) (p *Process, url string, err error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	return New(Spec{
		Name: name, Path: b.Path("registry"), Logs: logs,
		Env:   map[string]string{"REGISTRY_DIR": filepath.Clean(dir), "REGISTRY_PORT": port},
		Ready: "http://" + addr + "/subjects",
	}), "http://" + addr, nil
}
