package foldtest

import (
	"regexp"
	"strconv"
	"strings"
)

// parameterTypes names the request parameters and the type of the KVP each one overrides,
// whose name is the parameter's in capitals.
var parameterTypes = map[string]string{
	"_cb_t_callback_offered":             "timestamp",
	"_cb_d_callback_offer":               "seconds",
	"_cb_ewt_when_callback_was_offered":  "seconds",
	"_cb_pos_when_callback_was_offered":  "integer",
	"_cb_t_callback_accepted":            "timestamp",
	"_cb_dim_channel":                    "string",
	"_cb_dim_callback_offer_type":        "string",
	"_cb_dim_offer_timing":               "string",
	"_cb_n_callback_offers_per_session":  "count",
	"_cb_d_last_callback_offer":          "seconds",
	"_cb_origination_ixn_id":             "string",
	"_cb_offer_ewt_inbound_vq":           "seconds",
	"_cb_customer_ani":                   "string",
	"_cb_d_customer_waited_before_offer": "seconds",
	"_cb_ewt_threshold_when_offered":     "seconds",
}

// readParameters merges the parameters of the requested events; the later one wins.
func (r *reading) readParameters() {
	r.parameters = map[string]any{}
	for _, i := range r.all("requested") {
		texts, _ := r.field(i, "parameters").(map[string]string)
		for name, text := range texts {
			typ, known := parameterTypes[name]
			if !known {
				continue
			}
			if v := parameter(typ, text); v != nil {
				r.parameters[strings.ToUpper(name)] = v
			} else {
				r.ignored++
			}
		}
	}
}

var number = regexp.MustCompile(`^-?[0-9]+$`)

// parameter is the value of a parameter, nil where it is not of its KVP's type: a string is any text, the rest
// are decimal integers that fit the Info Mart's columns of 32 bits, of which only a plain integer may be negative. A
// time is epoch seconds, or milliseconds where it has 13 digits.
func parameter(typ, text string) any {
	if typ == "string" {
		return text
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !number.MatchString(text) || (typ != "integer" && n < 0) {
		return nil
	}
	if typ == "timestamp" {
		switch digits := len(strconv.FormatInt(n, 10)); {
		case digits > 13:
			return nil
		case digits == 13:
			n /= 1000
		}
	}
	if n != int64(int32(n)) {
		return nil
	}
	return n
}

// kvp is the value of a KVP: the parameter's where one overrides it, else the derived one.
func (r *reading) kvp(name string) any {
	if v, ok := r.parameters[name]; ok {
		return v
	}
	return rules[name](r)
}
