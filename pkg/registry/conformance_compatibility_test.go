package registry_test

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/registry"
)

// The level that holds for a subject is its own or, where it has none, that of all, whether the registry
// knows the subject or not.
func compatibility(t *testing.T, b *bundle) {
	all := b.api.Compatibility(t.Context())[0].Level.String()
	for _, register := range []bool{false, true} {
		subject := "compatibility-" + rand.Text() + "-value"
		if register {
			_, err := b.client.Register(t.Context(), subject, schema)
			require.NoError(t, err)
		}
		level, err := b.client.Compatibility(t.Context(), subject)
		require.NoError(t, err)
		require.Equal(t, all, level)
		if !register {
			continue // where nothing is known of it, some set nothing
		}
		for _, want := range []string{"BACKWARD", registry.FullTransitive} {
			require.NoError(t, b.client.SetCompatibility(t.Context(), subject, want))
			level, err = b.client.Compatibility(t.Context(), subject)
			require.NoError(t, err)
			require.Equal(t, want, level)
		}
	}
	require.Equal(t, all, b.api.Compatibility(t.Context(), sr.GlobalSubject)[0].Level.String())
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(b.client.SetCompatibility(t.Context(), "s", "SOME")))
	away := newClient(t, "http://127.0.0.1:1")
	_, err := away.Compatibility(t.Context(), "s")
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	require.Equal(t, fault.Outage, fault.ClassOf(away.SetCompatibility(t.Context(), "s", registry.FullTransitive)))
}
