package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// As Java's Utils.murmur2 and toPositive(hash) % 12 give them.
func TestPartitionForKey(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key       string
		hash      int32
		partition int32
	}{
		{"", 275646681, 9},
		{"a", -1563381124, 4},
		{"ab", 316155434, 2},
		{"abc", 479470107, 3},
		{"abcd", -1323649548, 8},
		{"abcde", 461995741, 1},
		{"21", -973932308, 0},
		{"foobar", -790332482, 6},
		{"a-little-bit-long-string", -985981536, 8},
		{"a-little-bit-longer-string", -1486304829, 11},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 5},
		{"0194f2c3-7a4e-7d1c-9a61-000000000001", 652679046, 6},
		{"übergröße", 863706645, 9},
	} {
		t.Run(tc.key, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.hash, int32(murmur2([]byte(tc.key))))
			require.Equal(t, tc.partition, PartitionForKey([]byte(tc.key), 12))
			require.Zero(t, PartitionForKey([]byte(tc.key), 1))
		})
	}
}
