package kafka

import "time"

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// AnyPartition, as a record's Partition, lets the key choose: murmur2, as Java's default partitioner does.
const AnyPartition int32 = -1

// Record is one Kafka record, read or to be written.
type Record struct {
	Topic     string
	Partition int32 // AnyPartition in a record to be written whose key chooses
	Offset    int64
	Time      time.Time // CreateTime, to the millisecond; zero in a record to be written means now
	Key       []byte
	Value     []byte // nil is a tombstone
	Headers   []Header
}

// Header returns the value of the last header of that key.
func (r *Record) Header(key string) ([]byte, bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value, true
		}
	}
	return nil, false
}
