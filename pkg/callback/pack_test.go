package callback_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/callback"
)

// drawn gives any of the fields a value; a field of a new type fails here.
func drawn(t *rapid.T, v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.Kind() != reflect.String && !rapid.Bool().Draw(t, name) {
			continue
		}
		switch f.Interface().(type) {
		case string:
			f.SetString(rapid.String().Draw(t, name))
		case *string:
			f.Set(reflect.ValueOf(rapid.Ptr(rapid.String(), false).Draw(t, name)))
		case *int64:
			f.Set(reflect.ValueOf(rapid.Ptr(rapid.Int64(), false).Draw(t, name)))
		case *callback.Micros:
			n := callback.Micros(rapid.Int64().Draw(t, name))
			f.Set(reflect.ValueOf(&n))
		case *bool:
			f.Set(reflect.ValueOf(rapid.Ptr(rapid.Bool(), false).Draw(t, name)))
		case map[string]string:
			f.Set(reflect.ValueOf(rapid.MapOfN(rapid.String(), rapid.String(), 1, 5).Draw(t, name)))
		case *callback.VirtualQueue:
			q := &callback.VirtualQueue{}
			drawn(t, reflect.ValueOf(q).Elem())
			f.Set(reflect.ValueOf(q))
		default:
			t.Fatalf("field %s is of a type that this test does not know", name)
		}
	}
}

// What is packed is read back whole: a field that is added must be written and read.
func TestDataIsPackedWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want callback.Data
		drawn(t, reflect.ValueOf(&want).Elem())
		var texts []string
		number := func(s string) uint64 {
			if at := slices.Index(texts, s); at >= 0 {
				return uint64(at)
			}
			texts = append(texts, s)
			return uint64(len(texts) - 1)
		}
		b := want.AppendTo(nil, number)
		require.Equal(t, b, want.AppendTo(nil, number), "the same data gives the same bytes")
		got, err := callback.ParseData(string(b), texts)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestDataThatIsMalformedIsRefused(t *testing.T) {
	t.Parallel()
	for _, b := range []string{"\x0b", "\x0b\x01", "\x0b\xff\xff\xff\xff\xff", "\x0e", "\x0e\xff", "\x16\x02", "\x21\x02\x00", "\x21\x01", "\x21\xff\xff\x01"} {
		_, err := callback.ParseData(b, []string{"one"})
		require.Error(t, err, "%x", b)
	}
	_, err := callback.ParseData("\x2b\x00", []string{"one"})
	require.ErrorContains(t, err, "number 43", "of a field that is not there yet")
}
