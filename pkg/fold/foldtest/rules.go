package foldtest

import "fmt"

// rules has one row for each KVP, in the order of the derivation rules.
var rules map[string]func(*reading) any

func init() {
	rules = map[string]func(*reading) any{
		"_CB_SERVICE_ID": func(r *reading) any {
			if len(r.session) == 0 {
				return nil
			}
			return r.session[0].Subject
		},
		"_CB_TENANT_DBID": func(r *reading) any {
			for _, e := range r.session {
				if e.Tenant != nil {
					return e.Tenant
				}
			}
			return nil
		},
		"_CB_ORS_SESSION_ID": func(r *reading) any {
			var id any
			for _, e := range r.session {
				id = or(e.ORSSession, id)
			}
			return id
		},
		"_CB_T_SERVICE_START": (*reading).serviceStart,
		"_CB_T_SERVICE_END":   (*reading).serviceEnd,
		"_CB_FINAL_RECORD":    func(*reading) any { return int64(0) },

		"_CB_T_CALLBACK_OFFERED": func(r *reading) any { return or(r.t(r.theOffer()), r.t(r.first("requested"))) },
		"_CB_N_CALLBACK_OFFERED": func(r *reading) any {
			if r.exists("offered", "requested") {
				return int64(1)
			}
			return nil
		},
		"_CB_D_CALLBACK_OFFER":                  func(r *reading) any { return r.offerDuration(r.theOffer()) },
		"_CB_N_CALLBACK_OFFERS_PER_SESSION":     (*reading).offersPerSession,
		"_CB_D_LAST_CALLBACK_OFFER":             func(r *reading) any { return r.offerDuration(r.last("offered")) },
		"_CB_T_CALLBACK_ACCEPTED":               func(r *reading) any { return or(r.t(r.first("offer_accepted")), r.t(r.first("requested"))) },
		"_CB_N_CALLBACK_ACCEPTED":               func(r *reading) any { return flag(r.exists("offer_accepted", "requested")) },
		"_CB_N_ABANDONED_DURING_CALLBACK_OFFER": (*reading).abandonedDuringOffer,
		"_CB_D_CUSTOMER_WAITED_BEFORE_OFFER":    func(r *reading) any { return r.field(r.theOffer(), "waited_before_offer") },
		"_CB_EWT_WHEN_CALLBACK_WAS_OFFERED":     func(r *reading) any { return r.field(r.theOffer(), "ewt") },
		"_CB_POS_WHEN_CALLBACK_WAS_OFFERED":     func(r *reading) any { return r.field(r.theOffer(), "position") },
		"_CB_EWT_THRESHOLD_WHEN_OFFERED":        func(r *reading) any { return r.field(r.theOffer(), "ewt_threshold") },
		"_CB_OFFER_EWT_INBOUND_VQ":              func(r *reading) any { return r.field(r.theOffer(), "inbound_vq_ewt") },
		"_CB_CUSTOMER_ANI":                      func(r *reading) any { return r.field(r.theOffer(), "customer_ani") },
		"_CB_CUSTOMER_PHONE_NUMBER":             func(r *reading) any { return r.field(r.lastHaving("customer_number", "requested"), "customer_number") },
		"_CB_ORIGINATION_IXN_ID":                (*reading).originationIxnID,
		"_CB_DIM_CHANNEL":                       func(r *reading) any { return r.field(r.theOffer(), "channel") },
		"_CB_DIM_CALLBACK_OFFER_TYPE":           func(r *reading) any { return r.field(r.theOffer(), "offer_type") },
		"_CB_DIM_OFFER_TIMING":                  func(r *reading) any { return r.field(r.theOffer(), "offer_timing") },
		"_CB_DIM_TYPE":                          func(r *reading) any { return r.field(r.last("requested"), "callback_type") },
		"_CB_DIM_VQ":                            func(r *reading) any { return r.virtualQueue("name") },
		"_CB_DIM_VQ_DBID":                       func(r *reading) any { return r.virtualQueue("dbid") },
		"VQ_CFG_TYPE_ID":                        func(r *reading) any { return r.virtualQueue("cfg_type_id") },
		"VQ_CFG_TYPE":                           func(r *reading) any { return r.virtualQueue("cfg_type") },
		"_CB_PRIORITY_WHEN_CALLBACK_ACCEPTED":   func(r *reading) any { return r.field(r.first("offer_accepted"), "priority") },

		"_CB_T_READY_TO_START_MEDIA_IXN":        func(r *reading) any { return or(r.t(r.first("attempt_started")), r.t(r.first("ready_to_start_media"))) },
		"_CB_EWT_WHEN_READY_TO_START_MEDIA_IXN": func(r *reading) any { return r.whenReady("ewt") },
		"_CB_POS_WHEN_READY_TO_START_MEDIA_IXN": func(r *reading) any { return r.whenReady("position") },
		"_CB_IXN_START_IGNORING_AVAILABILITY": func(r *reading) any {
			return flag(r.field(r.first("ready_to_start_media"), "ignoring_availability") == true)
		},
		"_CB_EWT_WHEN_READY_TO_START_LAST_MEDIA_IXN": func(r *reading) any { return r.whenLastReady("ewt") },
		"_CB_POS_WHEN_READY_TO_START_LAST_MEDIA_IXN": func(r *reading) any { return r.whenLastReady("position") },
		"_CB_N_CALLBACK_MEDIA_ATTEMPTS":              func(r *reading) any { return int64(len(r.all("attempt_started"))) },
		"_CB_T_LAST_DIAL_ATTEMPT":                    func(r *reading) any { return r.t(r.last("attempt_started")) },
		"_CB_FIRST_OUT_IXN_ID":                       func(r *reading) any { return r.field(head(r.calls()), "ixn_id") },
		"_CB_LAST_OUT_IXN_ID":                        func(r *reading) any { return r.field(tail(r.calls()), "ixn_id") },
		"_CB_N_IS_SNOOZED":                           func(r *reading) any { return flag(r.exists("snoozed")) },
		"_CB_T_NEXT_REDIAL_ATTEMPT":                  (*reading).nextRedialAttempt,
		"_CB_DIM_FINAL_DIAL_RESULT":                  (*reading).finalDialResult,

		"_CB_T_CUSTOMER_CONNECTED":                         func(r *reading) any { return r.t(r.last("customer_connected")) },
		"_CB_PRIORITY_WHEN_CUSTOMER_CONNECTED":             func(r *reading) any { return r.field(r.last("customer_connected"), "priority") },
		"_CB_DIM_CALL_DIRECTION":                           (*reading).callDirection,
		"_CB_D_WAITING_FOR_AGENT_OFFLINE":                  (*reading).waitingOffline,
		"_CB_D_ESTABLISH_MEDIA_IXN":                        (*reading).establishMedia,
		"_CB_D_CUSTOMER_CONNECTED_WAITING_FOR_AGENT":       (*reading).connectedWaiting,
		"_CB_N_IXN_REQ_AGENT":                              (*reading).requiredAgent,
		"_CB_N_AGENT_ADDED_TO_IXN":                         (*reading).agentAdded,
		"_CB_N_TRANSFER_TO_AGENT_FAILED":                   func(r *reading) any { return int64(len(r.all("agent_transfer_failed"))) },
		"_CB_N_CUSTOMER_ABANDONED_WHILE_WAITING_FOR_AGENT": func(r *reading) any { return flag(r.exists("customer_abandoned")) },
		"_CB_N_TIMEOUT_WHILE_WAITING_FOR_AGENT":            func(r *reading) any { return flag(r.exists("wait_timed_out")) },
		"_CB_PRIORITY_AT_THE_END_OF_ONLINE_WAIT":           func(r *reading) any { return r.field(r.last("agent_connected", "customer_abandoned"), "priority") },
		"_CB_DIM_CONNECT_ORDER":                            (*reading).connectOrder,
		"_CB_DIM_FINAL_TARGET": func(r *reading) any {
			return r.field(r.lastHaving("target", "agent_requested", "agent_connected"), "target")
		},
		"_CB_DIM_DIAL_DIALOG_RESULT": func(r *reading) any { return r.field(r.last("dialog_ended"), "result") },
		"_CB_DISPOSITION":            (*reading).disposition,
	}
	for n := 1; n <= 5; n++ {
		rules[fmt.Sprintf("_CB_T_DIAL_%d", n)] = func(r *reading) any { return r.t(r.attempt(n)) }
		rules[fmt.Sprintf("_CB_DIAL_%d_RESULT", n)] = func(r *reading) any {
			if r.attempt(n) == none {
				return nil
			}
			return r.resultOf(r.attempt(n))
		}
	}
}
