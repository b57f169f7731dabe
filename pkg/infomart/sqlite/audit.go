package sqlite

import (
	"github.com/ringback/ringback/pkg/infomart"
)

// nextAudit is the key of the transaction's row in CTL_AUDIT_LOG. The write lock is
// held, so no other takes it.
func nextAudit(db *session) (int64, error) {
	return db.number("SELECT COALESCE(MAX(AUDIT_KEY), 0) + 1 FROM CTL_AUDIT_LOG")
}

// lastCustom is the highest ID of G_CUSTOM_DATA_S; the database gives the next one the next number.
func lastCustom(db *session) (int64, error) {
	return db.number("SELECT COALESCE(MAX(ID), 0) FROM G_CUSTOM_DATA_S")
}

const insertAudit = `INSERT INTO CTL_AUDIT_LOG
	(AUDIT_KEY, JOB_ID, CREATED_TS, PROCESSING_STATUS, MIN_START_DATE_TIME_KEY, MAX_START_DATE_TIME_KEY,
	 FACT_COUNT, DISCARD_COUNT, MIN_CUSTOM_DATA_ID, MAX_CUSTOM_DATA_ID, CONSUMER_GROUP, TOPIC, PARTITION_ID, NEXT_OFFSET)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// writeAudit writes the batch's row of CTL_AUDIT_LOG, to which the audit keys of its
// rows point; customBefore is the highest ID of G_CUSTOM_DATA_S before the batch.
func (b *batch) writeAudit(customBefore int64) error {
	if len(b.in.Inputs)+len(b.in.SetAside) == 0 {
		return nil
	}
	first, last := infomart.StartRange(b.facts)
	var minCustom, maxCustom any
	custom, err := lastCustom(b.db)
	if err != nil {
		return err
	}
	if custom > customBefore {
		minCustom, maxCustom = customBefore+1, custom
	}
	_, err = b.db.exec(insertAudit, b.audit, infomart.JobFacts, b.store.cfg.Now().Unix(), int64(infomart.StatusCommitted), first, last,
		int64(len(b.facts)), int64(len(b.discards)+len(b.in.SetAside)), minCustom, maxCustom,
		b.in.Group, b.in.Topic, int64(b.in.Partition), b.in.To.Next)
	return err
}
