package infomart

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ringback/ringback/pkg/callback"
)

// ColumnType is the type of a column, in the terms that the adapters share.
type ColumnType uint8

// The types of column.
const (
	Int  ColumnType = iota // 32-bit integer
	Text                   // at most MaxText characters
	Key                    // a surrogate key of up to 19 digits
)

// MaxText is the length in characters that a text column holds, as Info Mart's varchar(255).
const MaxText = 255

// Column is one column of a table.
type Column struct {
	Name    string
	Type    ColumnType
	NotNull bool
	Default any // what stands there when no KVP fills it; nil: none
}

// source tells where the value of a column of CALLBACK_FACT comes from.
type source struct {
	kvp      callback.KVP
	set      bool // a KVP fills it
	own      int  // place in a Fact of what the mapping or the store fills; -1: a KVP does
	fallback Cell // where the KVP is absent
}

// numOwn is the number of columns that no KVP fills.
const numOwn = 16

// factColumns lists CALLBACK_FACT in the order of the Info Mart's physical data
// model, as far as it is public. A column that a KVP fills takes its name from the
// schema of the UserEvent; init checks that each such column is listed.
var factColumns = []Column{
	{"ADDED_TS", Int, true, nil},
	{"DS_AUDIT_KEY", Key, true, nil},
	{"EVENT_SEQUENCE", Int, true, nil},
	{"CREATE_AUDIT_KEY", Key, true, nil},
	{"TENANT_KEY", Int, true, int64(-1)},
	{"SERVICE_ID", Text, true, nil},
	zero("FINAL_RECORD"),
	zero("EWT_READY_TO_START_IXN"),
	zero("EWT_WHEN_OFFERED"),
	zero("POS_READY_TO_START_IXN"),
	zero("POS_WHEN_OFFERED"),
	{"CALLBACK_OFFER_TIME", Int, true, nil},
	zero("WAIT_AGENT_OFFLINE_TIME"),
	zero("ESTABLISH_MEDIA_IXN_TIME"),
	zero("CONN_WAITING_AGENT_TIME"),
	zero("CALLBACK_ACCEPTED_TS"),
	{"CALLBACK_OFFERED_TS", Int, true, nil},
	zero("READY_START_MEDIA_IXN_TS"),
	zero("CUSTOMER_CONNECTED_TS"),
	zero("AGENT_ADDED_TO_IXN"),
	zero("XFER_TO_AGENT_FAILED"),
	zero("ABANDONED_WAITING"),
	zero("TIMEOUT_WAITING"),
	zero("IXN_REQ_AGENT"),
	{"CALLBACK_OFFERED", Int, true, nil},
	zero("CALLBACK_ACCEPTED"),
	zero("CALLBACK_ATTEMPTS"),
	{"SERVICE_START_TS", Int, true, nil},
	{"START_DATE_TIME_KEY", Int, true, nil},
	{"RESOURCE_KEY", Int, true, int64(-1)},
	{"CALLBACK_DIM_1_KEY", Int, true, nil},
	{"CALLBACK_DIM_2_KEY", Int, true, nil},
	{"CALLBACK_DIM_3_KEY", Int, true, nil},
	{"CUSTOMER_PHONE_NUMBER", Text, false, nil},
	zero("DESIRED_TIME_TS"),
	zero("PUSH_DELIVERY_CONFIRMED_TS"),
	zero("CUSTOMER_READY_TO_START_IXN_TS"),
	{"ORIGINATION_IXN_ID", Text, false, nil},
	{"FIRST_OUT_IXN_ID", Text, false, nil},
	{"LAST_OUT_IXN_ID", Text, false, nil},
	{"CALLBACK_DIAL_RESULTS_KEY", Int, true, nil},
	zero("DIAL_1_TS"),
	zero("DIAL_2_TS"),
	zero("DIAL_3_TS"),
	zero("DIAL_4_TS"),
	zero("DIAL_5_TS"),
	{"CALLBACK_DIM_4_KEY", Int, true, nil},
	zero("EWT_WHEN_REJECTED"),
	{"CUSTOMER_ANI", Text, false, nil},
	zero("SERVICE_END_TS"),
	zero("WAITED_BEFORE_OFFER_TIME"),
	{"ORS_SESSION_ID", Text, false, nil},
	zero("EWT_WHEN_LAST_DIAL"),
	zero("POS_WHEN_LAST_DIAL"),
	zero("PRIORITY_WHEN_CB_ACCEPTED"),
	zero("PRIORITY_WHEN_C_CONNECTED"),
	zero("PRIORITY_WHEN_A_CONNECTED"),
	zero("EWT_THRESHOLD_WHEN_OFFERED"),
	{"UPDATE_AUDIT_KEY", Key, true, int64(0)},
	{"PRODUCER_BATCH_ID", Key, true, nil},
}

func zero(name string) Column { return Column{name, Int, true, int64(0)} }

// FactColumns lists the columns of CALLBACK_FACT; a Fact's Values are in this order.
func FactColumns() []Column { return factColumns }

// ColumnFinal is the place of FINAL_RECORD in FactColumns.
var ColumnFinal = columnIndex("FINAL_RECORD")

// The columns that the mapping or the store fills by name.
var (
	colAddedTS        = columnIndex("ADDED_TS")
	colSequence       = columnIndex("EVENT_SEQUENCE")
	colTenant         = columnIndex("TENANT_KEY")
	colFinal          = ColumnFinal
	colStartKey       = columnIndex("START_DATE_TIME_KEY")
	colResource       = columnIndex("RESOURCE_KEY")
	colDesired        = columnIndex("DESIRED_TIME_TS")
	colPushConfirmed  = columnIndex("PUSH_DELIVERY_CONFIRMED_TS")
	colCustomerReady  = columnIndex("CUSTOMER_READY_TO_START_IXN_TS")
	colDSAudit        = columnIndex("DS_AUDIT_KEY")
	colCreateAudit    = columnIndex("CREATE_AUDIT_KEY")
	colUpdateAudit    = columnIndex("UPDATE_AUDIT_KEY")
	colProducerBatch  = columnIndex("PRODUCER_BATCH_ID")
	sources           = make([]source, len(factColumns))
	notContent        = []int{colAddedTS, colDSAudit, colCreateAudit, colUpdateAudit, colProducerBatch, colFinal}
	contentByPosition = make([]bool, len(factColumns))
)

func init() {
	for k := range callback.KVP(callback.NumKVPs) {
		info := k.Info()
		if info.Table != "CALLBACK_FACT" || info.Via != "" {
			continue
		}
		for name := range strings.SplitSeq(info.Column, ";") {
			sources[columnIndex(name)] = source{kvp: k, set: true}
		}
	}
	sources[colStartKey] = source{} // floored by the mapping
	own := 0
	for i := range factColumns {
		contentByPosition[i] = !slices.Contains(notContent, i)
		s, c := &sources[i], &factColumns[i]
		if !s.set {
			s.own = own
			own++
			continue
		}
		s.own = -1
		switch v := c.Default.(type) {
		case nil:
			s.fallback = Cell{Null: true}
		case int64:
			s.fallback = Cell{Int: v}
		default:
			panic(fmt.Sprintf("infomart: CALLBACK_FACT.%s has a default of type %T", c.Name, v))
		}
	}
	if own != numOwn {
		panic(fmt.Sprintf("infomart: %d columns of CALLBACK_FACT are filled by no KVP, not %d", own, numOwn))
	}
}

// columnIndex panics where CALLBACK_FACT has no such column: the schema names one
// that the list above and the migrations lack.
func columnIndex(name string) int {
	i := slices.IndexFunc(factColumns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("infomart: CALLBACK_FACT has no column %q", name))
	}
	return i
}

// IsContent tells whether the i-th column of CALLBACK_FACT tells two UserEvents of
// one number apart. The audit keys, PRODUCER_BATCH_ID and ADDED_TS tell how a row
// got there; FINAL_RECORD is compared by SameFinal, since the store itself clears it.
func IsContent(i int) bool { return contentByPosition[i] }
