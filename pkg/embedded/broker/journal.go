package broker

import (
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// journal makes a commit atomic over the death of the process. kfake commits by writing a marker to
// one partition after the other, then the group offsets, then an entry to pids.log; killed in
// between, it would find the transaction committed here and open there. So the decision is noted,
// whole, before kfake begins, and repair completes what it finds begun.
//
// kfake handles one request at a time: one note is enough, since the commit before it is complete.
// What a transaction consists of is gathered from the requests as they pass.
type journal struct {
	file    *os.File
	pidsLog string
	sync    bool

	// Of kfake's request loop alone.
	open map[int64]*transaction
	byID map[string]int64
	buf  []byte

	before, after func() // of tests: a commit is about to be noted, and has been
}

// transaction is what an open transaction has touched.
type transaction struct {
	epoch      int16
	partitions map[string]map[int32]bool
	offsets    map[offsetKey]offsetEntry
}

type offsetKey struct {
	group, topic string
	partition    int32
}

// decision is the note. It is done with once pids.log has another size than it names, because
// kfake's last act in a commit is to append there.
type decision struct {
	PID         int64              `json:"pid"`
	Epoch       int16              `json:"epoch"`
	PIDsLogSize int64              `json:"pids_log_size"`
	Partitions  map[string][]int32 `json:"partitions,omitempty"`
	Offsets     []offsetEntry      `json:"offsets,omitempty"`
}

func (d dataDir) journalPath() string { return d.path("commit.journal") }
func (d dataDir) pidsLog() string     { return d.path("log", "pids.log") }
func (d dataDir) groupsLog() string   { return d.path("log", "groups.log") }

func openJournal(d dataDir, sync bool) (*journal, error) {
	f, err := os.OpenFile(d.journalPath(), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return &journal{file: f, pidsLog: d.pidsLog(), sync: sync, open: map[int64]*transaction{}, byID: map[string]int64{}}, nil
}

func (j *journal) close() error { return j.file.Close() }

// readDecision returns the noted decision; nil where there is none or it was not written to its
// end, in which case kfake had not begun to act on it.
func (d dataDir) readDecision() (*decision, error) {
	raw, err := os.ReadFile(d.journalPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, size := nextFrame(raw)
	if size == 0 {
		return nil, nil
	}
	var dec decision
	if err := json.Unmarshal(data, &dec); err != nil {
		return nil, nil
	}
	return &dec, nil
}

// watch follows the transactions' requests. Each function returns "not handled", so that kfake goes
// on with the request.
func (j *journal) watch(c *kfake.Cluster) {
	observe := func(key kmsg.Key, fn func(kmsg.Request)) {
		c.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			fn(req)
			return nil, nil, false
		})
	}
	observe(kmsg.InitProducerID, func(req kmsg.Request) {
		if r := req.(*kmsg.InitProducerIDRequest); r.TransactionalID != nil {
			delete(j.open, j.byID[*r.TransactionalID]) // kfake aborts it
		}
	})
	observe(kmsg.AddPartitionsToTxn, func(req kmsg.Request) {
		r := req.(*kmsg.AddPartitionsToTxnRequest)
		for _, t := range r.Topics {
			j.touch(r.TransactionalID, r.ProducerID, r.ProducerEpoch, t.Topic, t.Partitions...)
		}
		for _, txn := range r.Transactions {
			for _, t := range txn.Topics {
				j.touch(txn.TransactionalID, txn.ProducerID, txn.ProducerEpoch, t.Topic, t.Partitions...)
			}
		}
	})
	observe(kmsg.TxnOffsetCommit, func(req kmsg.Request) {
		r := req.(*kmsg.TxnOffsetCommitRequest)
		txn := j.touch(r.TransactionalID, r.ProducerID, r.ProducerEpoch, "")
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				txn.offsets[offsetKey{r.Group, t.Topic, p.Partition}] = offsetEntry{
					Type: "commit", Group: r.Group, Topic: t.Topic, Partition: p.Partition, Offset: p.Offset, Epoch: p.LeaderEpoch, Metadata: p.Metadata,
				}
			}
		}
	})
	observe(kmsg.Produce, func(req kmsg.Request) {
		r := req.(*kmsg.ProduceRequest)
		if r.TransactionID == nil || r.Version < 12 {
			return
		}
		// From this version on, writing to a partition adds it.
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if b, err := parseHeader(p.Records); err == nil {
					j.touch(*r.TransactionID, b.pid, b.epoch, t.Topic, p.Partition)
				}
			}
		}
	})
	c.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r := req.(*kmsg.EndTxnRequest)
		if err := j.end(r); err != nil {
			// Not noted, so not to be done. The client asks again.
			c.KeepControl()
			res := r.ResponseKind().(*kmsg.EndTxnResponse)
			res.ErrorCode = kerr.CoordinatorNotAvailable.Code
			return res, nil, true
		}
		return nil, nil, false
	})
}

// touch notes partitions of a transaction, which an older epoch of the producer has no part in.
func (j *journal) touch(id string, pid int64, epoch int16, topic string, partitions ...int32) *transaction {
	txn := j.open[pid]
	if txn == nil || txn.epoch < epoch {
		txn = &transaction{epoch: epoch, partitions: map[string]map[int32]bool{}, offsets: map[offsetKey]offsetEntry{}}
		j.open[pid] = txn
		j.byID[id] = pid
	}
	if txn.epoch != epoch {
		return &transaction{partitions: map[string]map[int32]bool{}, offsets: map[offsetKey]offsetEntry{}}
	}
	for _, p := range partitions {
		if txn.partitions[topic] == nil {
			txn.partitions[topic] = map[int32]bool{}
		}
		txn.partitions[topic][p] = true
	}
	return txn
}

func (j *journal) end(r *kmsg.EndTxnRequest) error {
	txn := j.open[r.ProducerID]
	if txn == nil || txn.epoch != r.ProducerEpoch {
		return nil // kfake knows of none either
	}
	if r.Commit {
		if j.before != nil {
			j.before()
		}
		if err := j.note(r.ProducerID, txn); err != nil {
			return err
		}
		if j.after != nil {
			j.after()
		}
	}
	delete(j.open, r.ProducerID)
	return nil
}

func (j *journal) note(pid int64, txn *transaction) error {
	dec := decision{PID: pid, Epoch: txn.epoch, Partitions: map[string][]int32{}}
	info, err := os.Stat(j.pidsLog)
	if err != nil {
		return err
	}
	dec.PIDsLogSize = info.Size()
	for topic, partitions := range txn.partitions {
		for p := range partitions {
			dec.Partitions[topic] = append(dec.Partitions[topic], p)
		}
	}
	for _, o := range txn.offsets {
		dec.Offsets = append(dec.Offsets, o)
	}
	if j.buf, err = appendFrame(j.buf[:0], dec); err != nil {
		return err
	}
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := j.file.Write(j.buf); err != nil {
		return err
	}
	if j.sync {
		return j.file.Sync()
	}
	return nil
}
