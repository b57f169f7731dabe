package kafka

import (
	"context"
	"errors"
	"io"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/describegroups"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/ringback/ringback/pkg/kafka/acl"
)

// CheckAccess asks the cluster whether the client has these rights, without using any. A refusal, of
// the connection or of rights, is a Misconfiguration that names all that is missing. Once it has
// succeeded, refusals are of class Outage: somebody has taken away what was granted, and what is
// under way waits until it is given back.
//
// Without an authorizer, or where the cluster does not tell, nothing is found missing.
func (c *Client) CheckAccess(ctx context.Context, needed []acl.Right) error {
	c.security.needed.Store(&needed)
	missing := &deniedError{principal: c.security.principal()}
	asked := map[acl.Right]bool{}
	for _, r := range needed {
		resource := acl.Right{Resource: r.Resource, Name: r.Name}
		if asked[resource] {
			continue
		}
		asked[resource] = true
		granted, err := c.granted(ctx, r)
		var denied *deniedError
		switch {
		case errors.As(err, &denied):
			missing.lacking = append(missing.lacking, denied.lacking...)
			missing.code = denied.code
			for _, n := range needed {
				if n.Operation == acl.DescribeConfigs && n.Name == r.Name {
					if err := c.describesConfigs(ctx, n.Name); errors.As(err, &denied) {
						missing.lacking = append(missing.lacking, n)
					} else if err != nil {
						return err
					}
				}
			}
			continue
		case err != nil:
			return err
		}
		for _, n := range needed {
			if n.Resource == r.Resource && n.Name == r.Name && !granted(n.Operation) {
				missing.lacking = append(missing.lacking, n)
			}
		}
	}
	if len(missing.lacking) > 0 {
		return c.security.refused(missing)
	}
	// Where the cluster does not tell what is allowed, this can be found out all the same.
	for _, n := range needed {
		if n.Operation == acl.DescribeConfigs {
			if err := c.describesConfigs(ctx, n.Name); err != nil {
				return err
			}
		}
	}
	c.security.admitted.Store(true)
	return nil
}

// granted asks what the client may do to the resource of r.
func (c *Client) granted(ctx context.Context, r acl.Right) (func(acl.Operation) bool, error) {
	bits := int32(0)
	err := c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) (err error) {
		switch r.Resource {
		case acl.Topic:
			bits, err = c.topicOperations(ctx, r.Name)
		case acl.Group:
			bits, err = c.groupOperations(ctx, r.Name)
		case acl.TransactionalID:
			// Nothing tells what may be done to one but doing it, and that would fence its owner. Who
			// may describe one may write it, since nobody needs the one without the other.
			_, _, err = c.do(ctx, anyNode, &findcoordinator.Request{Key: r.Name + "0", KeyType: transactionCoordinator})
		}
		return classed("access", err)
	})
	// No bit: the cluster does not tell.
	return func(op acl.Operation) bool { return bits <= 0 || bits&(1<<op) != 0 }, err
}

func (c *Client) topicOperations(ctx context.Context, name string) (int32, error) {
	msg, _, err := c.do(ctx, anyNode, &metadata.Request{TopicNames: []string{name}, IncludeTopicAuthorizedOperations: true})
	if err != nil {
		return 0, err
	}
	for _, t := range msg.(*metadata.Response).Topics {
		if t.Name == name && t.ErrorCode == 0 {
			return t.TopicAuthorizedOperations, nil
		}
	}
	return 0, nil // it does not exist yet
}

// describesConfigs finds out whether the client may see how a topic is configured, where it may not even describe it.
func (c *Client) describesConfigs(ctx context.Context, name string) error {
	return c.retry(ctx, c.cfg.RequestTimeout, func(ctx context.Context) error {
		_, _, err := c.do(ctx, anyNode, &describeconfigs.Request{Resources: []describeconfigs.RequestResource{
			{ResourceType: topicResource, ResourceName: name, ConfigNames: []string{timestampType}},
		}})
		return classed("access", err)
	})
}

func (c *Client) groupOperations(ctx context.Context, id string) (int32, error) {
	msg, _, err := c.coordinated(ctx, groupCoordinator, id, describeGroup{&describegroups.Request{Groups: []string{id}, IncludeAuthorizedOperations: true}})
	if err != nil {
		return 0, err
	}
	groups := msg.(*describegroups.Response).Groups
	if len(groups) != 1 {
		return 0, errNoAnswer
	}
	return groups[0].AuthorizedOperations, c.answered(groupCoordinator, id, groups[0].ErrorCode)
}

// describeGroup sends DescribeGroups at version 4 at most: of version 5 kafka-go misreads the answer.
type describeGroup struct{ *describegroups.Request }

func (d describeGroup) exchange(rw io.ReadWriter, version int16, correlation int32, clientID string) (protocol.Message, error) {
	return protocol.RoundTrip(rw, min(version, 4), correlation, clientID, d.Request)
}
