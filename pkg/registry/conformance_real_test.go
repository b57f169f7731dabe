//go:build realregistry

package registry_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRealRegistryConforms(t *testing.T) {
	t.Parallel()
	at := os.Getenv("RINGBACK_REGISTRY_URL")
	require.NotEmpty(t, at, "RINGBACK_REGISTRY_URL is not set: scripts/registry-up starts a registry and prints it")
	conformance(t, at)
}
