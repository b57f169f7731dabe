package topics

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/topic"
)

// Plan is the difference between what is there and what should be.
type Plan struct {
	want   Want
	create []topic.Spec
	alter  []alteration
	levels []level
	// refused are the differences that cannot be changed without harm, each with the reason.
	refused []string
	// kept are the differences that do no harm.
	kept []string
}

// alteration is a setting of a topic that is to be changed.
type alteration struct {
	topic, setting, has, want string
	isDefault                 bool
}

// level is a subject whose compatibility is to be changed.
type level struct{ subject, has string }

// Make looks at what is there and plans what is to be done. It changes nothing.
func Make(ctx context.Context, at *Place, want Want) (*Plan, error) {
	p := &Plan{want: want}
	states, err := at.Kafka.TopicStates(ctx, want.Topics)
	if err != nil {
		return nil, err
	}
	for _, s := range want.Topics {
		if have, ok := states[s.Name]; ok {
			p.compare(s, have)
		} else {
			p.create = append(p.create, s)
		}
	}
	for _, subject := range want.Subjects {
		has, err := at.Registry.Compatibility(ctx, subject)
		if err != nil {
			return nil, err
		}
		if has != registry.FullTransitive {
			p.levels = append(p.levels, level{subject, has})
		}
	}
	return p, nil
}

func (p *Plan) compare(want topic.Spec, have kafka.TopicState) {
	if have.Partitions != want.Partitions {
		p.refused = append(p.refused, fmt.Sprintf("%s: has %d partitions where %d are wanted: their number is fixed, since keys would move to other partitions than their state is on; make the topics anew, or say --partitions %d",
			want.Name, have.Partitions, want.Partitions, have.Partitions))
	}
	if have.Replication != want.Replication {
		p.refused = append(p.refused, fmt.Sprintf("%s: has %d replicas where %d are wanted: that moves all its data between brokers, which kafka-reassign-partitions does",
			want.Name, have.Replication, want.Replication))
	}
	settings := kafka.Settings(want)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		has := have.Settings[name]
		switch {
		case has.Explicit && has.Value == settings[name]:
		case has.Explicit && kafka.Exceeds(name, has.Value, settings[name]):
			p.kept = append(p.kept, fmt.Sprintf("%s: %s is %s, which does no harm where %s is asked for", want.Name, name, has.Value, settings[name]))
		default:
			// What is only the cluster's default is made explicit: it would change with that.
			p.alter = append(p.alter, alteration{want.Name, name, has.Value, settings[name], !has.Explicit})
		}
	}
}

// Same tells whether there is nothing to do and nothing to refuse.
func (p *Plan) Same() bool { return !p.changes() && len(p.refused) == 0 }

// Refused tells whether a difference cannot be changed without harm.
func (p *Plan) Refused() bool { return len(p.refused) > 0 }

func (p *Plan) changes() bool { return len(p.create)+len(p.alter)+len(p.levels) > 0 }

// Print shows the plan, a difference a line.
func (p *Plan) Print(w io.Writer) error {
	var err error
	line := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format+"\n", args...)
		}
	}
	for _, s := range p.create {
		line("create   %s: %d partitions, %d replicas", s.Name, s.Partitions, s.Replication)
		settings := kafka.Settings(s)
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			line("           %s=%s", name, settings[name])
		}
	}
	for _, a := range p.alter {
		has := a.has
		if a.isDefault {
			has += " by the cluster's default"
		}
		line("alter    %s: %s=%s, is %s", a.topic, a.setting, a.want, has)
	}
	for _, l := range p.levels {
		line("set      subject %s: compatibility %s, is %s", l.subject, registry.FullTransitive, l.has)
	}
	for _, text := range p.kept {
		line("kept     %s", text)
	}
	for _, text := range p.refused {
		line("refused  %s", text)
	}
	if p.Same() {
		line("the topics and the compatibility of their schemas are as they should be")
	}
	return err
}
