package session

import (
	"bytes"
	"container/heap"
)

// NextDue returns when the next deadline passes, false without one.
func (p *Partition) NextDue() (int64, bool) {
	for len(p.timers.heap) > 0 {
		t := &p.timers.heap[0]
		due := p.head(t.slot).DueAt
		if due <= t.due {
			return t.due, true
		}
		t.due = due // it was put off since
		heap.Fix(&p.timers, 0)
	}
	return 0, false
}

// timers is a heap by deadline, then service id, so that equal deadlines pass in an
// order that the log alone decides (invariant 3). It has one entry for each session
// with a deadline, never later than that: most news only puts a deadline off, and
// NextDue moves an entry that turns out too early.
type timers struct {
	heap []timer
	held *store
}

type timer struct {
	due  int64
	slot uint32
}

// arm sees to it that the session's entry is not later than its deadline.
func (t *timers) arm(slot uint32, due int64) {
	switch at := t.held.entries[slot].timer; {
	case at < 0:
		heap.Push(t, timer{due, slot})
	case t.heap[at].due > due:
		t.heap[at].due = due
		heap.Fix(t, int(at))
	}
}

func (t *timers) remove(slot uint32) {
	if at := t.held.entries[slot].timer; at >= 0 {
		heap.Remove(t, int(at))
	}
}

func (t *timers) first() uint32 { return t.heap[0].slot }

func (t *timers) Len() int { return len(t.heap) }

func (t *timers) Less(i, j int) bool {
	a, b := &t.heap[i], &t.heap[j]
	if a.due != b.due {
		return a.due < b.due
	}
	first, _ := t.held.get(a.slot)
	second, _ := t.held.get(b.slot)
	return bytes.Compare(first, second) < 0
}

func (t *timers) Swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.held.entries[t.heap[i].slot].timer = int32(i)
	t.held.entries[t.heap[j].slot].timer = int32(j)
}

func (t *timers) Push(x any) {
	t.held.entries[x.(timer).slot].timer = int32(len(t.heap))
	t.heap = append(t.heap, x.(timer))
}

func (t *timers) Pop() any {
	last := len(t.heap) - 1
	x := t.heap[last]
	t.held.entries[x.slot].timer = -1
	t.heap = t.heap[:last]
	return x
}
