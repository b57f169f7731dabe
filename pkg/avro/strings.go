package avro

import (
	"hash/maphash"
	"sync/atomic"
)

// maxShared is the length of the longest string that is shared.
const maxShared = 64

// shared keeps strings that have come more than once, each in the place that its hash
// gives, so that the names in nearly every record are not made anew each time. Whatever
// comes, it holds no more than it has places, and ids, which come once, take none.
var shared [1024]struct {
	value atomic.Pointer[any]
	last  atomic.Uint64 // hash of the last string that was not value
}

var sharedSeed = maphash.MakeSeed()

// sharedString returns the string of these bytes as a value.
func sharedString(b []byte) any {
	if len(b) > maxShared {
		return string(b)
	}
	hash := maphash.Bytes(sharedSeed, b)
	place := &shared[hash%uint64(len(shared))]
	if known := place.value.Load(); known != nil {
		if s, _ := (*known).(string); s == string(b) {
			return *known
		}
	}
	if place.last.Swap(hash) != hash {
		return string(b)
	}
	var made any = string(b)
	place.value.Store(&made)
	return made
}
