package enricher

// Kept counts the partitions whose state is in memory.
func (e *Enricher) Kept() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.kept)
}
