package session

import "container/heap"

// NextDue returns when the next deadline passes, false without one.
func (p *Partition) NextDue() (int64, bool) {
	for len(p.timers) > 0 {
		t := p.timers[0]
		h := p.held[t.id]
		switch {
		case h == nil || h.timer != t.due:
			heap.Pop(&p.timers)
		case h.due > t.due: // it was put off since
			h.timer = h.due
			p.timers[0].due = h.due
			heap.Fix(&p.timers, 0)
		default:
			return t.due, true
		}
	}
	return 0, false
}

// arm keeps one entry in the heap for each session, never later than its deadline;
// NextDue moves an entry that turns out too early.
func (p *Partition) arm(id string, h *held) {
	if h.timer != 0 && h.timer <= h.due {
		return
	}
	h.timer = h.due
	heap.Push(&p.timers, timer{h.due, id})
}

type timer struct {
	due int64
	id  string
}

// timers is a heap by deadline, then service id, so that equal deadlines pass in an
// order that the log alone decides (invariant 3).
type timers []timer

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	return t[i].due < t[j].due || t[i].due == t[j].due && t[i].id < t[j].id
}
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)   { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	*t = (*t)[:last]
	return x
}
