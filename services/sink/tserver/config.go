package tserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/fault"
)

// Config is the configuration of what is sent to T-Server.
type Config struct {
	// Enable is the option _rep_userevent_enable of every callback service that [ServicesFile] does not name,
	// or names without it: whether UserEvents and attached data are sent at all. So are the next three.
	Enable bool `env:"TSERVER_REP_USEREVENT_ENABLE, default=true"`
	// DN is _rep_userevent_dn: the DN that UserEvents are distributed on.
	DN string `env:"TSERVER_REP_USEREVENT_DN, default=REPORTING"`
	// Switch is _rep_userevent_switch: the switch of that DN.
	Switch string `env:"TSERVER_REP_USEREVENT_SWITCH" empty:"refused, unless [Enable] is false"`
	// MediaType is _rep_userevent_mediatype; 0 is voice.
	MediaType int32 `env:"TSERVER_REP_USEREVENT_MEDIATYPE, default=0" unit:"media type"`
	// ServicesFile is a JSON object from service name to its reporting options, by the
	// names that they have in GMS; docs/sinks.md shows one.
	ServicesFile string `env:"TSERVER_SERVICES_FILE" empty:"every service has the default"`
	// MaxAge is how old a session's last event may be for its UserEvents to be sent. 0: any age.
	MaxAge time.Duration `env:"TSERVER_MAX_AGE, default=1h"`
	// DataErrorCodes are the EventError codes that say that the data is at fault: what they
	// answer is dead-lettered. Every other code is waited out.
	DataErrorCodes []int `env:"TSERVER_DATA_ERROR_CODES" unit:"EventError codes" empty:"none"`
	// Parallel bounds the sends that are under way at once.
	Parallel int `env:"TSERVER_PARALLEL, default=16" unit:"sends"`
	// Drain is how long a batch may still take once the sink is told to stop or loses its partition, so that what was
	// sent is recorded. At most 20s.
	Drain time.Duration `env:"TSERVER_DRAIN, default=10s"`
	// CustomerID is the AttributeCustomerID of user events.
	CustomerID string `env:"TSERVER_CUSTOMER_ID" empty:"the gateway's"`
}

// Defaults returns the configuration of an environment that sets the switch alone.
func Defaults(switchName string) Config {
	return Config{Enable: true, DN: "REPORTING", Switch: switchName, MaxAge: time.Hour, Parallel: 16, Drain: 10 * time.Second}
}

// maxDrain is what the group's patience with a member, 30 s, leaves room for.
const maxDrain = 20 * time.Second

// Validate returns every fault of the configuration.
func (c *Config) Validate() []error {
	var faults []error
	if c.Enable && c.DN == "" {
		faults = append(faults, errors.New("TSERVER_REP_USEREVENT_DN: is required where TSERVER_REP_USEREVENT_ENABLE is true"))
	}
	if c.Enable && c.Switch == "" {
		faults = append(faults, errors.New("TSERVER_REP_USEREVENT_SWITCH: is required where TSERVER_REP_USEREVENT_ENABLE is true: the switch of the reporting DN"))
	}
	if c.MediaType < 0 {
		faults = append(faults, fmt.Errorf("TSERVER_REP_USEREVENT_MEDIATYPE: must not be negative, is %d", c.MediaType))
	}
	if c.MaxAge < 0 {
		faults = append(faults, fmt.Errorf("TSERVER_MAX_AGE: must not be negative, is %s", c.MaxAge))
	}
	if c.Parallel < 1 {
		faults = append(faults, fmt.Errorf("TSERVER_PARALLEL: must be over 0, is %d", c.Parallel))
	}
	if _, err := NewServices(*c); err != nil {
		faults = append(faults, err)
	}
	if c.Drain < 0 {
		faults = append(faults, fmt.Errorf("TSERVER_DRAIN: must not be negative, is %s", c.Drain))
	}
	if c.Drain > maxDrain {
		faults = append(faults, fmt.Errorf("TSERVER_DRAIN: must be at most %s, is %s: the group would give the partition to another sink, which would send beside this one", maxDrain, c.Drain))
	}
	return faults
}

// Options are the reporting options of a callback service.
type Options struct {
	Enable    bool   // _rep_userevent_enable: whether UserEvents and attached data of the service are sent at all
	DN        string // _rep_userevent_dn: the DN that they are distributed on
	Switch    string // _rep_userevent_switch: the switch of that DN
	MediaType int32  // _rep_userevent_mediatype: media type of the user event; 0 is voice
}

// Services are the reporting options of all callback services.
type Services struct {
	byName  map[string]Options
	general Options
}

// NewServices reads the services file, where the configuration names one. Its error
// is a misconfiguration that names every fault.
func NewServices(cfg Config) (*Services, error) {
	s := &Services{general: Options{Enable: cfg.Enable, DN: cfg.DN, Switch: cfg.Switch, MediaType: cfg.MediaType}}
	if cfg.ServicesFile == "" {
		return s, nil
	}
	f, err := os.Open(cfg.ServicesFile)
	if err != nil {
		return nil, fault.Misconfigf("TSERVER_SERVICES_FILE: %w", err)
	}
	defer f.Close()
	if s.byName, err = parseServices(f, s.general); err != nil {
		return nil, fault.Misconfigf("TSERVER_SERVICES_FILE: %s: %w", cfg.ServicesFile, err)
	}
	return s, nil
}

// For returns the options of a service; nil is a session that named none.
func (s *Services) For(name *string) Options {
	if name != nil {
		if o, ok := s.byName[*name]; ok {
			return o
		}
	}
	return s.general
}

func parseServices(r io.Reader, general Options) (map[string]Options, error) {
	var file map[string]map[string]any
	d := json.NewDecoder(r)
	d.UseNumber()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("must be a JSON object from service name to its options: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("must be one JSON object and nothing after it")
	}
	services := make(map[string]Options, len(file))
	var faults []error
	for name, given := range file {
		o := general
		for option, value := range given {
			if err := o.set(option, value); err != nil {
				faults = append(faults, fmt.Errorf("service %q: %s: %w", name, option, err))
			}
		}
		if o.Enable && (o.DN == "" || o.Switch == "") {
			faults = append(faults, fmt.Errorf("service %q: _rep_userevent_dn and _rep_userevent_switch are required where it is enabled", name))
		}
		services[name] = o
	}
	return services, errors.Join(faults...)
}

// set sets an option from JSON: as text, as GMS keeps every option, or in its own type.
func (o *Options) set(option string, value any) error {
	text := ""
	switch v := value.(type) {
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = v.String()
	case bool:
		text = strconv.FormatBool(v)
	default:
		return errors.New("must be a text, a number, true or false")
	}
	var err error
	switch option {
	case "_rep_userevent_enable":
		if o.Enable, err = strconv.ParseBool(text); err != nil {
			return errors.New("must be true or false")
		}
	case "_rep_userevent_dn":
		o.DN = text
	case "_rep_userevent_switch":
		o.Switch = text
	case "_rep_userevent_mediatype":
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return errors.New("must be a number from 0")
		}
		o.MediaType = int32(n)
	default:
		return errors.New("no such option; there are _rep_userevent_enable, _rep_userevent_dn, _rep_userevent_switch and _rep_userevent_mediatype")
	}
	return nil
}
