// Package acl is what each service may do on a cluster that has an authorizer: the least, and the one
// place where it is written. The tests on a real broker grant exactly this, docs/kafka-security.md is
// made of it, and each service holds what it was granted against it at its start.
package acl

import (
	"fmt"
	"slices"
)

// Resource is a kind of what is protected, numbered as the protocol does.
type Resource int8

// The kinds of resource.
const (
	Topic           Resource = 2
	Group           Resource = 3
	Cluster         Resource = 4
	TransactionalID Resource = 5
)

var resources = map[Resource]string{Topic: "topic", Group: "group", Cluster: "cluster", TransactionalID: "transactional-id"}

func (r Resource) String() string { return resources[r] }

// Operation is what may be done to a resource, numbered as the protocol does.
type Operation int8

// The operations that Ringback needs. Read and Write bring Describe with them.
const (
	Read            Operation = 3
	Write           Operation = 4
	Create          Operation = 5
	Describe        Operation = 8
	DescribeConfigs Operation = 10
	AlterConfigs    Operation = 11
	IdempotentWrite Operation = 12
)

var operations = map[Operation]string{
	Read: "READ", Write: "WRITE", Create: "CREATE", Describe: "DESCRIBE", DescribeConfigs: "DESCRIBE_CONFIGS", AlterConfigs: "ALTER_CONFIGS", IdempotentWrite: "IDEMPOTENT_WRITE",
}

func (o Operation) String() string { return operations[o] }

// ClusterName is the name of the one resource of kind Cluster.
const ClusterName = "kafka-cluster"

// Right is one operation on one resource, or on all whose names begin with Name.
type Right struct {
	Operation Operation
	Resource  Resource
	Name      string
	Prefix    bool
}

// String is the right as an operator reads it: WRITE on topic callback.userevents.v1.
func (r Right) String() string {
	switch {
	case r.Resource == Cluster:
		return fmt.Sprintf("%v on the cluster", r.Operation)
	case r.Prefix:
		return fmt.Sprintf("%v on %vs that begin with %s", r.Operation, r.Resource, r.Name)
	}
	return fmt.Sprintf("%v on %v %s", r.Operation, r.Resource, r.Name)
}

// covers tells whether the right is about that resource.
func (r Right) covers(kind Resource, name string) bool {
	if r.Prefix && len(name) >= len(r.Name) {
		name = name[:len(r.Name)]
	}
	return r.Resource == kind && r.Name == name
}

// Lacking returns what is missing where one operation on a resource was refused, to a service that
// needs these rights: who may not even describe a resource has none of its rights there, and it is
// these that must be granted.
func Lacking(needed []Right, refused Right) []Right {
	var lacking []Right
	for _, r := range needed {
		switch {
		case r.Operation == DescribeConfigs && refused.Operation == Describe: // neither brings the other
		case refused.Operation == Describe && r.covers(refused.Resource, refused.Name):
			lacking = append(lacking, r)
		case refused.Operation == IdempotentWrite && r.Resource == Topic && r.Operation == Write:
			lacking = append(lacking, r) // any of which brings it along
		}
	}
	if len(lacking) > 0 {
		return lacking
	}
	// Named as it was granted, where it was granted by a prefix.
	i := slices.IndexFunc(needed, func(r Right) bool {
		return r.Operation == refused.Operation && r.covers(refused.Resource, refused.Name)
	})
	if i >= 0 {
		return needed[i : i+1]
	}
	return []Right{refused}
}
