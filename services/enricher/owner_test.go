package enricher

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What is under way when a partition is taken away may be finished, but not for ever.
func TestABatchMayBeFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		writing, done := graced(ctx, lastWord)
		defer done()
		cancel()
		time.Sleep(lastWord - time.Nanosecond)
		synctest.Wait()
		require.NoError(t, writing.Err())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Error(t, writing.Err())
	})
}
