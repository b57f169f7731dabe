package wire

import (
	"fmt"

	"github.com/ringback/ringback/pkg/avro"
	"github.com/ringback/ringback/pkg/callback"
)

// dataFields are the fields of the lifecycle event's schema, in its order.
var dataFields = []string{
	"channel", "offer_type", "offer_timing", "ewt", "position", "ewt_threshold", "inbound_vq_ewt",
	"waited_before_offer", "customer_ani", "origination_ixn_id", "virtual_queue", "priority", "callback_type",
	"service_name", "customer_number", "desired_time", "call_direction", "media_type", "max_attempts",
	"parameters", "ignoring_availability", "kind", "ixn_id", "result", "attempt", "next_attempt_at", "target",
	"connect_order", "disposition",
}

func writeData(r avro.Record, d *callback.Data) {
	r[0], r[1], r[2] = d.Channel, d.OfferType, d.OfferTiming
	r[3], r[4], r[5], r[6], r[7] = d.EWT, d.Position, d.EWTThreshold, d.InboundVQEWT, d.WaitedBeforeOffer
	r[8], r[9] = d.CustomerANI, d.OriginationIxnID
	if q := d.VirtualQueue; q != nil {
		r[10] = avro.Record{q.Name, q.DBID, q.CfgTypeID, q.CfgType}
	}
	r[11], r[12], r[13], r[14] = d.Priority, d.CallbackType, d.ServiceName, d.CustomerNumber
	r[15] = (*int64)(d.DesiredTime)
	r[16], r[17], r[18] = d.CallDirection, d.MediaType, d.MaxAttempts
	if d.Parameters != nil {
		r[19] = d.Parameters
	}
	r[20], r[21], r[22], r[23], r[24] = d.IgnoringAvailability, d.Kind, d.IxnID, d.Result, d.Attempt
	r[25] = (*int64)(d.NextAttemptAt)
	r[26], r[27], r[28] = d.Target, d.ConnectOrder, d.Disposition
}

func readData(d *callback.Data, r avro.Record) {
	// One piece of memory for all strings and one for all numbers, instead of one for each.
	var v values
	v.reserve(r)
	d.Channel, d.OfferType, d.OfferTiming = v.text(r[0]), v.text(r[1]), v.text(r[2])
	d.EWT, d.Position, d.EWTThreshold = v.number(r[3]), v.number(r[4]), v.number(r[5])
	d.InboundVQEWT, d.WaitedBeforeOffer = v.number(r[6]), v.number(r[7])
	d.CustomerANI, d.OriginationIxnID = v.text(r[8]), v.text(r[9])
	if q, ok := r[10].(avro.Record); ok {
		d.VirtualQueue = &callback.VirtualQueue{
			Name: q[0].(string), DBID: opt[int64](q[1]), CfgTypeID: opt[int64](q[2]), CfgType: opt[string](q[3]),
		}
	}
	d.Priority, d.CallbackType, d.ServiceName = v.number(r[11]), v.text(r[12]), v.text(r[13])
	d.CustomerNumber, d.DesiredTime = v.text(r[14]), (*callback.Micros)(v.number(r[15]))
	d.CallDirection, d.MediaType, d.MaxAttempts = v.text(r[16]), v.text(r[17]), v.number(r[18])
	if m, ok := r[19].(map[string]any); ok {
		d.Parameters = make(map[string]string, len(m))
		for k, v := range m {
			d.Parameters[k] = v.(string)
		}
	}
	d.IgnoringAvailability, d.Kind, d.IxnID = opt[bool](r[20]), v.text(r[21]), v.text(r[22])
	d.Result, d.Attempt, d.NextAttemptAt = v.text(r[23]), v.number(r[24]), (*callback.Micros)(v.number(r[25]))
	d.Target, d.ConnectOrder, d.Disposition = v.text(r[26]), v.text(r[27]), v.text(r[28])
}

// values holds what the pointers of a decoded record point to.
type values struct {
	texts   []string
	numbers []int64
}

func (v *values) reserve(r avro.Record) {
	texts, numbers := 0, 0
	for i := range r {
		switch r[i].(type) {
		case string:
			texts++
		case int64:
			numbers++
		}
	}
	// No append may move them: pointers into them are handed out.
	if texts > 0 {
		v.texts = make([]string, 0, texts)
	}
	if numbers > 0 {
		v.numbers = make([]int64, 0, numbers)
	}
}

func (v *values) text(x any) *string {
	s, ok := x.(string)
	if !ok {
		return nil
	}
	v.texts = append(v.texts, s)
	return &v.texts[len(v.texts)-1]
}

func (v *values) number(x any) *int64 {
	n, ok := x.(int64)
	if !ok {
		return nil
	}
	v.numbers = append(v.numbers, n)
	return &v.numbers[len(v.numbers)-1]
}

// opt is the value of a nullable field.
func opt[T any](v any) *T {
	if v == nil {
		return nil
	}
	t := v.(T)
	return &t
}

func appendData(b []byte, d *callback.Data) ([]byte, error) {
	s := shapes().lifecycle
	r := s.take()
	defer s.give(r)
	writeData(*r, d)
	b, err := s.schema.AppendRecord(b, *r)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	return b, nil
}
