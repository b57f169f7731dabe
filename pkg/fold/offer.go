package fold

import "github.com/ringback/ringback/pkg/callback"

// offered derives what is known of the offer.
func (s *session) offered(r *Result) {
	v := &r.KVPs
	offer, request := s.offer, s.first(requested)
	if offer >= 0 {
		s.setTime(v, callback.KeyTCallbackOffered, offer)
	} else {
		s.setTime(v, callback.KeyTCallbackOffered, request) // web, mobile
	}
	if i := s.first(offered | requested); i >= 0 {
		v.SetInt(callback.KeyNCallbackOffered, 1, i)
	}
	v[callback.KeyDCallbackOffer] = s.offerDuration(offer)
	v[callback.KeyDLastCallbackOffer] = s.offerDuration(s.last(offered))
	switch n := s.count(offered); {
	case n == 0 && request >= 0:
		v.SetInt(callback.KeyNCallbackOffersPerSession, 1, request)
	default:
		v.SetInt(callback.KeyNCallbackOffersPerSession, n, s.last(offered))
	}

	const deciding = offered | offerAccepted | offerRejected | offerAbandoned | requested
	switch i := s.last(deciding); {
	case s.all&offerAbandoned == 0:
		v.SetInt(callback.KeyNAbandonedDuringCallbackOffer, 0, none)
	case s.kind(i) == offerAbandoned:
		v.SetInt(callback.KeyNAbandonedDuringCallbackOffer, 1, i)
	default: // the caller came back
		v.SetInt(callback.KeyNAbandonedDuringCallbackOffer, 0, i)
	}

	d := s.data(offer)
	setInt(v, callback.KeyDCustomerWaitedBeforeOffer, d.WaitedBeforeOffer, offer)
	setInt(v, callback.KeyEWTWhenCallbackWasOffered, d.EWT, offer)
	setInt(v, callback.KeyPosWhenCallbackWasOffered, d.Position, offer)
	setInt(v, callback.KeyEWTThresholdWhenOffered, d.EWTThreshold, offer)
	setInt(v, callback.KeyOfferEWTInboundVQ, d.InboundVQEWT, offer)
	setStr(v, callback.KeyCustomerANI, d.CustomerANI, offer)
	setStr(v, callback.KeyDimChannel, d.Channel, offer)
	setStr(v, callback.KeyDimCallbackOfferType, d.OfferType, offer)
	setStr(v, callback.KeyDimOfferTiming, d.OfferTiming, offer)
}

// offerDuration is how long an offer took to be answered, replaced or ended.
func (s *session) offerDuration(offer int) callback.Value {
	if offer < 0 {
		// A request without an offer: offered and taken in one.
		if request := s.first(requested); request >= 0 {
			return seconds(0, request)
		}
		return callback.Value{}
	}
	end := s.next(offer, offered|offerAccepted|offerRejected|offerAbandoned|requested)
	if s.terminal > offer && (end < 0 || s.terminal < end) {
		end = s.terminal
	}
	if end >= 0 {
		return seconds(s.since(offer, end), end)
	}
	if taken := s.first(offerAccepted | requested); taken >= 0 {
		return seconds(0, taken)
	}
	return callback.Value{} // the offer still goes on
}

// accepted derives what is known of the acceptance.
func (s *session) accepted(r *Result) {
	v := &r.KVPs
	acceptance := s.first(offerAccepted)
	setInt(v, callback.KeyPriorityWhenCallbackAccepted, s.data(acceptance).Priority, acceptance)
	if acceptance < 0 {
		acceptance = s.first(requested)
	}
	s.setTime(v, callback.KeyTCallbackAccepted, acceptance)
	taken := s.first(offerAccepted | requested)
	setFlag(v, callback.KeyNCallbackAccepted, taken)
	if taken < 0 {
		return
	}
	setStr(v, callback.KeyOriginationIxnID, s.data(s.offer).OriginationIxnID, s.offer)
	for i := s.last(requested); i >= 0; i = s.prev(i, requested) {
		if id := s.events[i].Data.OriginationIxnID; id != nil {
			v.SetStr(callback.KeyOriginationIxnID, *id, i)
			break
		}
	}
}
