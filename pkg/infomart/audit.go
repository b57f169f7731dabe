package infomart

// The jobs that write CTL_AUDIT_LOG, in JOB_ID.
const (
	JobFacts      = "ringback.infomart.facts"      // a batch of facts and discards
	JobDimensions = "ringback.infomart.dimensions" // dimension rows, committed ahead of the facts that refer to them
)

// StatusCommitted is the PROCESSING_STATUS of every row of CTL_AUDIT_LOG: a row
// commits with what it tells of, or not at all.
const StatusCommitted = 1

// StartRange is the lowest and the highest START_DATE_TIME_KEY of the facts; nil without facts.
func StartRange(facts []*Fact) (lowest, highest any) {
	var lo, hi int64
	for i, f := range facts {
		key := f.Cell(colStartKey).Int
		if i == 0 || key < lo {
			lo = key
		}
		if i == 0 || key > hi {
			hi = key
		}
	}
	if len(facts) == 0 {
		return nil, nil
	}
	return lo, hi
}
