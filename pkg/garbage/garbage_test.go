package garbage

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAHeapGrowsByWhatIsSpare(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 64 << 20: 200, 128 << 20: 100, 256 << 20: 50, 640 << 20: 20, 8 << 30: 15} {
		require.Equal(t, want, percent(live), "%d MiB", live>>20)
	}
}
