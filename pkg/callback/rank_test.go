package callback_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
)

func TestRank(t *testing.T) {
	t.Parallel()
	for i, typ := range callback.Types {
		require.Equal(t, i+1, typ.Rank(), "%s", typ)
	}
	require.Zero(t, callback.Tick.Rank())
	require.Zero(t, callback.Type("callback.hummed").Rank())
	require.Zero(t, callback.Type("").Rank())
}
