package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// repair makes the directory what kfake would have left, had it been closed: a commit that had begun
// is completed, every other open transaction is aborted by markers in the log, its producer fenced,
// and what kfake keeps in memory only is worked out again from the log. After a clean end there is
// nothing to do. Repeating it, should it be interrupted, does no harm.
func (d dataDir) repair() error {
	if _, err := os.Stat(d.path("log", "meta.json")); errors.Is(err, os.ErrNotExist) || d.clean() {
		return nil
	}
	pids, err := d.readPIDs()
	if err != nil {
		return fmt.Errorf("pids.log: %w", err)
	}
	if _, err := readStateLog(d.groupsLog()); err != nil {
		return fmt.Errorf("groups.log: %w", err)
	}
	partitions, err := d.partitions()
	if err != nil {
		return err
	}
	dec, err := d.begun(pids)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	now := time.Now()
	for _, p := range partitions {
		if err := p.endTxns(dec, now); err != nil {
			return fmt.Errorf("partition %s-%d: %w", p.topic, p.number, err)
		}
	}
	if err := d.saveWindows(partitions); err != nil {
		return fmt.Errorf("sequence windows: %w", err)
	}
	for _, p := range partitions {
		if err := p.save(); err != nil {
			return fmt.Errorf("partition %s-%d: %w", p.topic, p.number, err)
		}
	}
	// Group members and open transactions of an end that was clean, but is not the last one.
	if err := os.Remove(d.path("log", "session_state.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if dec != nil {
		for i := range dec.Offsets {
			ms := now.UnixMilli()
			dec.Offsets[i].LastCommit = &ms
		}
		if err := appendStateLog(d.groupsLog(), dec.Offsets); err != nil {
			return fmt.Errorf("groups.log: %w", err)
		}
	}
	// pids.log last: from then on the decision counts as completed.
	return appendStateLog(d.pidsLog(), fences(pids, dec))
}

// producers is the last entry of pids.log of each producer id.
type producers struct {
	last map[int64]pidEntry
	txID map[int64]string
	size int64
}

func (d dataDir) readPIDs() (producers, error) {
	ps := producers{last: map[int64]pidEntry{}, txID: map[int64]string{}}
	entries, err := readStateLog(d.pidsLog())
	if err != nil {
		return ps, err
	}
	for _, raw := range entries {
		var e pidEntry
		if json.Unmarshal(raw, &e) != nil {
			continue
		}
		if e.TxID != "" {
			ps.txID[e.PID] = e.TxID
		}
		ps.last[e.PID] = e
	}
	if info, err := os.Stat(d.pidsLog()); err == nil {
		ps.size = info.Size()
	}
	return ps, nil
}

// begun returns the decision that kfake may not have completed.
func (d dataDir) begun(pids producers) (*decision, error) {
	dec, err := d.readDecision()
	if err != nil || dec == nil {
		return nil, err
	}
	// Another epoch: it was a former owner's, and kfake has refused it.
	if dec.PIDsLogSize != pids.size || pids.last[dec.PID].Epoch != dec.Epoch {
		return nil, nil
	}
	return dec, nil
}

// fences raises the epoch of every transactional producer: its transaction, or what it believes to
// be one, is gone, and a commit of it must not be taken for the repetition of an earlier one. The
// producer whose commit was completed is left alone, so that its repetition is answered rightly.
func fences(pids producers, dec *decision) []pidEntry {
	var entries []pidEntry
	for pid := range pids.txID {
		e := pids.last[pid]
		if dec != nil && dec.PID == pid {
			commit := true
			entries = append(entries, pidEntry{Type: "endtx", PID: pid, Epoch: e.Epoch, Commit: &commit})
			continue
		}
		entries = append(entries, pidEntry{Type: "timeout", PID: pid, Epoch: e.Epoch + 1})
	}
	return entries
}

// endTxns ends all open transactions.
func (p *partition) endTxns(dec *decision, now time.Time) error {
	for pid, o := range p.open {
		commit := false
		if dec != nil && dec.PID == pid && dec.Epoch == o.epoch {
			for _, n := range dec.Partitions[p.topic] {
				commit = commit || n == p.number
			}
		}
		if err := p.endTxn(pid, commit, now); err != nil {
			return err
		}
	}
	return nil
}

// save writes the partition's snapshot.
func (p *partition) save() error {
	for _, s := range p.segments {
		if s.batches > 0 {
			continue
		}
		// Made for a batch that never came.
		if err := errors.Join(os.Remove(s.data()), os.Remove(s.index())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	s := p.snapshot()
	if len(s.Segments) == 0 {
		return nil // kfake takes no snapshot into account where there is no segment
	}
	return writeJSON(filepath.Join(p.dir, "snapshot.json"), s)
}

// savedWindow is an entry of kfake's seq_windows.json.
type savedWindow struct {
	PID       int64          `json:"pid"`
	Topic     string         `json:"topic"`
	Partition int32          `json:"partition"`
	Entries   [5]windowEntry `json:"entries"`
	Count     uint8          `json:"count"`
	At        uint8          `json:"at"`
	Epoch     int16          `json:"epoch"`
	Seen      bool           `json:"seen"`
	Next      int32          `json:"next_seq"`
}

type savedWindows struct {
	Version int           `json:"version"`
	Windows []savedWindow `json:"windows"`
}

func (d dataDir) saveWindows(partitions []*partition) error {
	saved := savedWindows{Version: 1}
	for _, p := range partitions {
		for pid, w := range p.windows {
			sw := savedWindow{PID: pid, Topic: p.topic, Partition: p.number, Count: uint8(len(w.entries)), At: uint8(len(w.entries) % 5), Epoch: w.epoch, Seen: true, Next: w.next}
			copy(sw.Entries[:], w.entries)
			saved.Windows = append(saved.Windows, sw)
		}
	}
	return writeJSON(d.path("log", "seq_windows.json"), saved)
}
