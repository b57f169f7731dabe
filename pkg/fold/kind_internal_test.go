package fold

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	for _, typ := range callback.Types {
		require.Equal(t, typ.Rank(), bits.TrailingZeros32(uint32(kindOf(typ))), "%s", typ)
	}
	require.Equal(t, unknownType, kindOf("callback.hummed"))
	require.Equal(t, unknownType, kindOf(callback.Tick))
}
