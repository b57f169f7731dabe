package wire

import (
	"context"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
)

// ReadData reads the value of a lifecycle event, without the checks of its type.
func (c *Codec) ReadData(ctx context.Context, value []byte) (callback.Data, error) {
	var made roomyEvent
	err := c.readData(ctx, &made, value)
	return made.Data, err
}

// ReadDataBySchema is ReadData without the code that knows the schema.
func (c *Codec) ReadDataBySchema(ctx context.Context, value []byte) (d callback.Data, err error) {
	s := shapes().lifecycle
	r := make(avro.Record, s.schema.Len())
	if err := c.decode(ctx, s, r, value); err != nil {
		return d, err
	}
	readData(&d, r)
	return d, nil
}

// EncodeUserEventBySchema encodes it without the code that knows the schema.
func (c *Codec) EncodeUserEventBySchema(u *callback.UserEvent) ([]byte, error) {
	return c.encodeUserEvent(u)
}

// ReadUserEventValues reads the value of a UserEvent without its events.
func (c *Codec) ReadUserEventValues(ctx context.Context, value []byte) (*callback.UserEvent, error) {
	return c.readUserEventValues(ctx, value)
}

// ReadUserEvent reads the value of a UserEvent by its schema.
func (c *Codec) ReadUserEvent(ctx context.Context, value []byte) (*callback.UserEvent, error) {
	return c.readUserEvent(ctx, value)
}

// TakesUserEventValues tells whether the code that knows the schema takes the value itself.
func (c *Codec) TakesUserEventValues(value []byte) bool {
	_, ok := parseUserEventValues(value[5:])
	return ok
}
