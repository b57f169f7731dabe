package acl

import (
	"fmt"
	"slices"
	"strings"
)

// Table is the rights of the services as a table in Markdown.
func Table(services []Service) string {
	var b strings.Builder
	b.WriteString("| user | resource | operations |\n|---|---|---|\n")
	for _, s := range services {
		for i, g := range grouped(s.Rights) {
			user := ""
			if i == 0 {
				user = "`" + s.Name + "`"
			}
			name := "`" + g.of.Name + "`"
			if g.of.Prefix {
				name += " and what begins with it"
			}
			fmt.Fprintf(&b, "| %s | %v %s | %s |\n", user, g.of.Resource, name, join(g.operations, ", "))
		}
	}
	return b.String()
}

// Commands are what grants the services their rights, by the tool that Kafka brings along. Its
// --command-config names an administrator's login.
func Commands(services []Service) string {
	var b strings.Builder
	b.WriteString("allow() { kafka-acls.sh --bootstrap-server \"$BROKERS\" --command-config admin.properties --add --allow-principal \"User:$1\" \"${@:2}\"; }\n")
	for _, s := range services {
		for _, g := range grouped(s.Rights) {
			fmt.Fprintf(&b, "allow %s", s.Name)
			for _, op := range g.operations {
				fmt.Fprintf(&b, " --operation %s", option(op))
			}
			fmt.Fprintf(&b, " --%v %s", g.of.Resource, g.of.Name)
			if g.of.Prefix {
				b.WriteString(" --resource-pattern-type prefixed")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// option is an operation as kafka-acls.sh takes it: DescribeConfigs.
func option(op Operation) string {
	words := strings.Split(op.String(), "_")
	for i, w := range words {
		words[i] = w[:1] + strings.ToLower(w[1:])
	}
	return strings.Join(words, "")
}

// grant is all the operations on one resource.
type grant struct {
	of         Right
	operations []Operation
}

func grouped(rights []Right) []grant {
	var all []grant
	for _, r := range rights {
		of := r
		of.Operation = 0
		i := slices.IndexFunc(all, func(g grant) bool { return g.of == of })
		if i < 0 {
			i = len(all)
			all = append(all, grant{of: of})
		}
		all[i].operations = append(all[i].operations, r.Operation)
	}
	return all
}

func join(ops []Operation, by string) string {
	names := make([]string, len(ops))
	for i, op := range ops {
		names[i] = op.String()
	}
	return strings.Join(names, by)
}
