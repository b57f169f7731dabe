package acl

import "github.com/ringback/ringback/pkg/topic"

// Service is a user of the cluster and all that it needs there.
type Service struct {
	Name   string // as the documents call it, and by default its user
	Rights []Right
}

// The groups, as they are called where nothing else is configured.
const (
	enricherGroup = "ringback-enricher"
	infomartGroup = "ringback-infomart"
	tserverGroup  = "ringback-tserver"
)

// Services lists all users of the cluster, with their groups called as by default.
func Services() []Service {
	return []Service{
		{"producer", Producer()},
		{"enricher", Enricher(enricherGroup, true)},
		{"sink-infomart", InfomartSink(infomartGroup)},
		{"sink-tserver", TServerSink(tserverGroup)},
		{"operator", Operator()},
		{"topics", Topics()},
	}
}

// Producer is what the producer needs.
func Producer() []Right {
	return []Right{on(Write, Topic, topic.Lifecycle)}
}

// Enricher is what the enricher needs. Its transactional ids are the group, a dash and the partition;
// it writes to the topic that it reads for its ticks.
func Enricher(group string, ticks bool) []Right {
	rights := []Right{
		on(Read, Group, group),
		{Operation: Write, Resource: TransactionalID, Name: group + "-", Prefix: true},
		on(Read, Topic, topic.Lifecycle),
	}
	if ticks {
		rights = append(rights, on(Write, Topic, topic.Lifecycle))
	}
	return append(rights,
		on(Read, Topic, topic.Sessions),
		on(Write, Topic, topic.Sessions),
		on(Write, Topic, topic.UserEvents),
		on(Write, Topic, topic.AttachedData),
		on(Write, Topic, topic.DeadLetters),
		// It looks at its start whether they are compacted, and whose clock their times are.
		on(DescribeConfigs, Topic, topic.Lifecycle),
		on(DescribeConfigs, Topic, topic.Sessions),
		on(DescribeConfigs, Topic, topic.UserEvents),
		on(DescribeConfigs, Topic, topic.AttachedData),
	)
}

// InfomartSink is what `sink infomart` needs.
func InfomartSink(group string) []Right {
	return []Right{
		on(Read, Group, group),
		on(Read, Topic, topic.UserEvents),
		on(Write, Topic, topic.DeadLetters),
	}
}

// TServerSink is what `sink tserver` needs.
func TServerSink(group string) []Right {
	return []Right{
		on(Read, Group, group),
		on(Read, Topic, topic.UserEvents),
		on(Read, Topic, topic.AttachedData),
		on(Write, Topic, topic.DeadLetters),
	}
}

// Operator is what whoever looks at dead letters needs.
func Operator() []Right {
	return []Right{on(Read, Topic, topic.DeadLetters)}
}

// Topics is what ringback topics apply needs: to create the topics, to see how they are configured, and
// to put that right. No service does: they start where the topics are.
func Topics() []Right {
	var rights []Right
	for _, spec := range topic.Specs(1, 1) {
		rights = append(rights, on(Create, Topic, spec.Name), on(Describe, Topic, spec.Name), on(DescribeConfigs, Topic, spec.Name), on(AlterConfigs, Topic, spec.Name))
	}
	return rights
}

func on(op Operation, kind Resource, name string) Right {
	return Right{Operation: op, Resource: kind, Name: name}
}
