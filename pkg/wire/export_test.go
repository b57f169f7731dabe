package wire

import (
	"context"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
)

// ReadData reads the value of a lifecycle event, without the checks of its type.
func (c *Codec) ReadData(ctx context.Context, value []byte) (d callback.Data, err error) {
	err = c.readData(ctx, &d, value)
	return d, err
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
