package configuration

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/ringback/ringback/pkg/config"
)

const head = `<!-- Made by services/ringback/configuration/generate from the configuration's structs. Do not edit. -->
# Configuration

Every service is configured by environment variables alone. ` + "`ringback validate SERVICE`" + ` reads the environment as that service would and names
all that is wrong with it, as does the service itself when it starts: what is missing or malformed, what does not fit together, files that cannot be
read, and variables that begin like one of the service's and are none, with the nearest that is one.

` + "```sh\nringback validate sink tserver || [ $? = 2 ]\n```\n\n```text output" + `
ringback: configuration: KAFKA_BROKERS: no address given
STORE_URL: is required, or POSTGRES_HOST, or STORE_PATH for a SQLite store
TSERVER_REP_USEREVENT_SWITCH: is required where TSERVER_REP_USEREVENT_ENABLE is true: the switch of the reporting DN
TSERVER_GATEWAY_URL: must be http://host:port or https://host:port
` + "```" + `

The exit code is 0 where nothing is wrong and 2 otherwise; so is a service's, which does not start then.

* **An empty variable is as one that is not set.**
* A **duration** has a unit: ` + "`250ms`, `5s`, `10m`, `26h`" + `.
* A **secret** may stand in a file instead, of which the variable with ` + "`_FILE`" + ` behind its name has the path; the line's end does not count. Nothing prints a
  secret. Where nothing else is said, a file is read at the start alone.
* What Kubernetes adds for each Service (` + "`KAFKA_SERVICE_HOST`, `KAFKA_PORT_9092_TCP`" + ` …) is passed over.
`

// Document is docs/configuration.md. root is the checkout, of whose sources it takes what the variables
// mean.
func Document(root string) ([]byte, error) {
	var b strings.Builder
	b.WriteString(head)
	comments := sources{root: root, read: map[string]map[string]string{}}
	for _, s := range sections {
		of := s.variables()
		fmt.Fprintf(&b, "\n## %s\n\nRead by %s.", s.title, strings.Join(readers(of), ", "))
		if s.says != "" {
			b.WriteString(" " + s.says)
		}
		b.WriteString("\n\n| variable | value | default, or what empty means | |\n|---|---|---|---|\n")
		names := map[reflect.Type]map[string]string{}
		for _, v := range config.Variables(s.settings) {
			if names[v.Struct] == nil {
				names[v.Struct] = map[string]string{}
			}
			names[v.Struct][v.Field] = v.Name
		}
		for _, v := range of {
			row, err := comments.row(v, names[v.Struct])
			if err != nil {
				return nil, err
			}
			b.WriteString(row)
		}
	}
	b.WriteString(libraries)
	return []byte(b.String()), nil
}

// libraries are the variables that no struct of ours has: those of what the services are made of.
const libraries = `
## Read by libraries

Nothing here checks these; a misspelt one is passed over.

| variable | read by | |
|---|---|---|
| ` + "`PGSSLROOTCERT`" + ` | PostgreSQL's driver | Path of the authorities' certificates that the server's must come from; empty: the system's. ` + "`sslrootcert` in `STORE_URL`" + ` goes before it. |
| ` + "`PGSSLCERT`, `PGSSLKEY`" + ` | PostgreSQL's driver | Paths of a certificate and its key, where the server knows its users by them. |
| ` + "`PGPASSFILE`" + ` | PostgreSQL's driver | Path of a file of passwords (` + "`host:port:database:user:password`" + ` a line), where no other is given; empty: ` + "`~/.pgpass`" + `. ` + "`PGSSLMODE`" + ` is not heeded: ` + "`POSTGRES_SSLMODE`" + ` is. |
| ` + "`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_…`" + ` | OpenTelemetry | Where spans are sent, and which: [metrics.md](metrics.md#traces). |
| ` + "`SSL_CERT_FILE`, `SSL_CERT_DIR`" + ` | Go | What stands for the system's authorities, for every connection that has none of its own. |
| ` + "`GOMEMLIMIT`" + ` | Go | Bytes above which the collector works harder. The chart sets 90 % of the memory limit. |
`

// sources reads the comments of structs' fields.
type sources struct {
	root string
	read map[string]map[string]string // by package: Type.Field to comment
}

// row is a variable's row. fields has the variables of its struct.
func (s *sources) row(v config.Variable, fields map[string]string) (string, error) {
	text, err := s.comment(v)
	if err != nil {
		return "", err
	}
	value, err := value(v)
	if err != nil {
		return "", err
	}
	links := func(text string) string {
		return link.ReplaceAllStringFunc(text, func(found string) string {
			if name, ok := fields[found[1:len(found)-1]]; ok {
				return "`" + name + "`"
			}
			return found
		})
	}
	empty := "`" + v.Default + "`"
	switch {
	case v.Default == "" && v.Empty == "":
		return "", fmt.Errorf("configuration: %s has neither a default nor a tag that says what empty means", v.Name)
	case v.Default != "" && v.Empty != "":
		return "", fmt.Errorf("configuration: %s has a default and a tag that says what empty means", v.Name)
	case v.Default == "":
		empty = links(v.Empty)
	}
	return strings.ReplaceAll(fmt.Sprintf("| `%s` | %s | %s | %s |", v.Name, value, empty, links(text)), "\n", " ") + "\n", nil
}

// link is what refers to another field.
var link = regexp.MustCompile(`\[[A-Z]\w*\]`)

// value says how a value is written, with its unit.
func value(v config.Variable) (string, error) {
	switch form, _, _ := strings.Cut(v.Form, " such as"); {
	case v.Secret && v.File:
		return "a secret, or `" + v.Name + "_FILE`", nil
	case v.Secret:
		return "a secret", nil
	case strings.Contains(form, "integer"):
		if v.Unit == "" {
			return "", fmt.Errorf("configuration: %s is an integer without a unit", v.Name)
		}
		return v.Unit, nil
	case strings.HasSuffix(v.Name, "_FILE"):
		return "path of a file", nil
	case strings.HasPrefix(form, "of the form"):
		return "text", nil
	default:
		return strings.TrimPrefix(form, "a "), nil
	}
}

// comment is what the field's comment says, without the field's name.
func (s *sources) comment(v config.Variable) (string, error) {
	path, ok := strings.CutPrefix(v.Struct.PkgPath(), "github.com/ringback/ringback/")
	if !ok {
		return "", fmt.Errorf("configuration: %s is declared in %s, which is not ours", v.Name, v.Struct.PkgPath())
	}
	if s.read[path] == nil {
		if err := s.parse(path); err != nil {
			return "", err
		}
	}
	text, ok := strings.CutPrefix(s.read[path][v.Struct.Name()+"."+v.Field], v.Field+" ")
	if !ok {
		return "", fmt.Errorf("configuration: %s: the comment of %s.%s does not begin with the field's name", v.Name, v.Struct, v.Field)
	}
	for _, verb := range []string{"is ", "are "} {
		if rest, ok := strings.CutPrefix(text, verb); ok {
			text = rest
			break
		}
	}
	return strings.ToUpper(text[:1]) + text[1:], nil
}

func (s *sources) parse(path string) error {
	files, err := filepath.Glob(filepath.Join(s.root, path, "*.go"))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	s.read[path] = map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if t, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range t.Fields.List {
					for _, id := range f.Names {
						s.read[path][spec.Name.Name+"."+id.Name] = strings.TrimSpace(f.Doc.Text())
					}
				}
			}
			return false
		})
	}
	return nil
}
