package tserver

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/servertls"
)

// Config is the simulator's configuration. The zero value of each field takes the field's default.
type Config struct {
	// Addr is the address to listen on, host:port; port 0 is any free one.
	Addr string `env:"TSERVER_SIM_ADDR, default=127.0.0.1:8090"`
	// Log is the file that the log is appended to. It holds user data.
	Log string `env:"TSERVER_SIM_LOG, default=tserver.log"`
	// LogMaxBytes is the size at which [Log] is put aside, its name followed by .000001 and so on; no file is ever deleted. 0: never.
	LogMaxBytes int64 `env:"TSERVER_SIM_LOG_MAX_BYTES, default=0" unit:"bytes"`
	// TokenFile holds the bearer tokens that are let in, one a line: token [name].
	TokenFile string           `env:"TSERVER_SIM_TOKEN_FILE" empty:"everybody is let in"`
	TLS       servertls.Config `env:", prefix=TSERVER_SIM_"`
	// MaxBody bounds a request's body. 0 is the default.
	MaxBody int64 `env:"TSERVER_SIM_MAX_BODY, default=1048576" unit:"bytes"`
	// TimeZone is the zone of the log's wall clock, as of the IANA database.
	TimeZone string `env:"TSERVER_SIM_TIME_ZONE, default=UTC"`
	// Version is the T-Server version that the log shows.
	Version string `env:"TSERVER_SIM_VERSION, default=8.1.000.62"`
	// CustomerID is the customer id of an event that names none.
	CustomerID string `env:"TSERVER_SIM_CUSTOMER_ID, default=Environment"`
	// Requester is the client that requests come from, as the log shows it; its address is the connection's:
	// name@socket/id.
	Requester Client `env:"TSERVER_SIM_REQUESTER" empty:"OrchestrationServer@516/00000003"`
	// Clients are the clients that are registered on DNs; each EventUserEvent goes to those of its DN. They are
	// separated by commas; services/tserver/README.md has their form. none is no client at all.
	Clients Clients `env:"TSERVER_SIM_CLIENTS" empty:"ICON, Stat Server and URS, on every DN"`

	// GoneCalls are the calls that have ended, by interaction id; one that ends with an asterisk is a prefix, and a
	// lone asterisk is every call.
	GoneCalls []string `env:"TSERVER_SIM_GONE_CALLS" empty:"none"`
	// EventErrors are the DNs and calls whose requests are answered EventError: dn=code or dn=code:message, separated by
	// commas.
	EventErrors EventErrors `env:"TSERVER_SIM_EVENT_ERRORS" empty:"none"`
	// Outage makes every request fail with 503, as when T-Server is away.
	Outage bool `env:"TSERVER_SIM_OUTAGE, default=false"`
	// Latency is the wait before each answer.
	Latency time.Duration `env:"TSERVER_SIM_LATENCY, default=0s"`
}

func (c Config) withDefaults() Config {
	c.Addr = cmp.Or(c.Addr, "127.0.0.1:8090")
	c.Log = cmp.Or(c.Log, "tserver.log")
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	c.TimeZone = cmp.Or(c.TimeZone, "UTC")
	c.Version = cmp.Or(c.Version, "8.1.000.62")
	c.CustomerID = cmp.Or(c.CustomerID, "Environment")
	if c.Requester.Name == "" {
		c.Requester = Client{Name: "OrchestrationServer", Socket: 516, ID: 3}
	}
	if c.Clients == nil {
		c.Clients = Clients{
			{Name: "Icon_Voice", Socket: 508, ID: 0xc, Address: "127.0.0.1:42678"},
			{Name: "Stat_Server", Socket: 588, ID: 4, Address: "127.0.0.1:40728"},
			{Name: "Universal_Routing_Server", Socket: 592, ID: 5, Address: "127.0.0.1:40744"},
		}
	}
	return c
}

// Validate returns every fault.
func (c *Config) Validate() []error {
	var faults []error
	full := c.withDefaults()
	if _, _, err := net.SplitHostPort(full.Addr); err != nil {
		faults = append(faults, errors.New("TSERVER_SIM_ADDR: must be host:port"))
	}
	if _, err := readTokens(full.TokenFile); err != nil {
		faults = append(faults, err)
	}
	faults = append(faults, full.TLS.Faults("TSERVER_SIM_")...)
	if full.LogMaxBytes < 0 {
		faults = append(faults, errors.New("TSERVER_SIM_LOG_MAX_BYTES: must not be negative"))
	}
	if full.MaxBody < 0 {
		faults = append(faults, errors.New("TSERVER_SIM_MAX_BODY: must not be negative"))
	}
	if full.Latency < 0 {
		faults = append(faults, errors.New("TSERVER_SIM_LATENCY: must not be negative"))
	}
	if _, err := time.LoadLocation(full.TimeZone); err != nil {
		faults = append(faults, errors.New("TSERVER_SIM_TIME_ZONE: no such time zone"))
	}
	if !isWord(full.Version) {
		faults = append(faults, errors.New("TSERVER_SIM_VERSION: must be one word of letters, digits and ._-"))
	}
	if err := full.Requester.check(); err != nil {
		faults = append(faults, fmt.Errorf("TSERVER_SIM_REQUESTER: %w", err))
	}
	for _, client := range full.Clients {
		if err := client.check(); err != nil {
			faults = append(faults, fmt.Errorf("TSERVER_SIM_CLIENTS: %w", err))
		}
	}
	return faults
}

func (c Config) checked() (Config, error) {
	if faults := c.Validate(); len(faults) > 0 {
		return c, fault.Misconfigf("tserver: configuration: %w", errors.Join(faults...))
	}
	return c.withDefaults(), nil
}

// isWord reports whether s can stand in the log as a name without quotes.
func isWord(s string) bool {
	return s != "" && len(s) <= 255 && strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	}) < 0
}
