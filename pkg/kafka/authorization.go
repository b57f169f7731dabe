package kafka

import (
	"cmp"
	"errors"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addoffsetstotxn"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/describegroups"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
	"github.com/segmentio/kafka-go/protocol/txnoffsetcommit"

	"github.com/ringback/ringback/pkg/kafka/acl"
)

// deniedError is a request that the cluster refused, and the rights that were missing.
type deniedError struct {
	lacking   []acl.Right
	principal string
	code      kafkago.Error
}

func (e *deniedError) Error() string {
	names := make([]string, len(e.lacking))
	for i, r := range e.lacking {
		names[i] = r.String()
	}
	return "not authorized: " + strings.Join(names, ", ") + " (principal " + e.principal + ")"
}

func (e *deniedError) Unwrap() error { return e.code }

// denied is the error of an answer that says that the client may not do what it asked for, else nil.
func (s *security) denied(req, res protocol.Message) error {
	if !s.answered.Load() {
		s.answered.Store(true)
	}
	d := denial{}
	d.read(req, res)
	return s.lacks(d.refused, d.code)
}

// lacks is the error of a client to which these operations were refused.
func (s *security) lacks(refused []acl.Right, code kafkago.Error) error {
	if len(refused) == 0 {
		return nil
	}
	var needed []acl.Right
	if p := s.needed.Load(); p != nil {
		needed = *p
	}
	e := &deniedError{principal: s.principal(), code: code}
	for _, r := range refused {
		e.lacking = append(e.lacking, acl.Lacking(needed, r)...)
	}
	return s.refused(e)
}

// deniedGroup is the error of a group's membership, which kafka-go keeps, with the rights named that
// were missing.
func (s *security) deniedGroup(group string, topics []string, err error) error {
	var code kafkago.Error
	if !errors.As(err, &code) {
		return err
	}
	d := denial{}
	d.group(int16(code), group)
	for _, name := range topics {
		d.topic(int16(code), acl.Describe, name)
	}
	return cmp.Or(s.lacks(d.refused, d.code), err)
}

// denial collects the operations that an answer refuses.
type denial struct {
	refused []acl.Right
	code    kafkago.Error
}

// on notes one code of an answer to an operation on a resource. The code tells the kind of resource
// that was refused, which of a request about several need not be the one that this code stands at.
func (d *denial) on(code int16, op acl.Operation, kind acl.Resource, name string) {
	var of acl.Resource
	switch c := kafkago.Error(code); c {
	case kafkago.TopicAuthorizationFailed:
		of = acl.Topic
	case kafkago.GroupAuthorizationFailed:
		of = acl.Group
	case kafkago.TransactionalIDAuthorizationFailed:
		of = acl.TransactionalID
	case kafkago.ClusterAuthorizationFailed:
		of = acl.Cluster
	default:
		return
	}
	if of != kind {
		return
	}
	right := acl.Right{Operation: op, Resource: kind, Name: name}
	for _, known := range d.refused {
		if known == right {
			return
		}
	}
	d.refused, d.code = append(d.refused, right), kafkago.Error(code)
}

func (d *denial) topic(code int16, op acl.Operation, name string) { d.on(code, op, acl.Topic, name) }
func (d *denial) group(code int16, name string)                   { d.on(code, acl.Read, acl.Group, name) }
func (d *denial) txn(code int16, id string)                       { d.on(code, acl.Write, acl.TransactionalID, id) }

func (d *denial) read(req, res protocol.Message) {
	switch res := res.(type) {
	case *metadata.Response:
		for _, t := range res.Topics {
			d.topic(t.ErrorCode, acl.Describe, t.Name)
		}
	case *createtopics.Response:
		for _, t := range res.Topics {
			d.topic(t.ErrorCode, acl.Create, t.Name)
			d.on(t.ErrorCode, acl.Create, acl.Cluster, acl.ClusterName)
		}
	case *describeconfigs.Response:
		for _, r := range res.Resources {
			d.topic(r.ErrorCode, acl.DescribeConfigs, r.ResourceName)
		}
	case *listoffsets.Response:
		for _, t := range res.Topics {
			for _, p := range t.Partitions {
				d.topic(p.ErrorCode, acl.Describe, t.Topic)
			}
		}
	case *fetchResponse:
		d.topic(res.code, acl.Read, req.(*fetchMessage).topic)
	case *produce.Response:
		d.produced(req, res)
	case *findcoordinator.Response:
		d.coordinator(req, res)
	case *describegroups.Response:
		for _, g := range res.Groups {
			d.on(g.ErrorCode, acl.Describe, acl.Group, g.GroupID)
		}
	case *heartbeat.Response:
		d.group(res.ErrorCode, req.(*heartbeat.Request).GroupID)
	case *offsetfetch.Response:
		d.on(res.ErrorCode, acl.Describe, acl.Group, req.(*offsetfetch.Request).GroupID)
		for _, t := range res.Topics {
			for _, p := range t.Partitions {
				d.topic(p.ErrorCode, acl.Describe, t.Name)
			}
		}
	default:
		d.transactional(req, res)
	}
}

func (d *denial) produced(req protocol.Message, res *produce.Response) {
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			d.topic(p.ErrorCode, acl.Write, t.Topic)
			d.on(p.ErrorCode, acl.IdempotentWrite, acl.Cluster, acl.ClusterName)
			if r, ok := req.(*rawproduce.Request); ok {
				d.txn(p.ErrorCode, r.TransactionalID)
			}
		}
	}
}

func (d *denial) coordinator(req protocol.Message, res *findcoordinator.Response) {
	key := req.(*findcoordinator.Request).Key
	d.on(res.ErrorCode, acl.Describe, acl.Group, key)
	d.on(res.ErrorCode, acl.Describe, acl.TransactionalID, key)
}

// transactional reads the answers to the requests of transactions.
func (d *denial) transactional(req, res protocol.Message) {
	switch res := res.(type) {
	case *initproducerid.Response:
		d.txn(res.ErrorCode, req.(*initproducerid.Request).TransactionalID)
		d.on(res.ErrorCode, acl.IdempotentWrite, acl.Cluster, acl.ClusterName)
	case *addpartitionstotxn.Response:
		for _, t := range res.Results {
			for _, p := range t.Results {
				d.topic(p.ErrorCode, acl.Write, t.Name)
				d.txn(p.ErrorCode, req.(*addpartitionstotxn.Request).TransactionalID)
			}
		}
	case *addoffsetstotxn.Response:
		d.txn(res.ErrorCode, req.(*addoffsetstotxn.Request).TransactionalID)
		d.group(res.ErrorCode, req.(*addoffsetstotxn.Request).GroupID)
	case *txnoffsetcommit.Response:
		r := req.(*txnoffsetcommit.Request)
		for _, t := range res.Topics {
			for _, p := range t.Partitions {
				d.topic(p.ErrorCode, acl.Read, t.Name)
				d.group(p.ErrorCode, r.GroupID)
				d.txn(p.ErrorCode, r.TransactionalID)
			}
		}
	case *endtxn.Response:
		d.txn(res.ErrorCode, req.(*endtxn.Request).TransactionalID)
	}
}
