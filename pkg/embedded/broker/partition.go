package broker

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// partition is what a scan of a partition's segments has found.
type partition struct {
	dir      string
	topic    string
	number   int32
	segments []*segment
	old      snapshot // what the last clean end left

	end       int64 // the next offset
	lastEpoch int32
	maxMS     int64
	firstMS   int64
	open      map[int64]*openRange
	aborted   []abortedRange
	windows   map[int64]*window
}

// openRange is the part of a transaction that has no marker yet.
type openRange struct {
	first int64
	epoch int16
}

type abortedRange struct {
	PID   int64 `json:"producer_id"`
	First int64 `json:"first_offset"`
	Last  int64 `json:"last_offset"`
}

// snapshot is kfake's snapshot.json. Where its segments match the files, kfake loads by it and keeps
// no batch in memory; where they do not, it reads the whole partition into memory and works the rest
// out from that.
type snapshot struct {
	Version       int               `json:"version"`
	HighWatermark int64             `json:"high_watermark"`
	LastStable    int64             `json:"last_stable_offset"`
	LogStart      int64             `json:"log_start_offset"`
	Epoch         int32             `json:"epoch"`
	LeaderNode    int32             `json:"leader_node,omitempty"`
	MaxTimestamp  int64             `json:"max_timestamp"`
	CreatedAt     time.Time         `json:"created_at"`
	Aborted       []abortedRange    `json:"aborted_txns,omitempty"`
	Segments      []snapshotSegment `json:"segments"`
}

type snapshotSegment struct {
	Base     int64 `json:"base_offset"`
	Size     int64 `json:"size"`
	MinEpoch int32 `json:"min_epoch,omitempty"`
	MaxEpoch int32 `json:"max_epoch,omitempty"`
}

// window is what kfake remembers of a producer's last batches in one partition.
type window struct {
	epoch   int16
	next    int32
	entries []windowEntry // the last five, oldest first
}

type windowEntry struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

// partitions scans all partitions of the log.
func (d dataDir) partitions() ([]*partition, error) {
	root := d.path("log", "partitions")
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []*partition
	for _, e := range entries {
		at := strings.LastIndexByte(e.Name(), '-')
		if !e.IsDir() || at < 0 {
			continue
		}
		topic, err := url.PathUnescape(e.Name()[:at])
		number, numErr := strconv.ParseInt(e.Name()[at+1:], 10, 32)
		if err != nil || numErr != nil {
			continue
		}
		p := &partition{dir: filepath.Join(root, e.Name()), topic: topic, number: int32(number), open: map[int64]*openRange{}, windows: map[int64]*window{}}
		if err := p.scan(); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func (p *partition) scan() error {
	files, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name, isData := strings.CutSuffix(f.Name(), ".dat")
		if base, err := strconv.ParseInt(name, 10, 64); isData && err == nil {
			p.segments = append(p.segments, &segment{dir: p.dir, base: base})
		}
	}
	slices.SortFunc(p.segments, func(a, b *segment) int { return cmp.Compare(a.base, b.base) })
	raw, err := os.ReadFile(filepath.Join(p.dir, "snapshot.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err != nil || json.Unmarshal(raw, &p.old) != nil {
		p.old = snapshot{}
	}
	for _, s := range p.segments {
		var bad error
		if err := s.scan(func(h header, whole []byte) { bad = errors.Join(bad, p.note(h, whole)) }); err != nil || bad != nil {
			return errors.Join(err, bad)
		}
	}
	return nil
}

// note takes one batch into account.
func (p *partition) note(h header, whole []byte) error {
	if p.firstMS == 0 {
		p.firstMS = h.firstMS
	}
	p.end = h.last() + 1
	p.lastEpoch = h.leaderEpoch
	p.maxMS = max(p.maxMS, h.maxMS)
	if h.control() {
		abort, err := isAbort(whole)
		if err != nil {
			return err
		}
		p.close(h.pid, h.offset, abort)
		return nil
	}
	if h.transactional() && p.open[h.pid] == nil {
		p.open[h.pid] = &openRange{first: h.offset, epoch: h.epoch}
	}
	if h.pid >= 0 {
		p.remember(h)
	}
	return nil
}

func (p *partition) close(pid, offset int64, abort bool) {
	if o := p.open[pid]; o != nil && abort {
		p.aborted = append(p.aborted, abortedRange{PID: pid, First: o.first, Last: offset})
	}
	delete(p.open, pid)
}

func (p *partition) remember(h header) {
	// Modulo as kfake counts.
	e := windowEntry{First: h.seq, Next: int32((int64(h.seq) + int64(h.count)) % math.MaxInt32), Offset: h.offset}
	w := p.windows[h.pid]
	if w == nil || w.epoch != h.epoch {
		w = &window{epoch: h.epoch}
		p.windows[h.pid] = w
	}
	if w.entries = append(w.entries, e); len(w.entries) > 5 {
		w.entries = w.entries[1:]
	}
	w.next = e.Next
}

// end ends the producer's open transaction by a marker.
func (p *partition) endTxn(pid int64, commit bool, now time.Time) error {
	o := p.open[pid]
	last := p.segments[len(p.segments)-1]
	if err := last.append(marker(p.end, p.lastEpoch, pid, o.epoch, commit, now), p.lastEpoch); err != nil {
		return err
	}
	p.close(pid, p.end, !commit)
	p.end++
	p.maxMS = max(p.maxMS, now.UnixMilli())
	return nil
}

// snapshot is what kfake would have saved, had it been closed.
func (p *partition) snapshot() snapshot {
	s := snapshot{
		Version: 1, HighWatermark: p.end, LastStable: p.end, Epoch: p.lastEpoch, LeaderNode: p.old.LeaderNode,
		MaxTimestamp: p.maxMS, CreatedAt: p.old.CreatedAt, Aborted: p.aborted,
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = time.UnixMilli(p.firstMS)
	}
	for _, o := range p.open {
		s.LastStable = min(s.LastStable, o.first)
	}
	for _, seg := range p.segments {
		if seg.batches == 0 {
			continue
		}
		if len(s.Segments) == 0 {
			s.LogStart = max(seg.base, p.old.LogStart)
		}
		s.Segments = append(s.Segments, snapshotSegment{Base: seg.base, Size: seg.size, MinEpoch: seg.minEpoch, MaxEpoch: seg.maxEpoch})
	}
	return s
}
