package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Compaction happens while nobody is connected, on files of which hard links are kept: kfake removes
// a partition's segments before it writes the new ones, and does not look whether a record that
// supersedes another belongs to a transaction that will be aborted.

// compact compacts, if the topics that want it have grown to cfg.CompactBytes and doubled since the
// last time. So each byte is compacted a bounded number of times, whatever the log has come to.
func (d dataDir) compact(cfg Config) error {
	dirs, err := d.compactedPartitions()
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	size, err := dataSize(dirs)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	if size < cfg.CompactBytes || size < 2*d.compactedSize() {
		return nil
	}
	// Until the old files go there must be room for the new ones.
	if free, err := cfg.free(cfg.Dir); err != nil || free < size+cfg.MinFree {
		return err
	}
	if err := d.linkPartitions(dirs); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	if err := d.markDirty(); err != nil {
		return err
	}
	g := newGuard(cfg)
	cluster, err := d.load(cfg, 0, g) // on a port that nobody knows
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	cluster.Compact()
	cluster.Close()
	if err := g.failure(); err != nil {
		return fmt.Errorf("compact: %w", err) // the next start undoes it
	}
	if size, err = dataSize(dirs); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	return errors.Join(
		writeJSON(d.path("compacted.json"), compactedState{Size: size}),
		os.Remove(d.linksComplete()), // from here on the compacted files count
		os.RemoveAll(d.links()),
		d.markClean(),
	)
}

type compactedState struct {
	Size int64 `json:"size"`
}

func (d dataDir) compactedSize() int64 {
	var s compactedState
	raw, err := os.ReadFile(d.path("compacted.json"))
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return 0
	}
	return s.Size
}

func (d dataDir) links() string         { return d.path("compacting") }
func (d dataDir) linksComplete() string { return d.path("compacting.complete") }

// compactedPartitions names the directories of the partitions of topics with cleanup.policy=compact.
func (d dataDir) compactedPartitions() ([]string, error) {
	raw, err := os.ReadFile(d.path("log", "topics.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var saved struct {
		Topics []struct {
			Name       string            `json:"name"`
			Partitions int               `json:"partitions"`
			Configs    map[string]string `json:"configs"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(raw, &saved); err != nil {
		return nil, fmt.Errorf("topics.json: %w", err)
	}
	var dirs []string
	for _, t := range saved.Topics {
		if !strings.Contains(t.Configs["cleanup.policy"], "compact") {
			continue
		}
		for n := range t.Partitions {
			dirs = append(dirs, d.path("log", "partitions", url.PathEscape(t.Name)+"-"+strconv.Itoa(n)))
		}
	}
	return dirs, nil
}

func dataSize(dirs []string) (total int64, err error) {
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.dat"))
		if err != nil {
			return 0, err
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				return 0, err
			}
			total += info.Size()
		}
	}
	return total, nil
}

// linkPartitions keeps the partitions' files beside. Compaction makes new files, so these stay what
// they are.
func (d dataDir) linkPartitions(dirs []string) error {
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		to := filepath.Join(d.links(), filepath.Base(dir))
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.Link(filepath.Join(dir, e.Name()), filepath.Join(to, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(d.linksComplete(), nil, 0o644)
}

// restoreCompaction undoes a compaction that was interrupted.
func (d dataDir) restoreCompaction() error {
	if _, err := os.Stat(d.linksComplete()); errors.Is(err, os.ErrNotExist) {
		return os.RemoveAll(d.links()) // interrupted before it began, or after it was done
	}
	entries, err := os.ReadDir(d.links())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		to := d.path("log", "partitions", e.Name())
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		// A directory that has been moved is in place and no longer here, should this be interrupted.
		if err := os.Rename(filepath.Join(d.links(), e.Name()), to); err != nil {
			return err
		}
	}
	return errors.Join(os.Remove(d.linksComplete()), os.RemoveAll(d.links()))
}
