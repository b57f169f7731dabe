package watchdog_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/watchdog"
)

func TestSilenceIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watchdog.New(time.Minute)
		stuck, working, paused, ended := w.Loop("b"), w.Loop("working"), w.Loop("paused"), w.Loop("ended")
		paused.Rest()
		ended.End()
		time.Sleep(time.Minute)
		require.NoError(t, w.Live(), "the bound itself is no fault")
		working.Beat()
		also := w.Loop("a")
		time.Sleep(time.Second)
		require.EqualError(t, w.Live(), "b has not gone on for 1m1s")
		time.Sleep(time.Minute)
		working.Beat()
		require.EqualError(t, w.Live(), "a has not gone on for 1m1s\nb has not gone on for 2m1s")
		stuck.Beat()
		also.Rest()
		require.NoError(t, w.Live())
		paused.Beat()
		time.Sleep(2 * time.Minute)
		require.ErrorContains(t, w.Live(), "paused has not gone on for 2m0s")
	})
}

func TestNobodyWatches(t *testing.T) {
	t.Parallel()
	var w *watchdog.Watch
	l := w.Loop("x")
	l.Beat()
	l.Rest()
	l.End()
	require.NoError(t, w.Live())
}
