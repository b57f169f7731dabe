package fold

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/ringback/ringback/pkg/callback"
)

// Digest identifies the values that r holds: of every KVP as it stands
// (_CB_FINAL_RECORD too), of the columns that no KVP fills, of service name and media
// type. Which event gave a value does not count. It is kept in a session's state, to
// tell whether news changed anything, so it must stay the same from release to
// release as long as the order of the schema does.
func Digest(r *Result) [16]byte {
	var room [2048]byte
	b := room[:0]
	for k := range r.KVPs {
		b = appendValue(b, byte(k), &r.KVPs[k])
	}
	// Far from the KVPs, so that a KVP added later takes no number of these.
	b = appendValue(b, 251, &r.DesiredTime)
	b = appendValue(b, 252, &r.PushDeliveryConfirmed)
	b = appendValue(b, 253, &r.CustomerReadyToStartIxn)
	b = appendText(b, 254, r.ServiceName)
	b = appendText(b, 255, r.MediaType)
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}

// appendValue appends key, integer and string, each so that no two values read the same.
func appendValue(b []byte, key byte, v *callback.Value) []byte {
	if !v.Set {
		return b
	}
	b = append(b, key)
	b = binary.AppendVarint(b, v.Int)
	b = binary.AppendUvarint(b, uint64(len(v.Str)))
	return append(b, v.Str...)
}

func appendText(b []byte, key byte, text *string) []byte {
	if text == nil {
		return b
	}
	return appendValue(b, key, &callback.Value{Set: true, Str: *text})
}
