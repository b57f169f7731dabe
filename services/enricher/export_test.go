package enricher

// Kept counts the partitions whose state is in memory.
func (e *Enricher) Kept() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.kept)
}

// Joined makes it a member with a share of the partitions, of which it has begun none.
func (e *Enricher) Joined(share int) { e.setJoined(nil, share) }

// Begin makes a partition its own, ready or not.
func (e *Enricher) Begin(partition int32, ready bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status[partition] = status{ready: ready, reason: "behind"}
}

// Leave gives all partitions away.
func (e *Enricher) Leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.status)
}
