package infomart

import (
	"slices"
	"strings"
	"sync"
)

// KeyCache remembers the keys of committed dimension rows, the recently used ones. It
// holds at most two generations of limit keys; a key that a whole generation has not
// asked for is forgotten.
type KeyCache struct {
	mu         sync.Mutex
	limit      int
	young      map[string]int64
	old        map[string]int64
	generation int
}

// NewKeyCache makes a cache of at least limit and at most 2*limit keys.
func NewKeyCache(limit int) *KeyCache {
	return &KeyCache{limit: limit, young: make(map[string]int64)}
}

// Lookup returns the known keys of what the facts refer to, by Ref ID, and the
// references that are not known: each once, ordered by kind and ID so that two stores
// that create the same rows lock them in the same order.
func (c *KeyCache) Lookup(facts []*Fact) (known map[string]int64, unknown []*Ref) {
	known = make(map[string]int64)
	asked := make(map[string]bool)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range facts {
		for i := range f.Refs {
			ref := &f.Refs[i]
			if _, ok := known[ref.id]; ok || asked[ref.id] {
				continue
			}
			if key, ok := c.get(ref.id); ok {
				known[ref.id] = key
				continue
			}
			asked[ref.id] = true
			unknown = append(unknown, ref)
		}
	}
	slices.SortFunc(unknown, func(a, b *Ref) int { return strings.Compare(a.id, b.id) })
	return known, unknown
}

func (c *KeyCache) get(id string) (int64, bool) {
	if key, ok := c.young[id]; ok {
		return key, true
	}
	key, ok := c.old[id]
	if ok {
		c.put(id, key)
	}
	return key, ok
}

func (c *KeyCache) put(id string, key int64) {
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[string]int64, c.limit)
	}
	c.young[strings.Clone(id)] = key // an id is part of a longer string
}

// Add remembers keys that were found or made since the generation began. Their rows must
// be committed: a row that is rolled back takes its key with it.
func (c *KeyCache) Add(generation int, keys map[string]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	for id, key := range keys {
		c.put(id, key)
	}
}

// Forget forgets all keys: their rows may be gone, as where a server that had not got
// them has taken another's place. Keys that were looked up in an earlier generation must
// be looked up again.
func (c *KeyCache) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old = make(map[string]int64), nil
	c.generation++
}

// Generation counts how often the keys were forgotten.
func (c *KeyCache) Generation() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation
}
