package enricher_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/embedded/broker"
)

func TestOnTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	suite(t, func(t *testing.T) []string {
		b, err := broker.Start(broker.Config{Dir: t.TempDir()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return b.Addrs()
	})
}
