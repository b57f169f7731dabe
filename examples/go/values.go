package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/linkedin/goavro/v2"
)

// values decodes values in the Confluent wire format, each by the schema that it was written with.
type values struct {
	registry string
	codecs   map[uint32]*goavro.Codec // an id names one schema for good
}

func newValues(registry string) *values {
	return &values{registry: registry, codecs: map[uint32]*goavro.Codec{}}
}

func (v *values) decode(ctx context.Context, value []byte) (map[string]any, error) {
	if len(value) < 5 || value[0] != 0 {
		return nil, errors.New("not in the Confluent wire format: a zero byte, four bytes of schema id, Avro")
	}
	codec, err := v.codec(ctx, binary.BigEndian.Uint32(value[1:]))
	if err != nil {
		return nil, err
	}
	native, _, err := codec.NativeFromBinary(value[5:])
	if err != nil {
		return nil, err
	}
	event, ok := native.(map[string]any)
	if !ok {
		return nil, errors.New("not a record")
	}
	return event, nil
}

func (v *values) codec(ctx context.Context, id uint32) (*goavro.Codec, error) {
	if codec, ok := v.codecs[id]; ok {
		return codec, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/schemas/ids/%d", v.registry, id), nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("schema %d: the registry answers %s", id, res.Status)
	}
	var answer struct{ Schema string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	codec, err := goavro.NewCodec(answer.Schema)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	v.codecs[id] = codec
	return codec, nil
}

// text is a field's value: goavro gives an optional one as a map from its type to it. A KVP that is not known is null.
func text(value any) string {
	if union, ok := value.(map[string]any); ok {
		for _, value = range union {
		}
	}
	if value == nil {
		return "-"
	}
	return fmt.Sprint(value)
}
