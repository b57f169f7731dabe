package session

import (
	"encoding/binary"
	"hash/maphash"
)

// store holds encoded states by service id. A million sessions as Go objects would
// cost the collector a million objects and as much memory again; here they lie one
// after the other in pages without pointers. A state that changes is written anew at
// the end, and once a fifth of the pages is dead what lives in the page with the most dead bytes moves.
type store struct {
	hash    func(id string) uint64
	slots   map[uint64]uint32 // hash of the service id -> the first session that has it
	entries []entry
	vacant  uint32 // the first entry without a session; noSlot without one

	pages   []page
	empty   []uint32 // numbers of pages without memory
	last    uint32   // the page that is being filled
	used    int      // bytes in all pages
	live    int      // of those, bytes of sessions
	encoded int      // of those, bytes of states
}

// entry is a session: where it lies, and what else the partition must find by its slot.
type entry struct {
	page, at uint32
	next     uint32 // session with the same hash, or the next vacant entry
	timer    int32  // place in the heap of timers; under 0 without one
}

type page struct {
	b    []byte
	live int
}

const (
	pageSize  = 64 << 10
	noSlot    = ^uint32(0)
	noPage    = ^uint32(0)
	minUnused = 4 * pageSize // dead bytes that are not worth an effort
)

func newStore() store {
	seed := maphash.MakeSeed()
	return store{
		hash:  func(id string) uint64 { return maphash.String(seed, id) },
		slots: map[uint64]uint32{}, vacant: noSlot, last: noPage,
	}
}

// find returns the session's slot.
func (s *store) find(id string) (uint32, bool) {
	slot, ok := s.slots[s.hash(id)]
	for ok && slot != noSlot {
		if have, _ := s.get(slot); string(have) == id {
			return slot, true
		}
		slot = s.entries[slot].next
	}
	return 0, false
}

// add makes a slot for a session that has none.
func (s *store) add(id string, encoded []byte) uint32 {
	slot := s.vacant
	if slot != noSlot {
		s.vacant = s.entries[slot].next
	} else {
		slot = uint32(len(s.entries))
		s.entries = append(s.entries, entry{})
	}
	hash := s.hash(id)
	next, taken := s.slots[hash]
	if !taken {
		next = noSlot
	}
	s.slots[hash] = slot
	s.entries[slot] = entry{page: noPage, next: next, timer: -1}
	s.put(slot, id, encoded)
	return slot
}

// get returns what is held. Both are parts of a page, and good until the next put.
func (s *store) get(slot uint32) (id, encoded []byte) {
	e := &s.entries[slot]
	id, encoded, _ = record(s.pages[e.page].b[e.at:])
	return id, encoded
}

// record reads the id and the state of the record that b begins with, and its size.
func record(b []byte) (id, encoded []byte, size int) {
	rest := b[4:]
	n, w := binary.Uvarint(rest)
	id, rest = rest[w:w+int(n)], rest[w+int(n):]
	n, w = binary.Uvarint(rest)
	return id, rest[w : w+int(n)], len(b) - len(rest) + w + int(n)
}

// put replaces the session's state.
func (s *store) put(slot uint32, id string, encoded []byte) {
	s.drop(slot)
	b := s.room(4 + 2*binary.MaxVarintLen32 + len(id) + len(encoded))
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, slot)
	b = append(binary.AppendUvarint(b, uint64(len(id))), id...)
	b = append(binary.AppendUvarint(b, uint64(len(encoded))), encoded...)
	s.place(slot, b, at)
	s.encoded += len(encoded)
	s.tidy()
}

// remove forgets the session.
func (s *store) remove(slot uint32) {
	id, _ := s.get(slot)
	hash, next := s.hash(string(id)), s.entries[slot].next
	switch first := s.slots[hash]; {
	case first != slot:
		for s.entries[first].next != slot {
			first = s.entries[first].next
		}
		s.entries[first].next = next
	case next == noSlot:
		delete(s.slots, hash)
	default:
		s.slots[hash] = next
	}
	s.drop(slot)
	s.entries[slot] = entry{page: noPage, next: s.vacant, timer: -1}
	s.vacant = slot
	s.tidy()
}

// all lists the slots that have a session.
func (s *store) all(yield func(uint32) bool) {
	for slot := range s.entries {
		if s.entries[slot].page != noPage && !yield(uint32(slot)) {
			return
		}
	}
}

// room returns the last page where that much fits into it, or a new one.
func (s *store) room(size int) []byte {
	if s.last != noPage {
		if b := s.pages[s.last].b; len(b)+size <= cap(b) {
			return b
		}
	}
	b := make([]byte, 0, max(size, pageSize))
	if n := len(s.empty); n > 0 {
		s.last, s.empty = s.empty[n-1], s.empty[:n-1]
	} else {
		s.last = uint32(len(s.pages))
		s.pages = append(s.pages, page{})
	}
	s.pages[s.last] = page{b: b}
	return b
}

// place says that the session lies in the last page, which has become b, from at on.
func (s *store) place(slot uint32, b []byte, at int) {
	p := &s.pages[s.last]
	p.b = b
	p.live += len(b) - at
	s.used += len(b) - at
	s.live += len(b) - at
	s.entries[slot].page, s.entries[slot].at = s.last, uint32(at)
}

// drop makes the place of the session's state dead.
func (s *store) drop(slot uint32) {
	e := &s.entries[slot]
	if e.page == noPage {
		return
	}
	p := &s.pages[e.page]
	_, encoded, size := record(p.b[e.at:])
	p.live -= size
	s.live -= size
	s.encoded -= len(encoded)
	if p.live == 0 && e.page != s.last {
		s.free(e.page)
	}
	e.page = noPage
}

func (s *store) free(n uint32) {
	s.used -= len(s.pages[n].b)
	s.pages[n] = page{}
	s.empty = append(s.empty, n)
}

// tidy moves what lives in the page with the most dead bytes, while there are too many.
func (s *store) tidy() {
	for s.used-s.live > max(s.used/5, minUnused) {
		from, most := noPage, 0
		for n := range s.pages {
			p := &s.pages[n]
			if dead := len(p.b) - p.live; dead > most && uint32(n) != s.last {
				from, most = uint32(n), dead
			}
		}
		if from == noPage {
			return
		}
		b := s.pages[from].b
		for at := 0; at < len(b); {
			slot := binary.LittleEndian.Uint32(b[at:])
			_, _, size := record(b[at:])
			if e := &s.entries[slot]; e.page == from && e.at == uint32(at) {
				s.live -= size
				to := s.room(size)
				s.place(slot, append(to, b[at:at+size]...), len(to))
			}
			at += size
		}
		s.free(from)
	}
}
