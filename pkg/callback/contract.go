package callback

// fieldSet is a set of fields of the data, one bit each.
type fieldSet uint32

// The fields of the data, each as a set of one. fieldNames lists them in this order.
const (
	fChannel fieldSet = 1 << iota
	fOfferType
	fOfferTiming
	fEWT
	fPosition
	fEWTThreshold
	fInboundVQEWT
	fWaitedBeforeOffer
	fCustomerANI
	fOriginationIxnID
	fVirtualQueue
	fPriority
	fCallbackType
	fServiceName
	fCustomerNumber
	fDesiredTime
	fCallDirection
	fMediaType
	fMaxAttempts
	fParameters
	fIgnoringAvailability
	fKind
	fIxnID
	fResult
	fAttempt
	fNextAttemptAt
	fTarget
	fConnectOrder
	fDisposition
)

var fieldNames = [...]string{
	"channel", "offer_type", "offer_timing", "ewt", "position", "ewt_threshold", "inbound_vq_ewt",
	"waited_before_offer", "customer_ani", "origination_ixn_id", "virtual_queue", "priority",
	"callback_type", "service_name", "customer_number", "desired_time", "call_direction", "media_type",
	"max_attempts", "parameters", "ignoring_availability", "kind", "ixn_id", "result", "attempt",
	"next_attempt_at", "target", "connect_order", "disposition",
}

var isField = func() map[string]bool {
	m := make(map[string]bool, len(fieldNames))
	for _, name := range fieldNames {
		m[name] = true
	}
	return m
}()

type typeContract struct{ required, optional fieldSet }

const numRanks = 23 // 22 types, and rank 0 for a type that is not known

// contract holds, by rank, the fields of each type of event: those it needs and those it may have.
var contract = byRank(map[Type]typeContract{
	Offered: {optional: fChannel | fOfferType | fOfferTiming | fEWT | fPosition | fEWTThreshold | fInboundVQEWT |
		fWaitedBeforeOffer | fCustomerANI | fOriginationIxnID | fVirtualQueue},
	OfferAccepted:  {optional: fPriority},
	OfferRejected:  {},
	OfferAbandoned: {},
	Requested: {required: fCallbackType, optional: fServiceName | fCustomerNumber | fDesiredTime | fVirtualQueue |
		fOriginationIxnID | fCallDirection | fMediaType | fMaxAttempts | fParameters},
	Scheduled:           {required: fDesiredTime},
	Rescheduled:         {required: fDesiredTime},
	Queued:              {optional: fVirtualQueue},
	ReadyToStartMedia:   {optional: fEWT | fPosition | fIgnoringAvailability},
	AttemptStarted:      {required: fKind, optional: fIxnID | fEWT | fPosition},
	AttemptEnded:        {required: fResult, optional: fAttempt | fIxnID},
	Snoozed:             {required: fNextAttemptAt},
	CustomerConnected:   {optional: fCallDirection | fIxnID | fPriority},
	DialogEnded:         {required: fResult},
	AgentRequested:      {optional: fTarget | fVirtualQueue},
	AgentConnected:      {optional: fTarget | fConnectOrder | fPriority},
	AgentTransferFailed: {optional: fTarget},
	CustomerAbandoned:   {optional: fPriority},
	WaitTimedOut:        {},
	InboundCallEnded:    {},
	Cancelled:           {},
	Completed:           {optional: fDisposition},
})

func byRank(m map[Type]typeContract) (a [numRanks]typeContract) {
	for t, c := range m {
		a[t.Rank()] = c
	}
	return a
}

// given returns the set of the fields that d has.
func (d *Data) given() fieldSet {
	var s fieldSet
	mark := func(is bool, f fieldSet) {
		if is {
			s |= f
		}
	}
	mark(d.Channel != nil, fChannel)
	mark(d.OfferType != nil, fOfferType)
	mark(d.OfferTiming != nil, fOfferTiming)
	mark(d.EWT != nil, fEWT)
	mark(d.Position != nil, fPosition)
	mark(d.EWTThreshold != nil, fEWTThreshold)
	mark(d.InboundVQEWT != nil, fInboundVQEWT)
	mark(d.WaitedBeforeOffer != nil, fWaitedBeforeOffer)
	mark(d.CustomerANI != nil, fCustomerANI)
	mark(d.OriginationIxnID != nil, fOriginationIxnID)
	mark(d.VirtualQueue != nil, fVirtualQueue)
	mark(d.Priority != nil, fPriority)
	mark(d.CallbackType != nil, fCallbackType)
	mark(d.ServiceName != nil, fServiceName)
	mark(d.CustomerNumber != nil, fCustomerNumber)
	mark(d.DesiredTime != nil, fDesiredTime)
	mark(d.CallDirection != nil, fCallDirection)
	mark(d.MediaType != nil, fMediaType)
	mark(d.MaxAttempts != nil, fMaxAttempts)
	mark(d.Parameters != nil, fParameters)
	mark(d.IgnoringAvailability != nil, fIgnoringAvailability)
	mark(d.Kind != nil, fKind)
	mark(d.IxnID != nil, fIxnID)
	mark(d.Result != nil, fResult)
	mark(d.Attempt != nil, fAttempt)
	mark(d.NextAttemptAt != nil, fNextAttemptAt)
	mark(d.Target != nil, fTarget)
	mark(d.ConnectOrder != nil, fConnectOrder)
	mark(d.Disposition != nil, fDisposition)
	return s
}
