// Package configuration knows the variables of every service: it reads an environment as a service
// would, and writes docs/configuration.md.
package configuration

import (
	"context"
	"reflect"
	"strings"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/services/enricher"
	"github.com/ringback/ringback/services/producer"
	"github.com/ringback/ringback/services/ringback/pipeline"
	"github.com/ringback/ringback/services/ringback/topics"
	"github.com/ringback/ringback/services/sink"
	"github.com/ringback/ringback/services/tserver"
)

// Service is a program that the environment configures.
type Service struct {
	Name string // as on the command line
	// Check reads the environment as the service does when it starts. The error names every fault.
	Check func(ctx context.Context, env config.Environment) error
	// Settings are what it reads.
	Settings []reflect.Type
}

// Services lists the services.
func Services() []Service {
	return []Service{
		{"producer", checked(producer.LoadSettings), types[producer.Settings]()},
		{"enricher", checked(enricher.LoadSettings), types[enricher.Settings]()},
		{"sink infomart", loadSink(sink.Infomart), types[sink.CommonSettings]()},
		{"sink tserver", loadSink(sink.TServer), append(types[sink.CommonSettings](), types[sink.SendingSettings]()...)},
		{"sink migrate", checked(sink.LoadStoreSettings), types[sink.StoreSettings]()},
		{"tserver", checked(tserver.LoadConfig), types[tserver.Config]()},
		{"ringback run", checked(pipeline.LoadSettings), types[pipeline.Settings]()},
		{"ringback topics", checked(topics.LoadSettings), types[topics.Settings]()},
	}
}

func types[T any]() []reflect.Type { return []reflect.Type{reflect.TypeFor[T]()} }

func checked[T any](load func(context.Context, config.Environment) (T, error)) func(context.Context, config.Environment) error {
	return func(ctx context.Context, env config.Environment) error {
		_, err := load(ctx, env)
		return err
	}
}

func loadSink(name string) func(context.Context, config.Environment) error {
	return func(ctx context.Context, env config.Environment) error {
		_, err := sink.LoadSettings(ctx, name, env)
		return err
	}
}

// Names lists the names of the services.
func Names() []string {
	var names []string
	for _, s := range Services() {
		names = append(names, s.Name)
	}
	return names
}

// Find returns the service that the words name.
func Find(words ...string) (Service, error) {
	name := strings.Join(words, " ")
	for _, s := range Services() {
		if s.Name == name {
			return s, nil
		}
	}
	return Service{}, fault.Misconfigf("no service is named %q; there are %s", name, strings.Join(Names(), ", "))
}

// section is a part of the document: the variables of one thing.
type section struct {
	title    string
	says     string
	settings reflect.Type
	prefixes []string
}

var sections = []section{
	{"Producer", "`ringback run` sets the addresses itself, and lets in whoever has its directory's token.", reflect.TypeFor[producer.Settings](), []string{"PRODUCER_"}},
	{"Enricher", "`ringback run` sets the address itself.", reflect.TypeFor[enricher.Settings](), []string{"ENRICHER_"}},
	{"Sinks", "", reflect.TypeFor[sink.CommonSettings](), []string{"SINK_"}},
	{"Sink tserver", "[sinks.md](sinks.md) has the reporting options, [tserver.md](tserver.md) the gateway. `ringback run` has a gateway of its own; there the switch is `Sip_Switch` and the age 0 where they are not set.", reflect.TypeFor[sink.SendingSettings](), []string{"TSERVER_"}},
	{"Store", "PostgreSQL, by `STORE_URL` or by `POSTGRES_HOST` and the like, or SQLite, by `STORE_PATH`. Of these `ringback run` reads `INFOMART_*` alone.",
		reflect.TypeFor[sink.StoreSettings](), []string{"STORE_", "POSTGRES_", "INFOMART_"}},
	{"Kafka", "[kafka-security.md](kafka-security.md) says what to set for TLS and SASL.", reflect.TypeFor[sink.CommonSettings](), []string{"KAFKA_"}},
	{"Schema registry", "", reflect.TypeFor[sink.CommonSettings](), []string{"REGISTRY_"}},
	{"Simulated T-Server", "", reflect.TypeFor[tserver.Config](), []string{"TSERVER_SIM_"}},
}

// variables of the section, each once.
func (s section) variables() []config.Variable {
	var found []config.Variable
	seen := map[string]bool{}
	for _, v := range config.Variables(s.settings) {
		for _, prefix := range s.prefixes {
			if strings.HasPrefix(v.Name, prefix) && !seen[v.Name] {
				seen[v.Name] = true
				found = append(found, v)
			}
		}
	}
	return found
}

// readers are the services that read one of the variables.
func readers(of []config.Variable) []string {
	wanted := map[string]bool{}
	for _, v := range of {
		wanted[v.Name] = true
	}
	var names []string
	for _, s := range Services() {
		reads := false
		for _, t := range s.Settings {
			for _, v := range config.Variables(t) {
				reads = reads || wanted[v.Name]
			}
		}
		if reads {
			names = append(names, "`"+s.Name+"`")
		}
	}
	return names
}
