package foldtest

// attached is the attached data that is due once START has been sent, the acceptance first.
func (r *reading) attached() []Attached {
	if r.field(r.last("requested"), "media_type") == "chat" {
		return nil
	}
	var due []Attached
	if ixn := interaction(r.kvp("_CB_ORIGINATION_IXN_ID")); ixn != nil && r.kvp("_CB_N_CALLBACK_ACCEPTED") == any(int64(1)) {
		due = append(due, Attached{IxnID: ixn.(string), Occasion: "CALLBACK_ACCEPTED", KVPs: r.attachedKVPs()})
	}
	for _, customer := range r.all("customer_connected") {
		dialled := tail(r.before(customer, "attempt_started"))
		ixn := or(interaction(r.field(customer, "ixn_id")), interaction(r.field(dialled, "ixn_id")))
		if ixn == nil {
			continue
		}
		a := Attached{
			IxnID: ixn.(string), Occasion: "CUSTOMER_CONNECTED", KVPs: r.attachedKVPs(),
			EventID: r.session[customer].ID, EventSource: r.session[customer].Source,
		}
		a.KVPs["_CB_T_CUSTOMER_CONNECTED"] = r.t(customer)
		due = append(due, a)
	}
	return due
}

// attachedKVPs are those of both occasions, as far as they are known.
func (r *reading) attachedKVPs() map[string]any {
	kvps := map[string]any{}
	for _, name := range []string{"_CB_SERVICE_ID", "_CB_T_SERVICE_START", "_CB_T_CALLBACK_ACCEPTED"} {
		if v := r.kvp(name); v != nil {
			kvps[name] = v
		}
	}
	return kvps
}

// interaction is the id, nil where it is empty: there is nothing to attach to.
func interaction(id any) any {
	if id == "" {
		return nil
	}
	return id
}
