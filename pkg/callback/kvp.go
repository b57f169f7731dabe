package callback

import "strconv"

// KVP numbers one key-value pair of a callback UserEvent; see the Key constants.
type KVP uint8

// Kind is the type of a KVP's value.
type Kind uint8

// The kinds of value. Every kind but String is an integer.
const (
	String    Kind = iota // text
	Integer               // a plain integer, such as a DBID or a priority
	Count                 // a number of things
	Flag                  // 0 or 1
	Seconds               // a duration or an estimated wait
	Timestamp             // UTC epoch seconds
)

// Info describes one KVP as the schema of the UserEvent does.
type Info struct {
	Name         string // the KVP's name, such as _CB_SERVICE_ID
	Field        string // the Avro field, such as cb_service_id
	Kind         Kind
	Mandatory    bool   // Info Mart makes no record without it
	AttachedData bool   // it must also ride on the call
	Parameter    string // request parameter that overrides it, such as _cb_dim_channel; may be empty
	Table        string // Info Mart table; empty where it has no column
	Column       string // its column, or several joined by a semicolon
	Via          string // how the table is reached from CALLBACK_FACT; empty for CALLBACK_FACT itself
}

// Info returns the KVP's description.
func (k KVP) Info() *Info { return &kvpInfo[k] }

// String returns the KVP's name, such as _CB_SERVICE_ID.
func (k KVP) String() string { return kvpInfo[k].Name }

// KVPByName returns the KVP of that name, such as _CB_SERVICE_ID.
func KVPByName(name string) (KVP, bool) {
	k, ok := kvpByName[name]
	return k, ok
}

// KVPByParameter returns the KVP that a request parameter such as _cb_dim_channel overrides.
func KVPByParameter(name string) (KVP, bool) {
	k, ok := kvpByParameter[name]
	return k, ok
}

// Mandatory lists the KVPs without which Info Mart makes no record.
func Mandatory() []KVP { return mandatory }

var (
	kvpByName      = make(map[string]KVP, NumKVPs)
	kvpByParameter = make(map[string]KVP)
	mandatory      []KVP
)

func init() {
	for k := range KVP(NumKVPs) {
		info := k.Info()
		kvpByName[info.Name] = k
		if info.Parameter != "" {
			kvpByParameter[info.Parameter] = k
		}
		if info.Mandatory {
			mandatory = append(mandatory, k)
		}
	}
}

// Value is the value of one KVP. The zero Value is absent.
type Value struct {
	Int int64  // of every kind but String
	Str string // of kind String
	// By is the index, in fold order, of the event that set it; -1 where no single event did.
	By  int32
	Set bool
}

// KVPs holds a value for each KVP, indexed by it.
type KVPs [NumKVPs]Value

// SetInt sets an integer KVP; by is the index of the event that gave it, or -1.
func (v *KVPs) SetInt(k KVP, n int64, by int) { v[k] = Value{Set: true, Int: n, By: int32(by)} }

// SetStr sets a string KVP; by is the index of the event that gave it, or -1.
func (v *KVPs) SetStr(k KVP, s string, by int) { v[k] = Value{Set: true, Str: s, By: int32(by)} }

// Missing returns the mandatory KVPs that are absent, in schema order.
func (v *KVPs) Missing() []KVP {
	var missing []KVP
	for _, k := range mandatory {
		if !v[k].Set {
			missing = append(missing, k)
		}
	}
	return missing
}

// Text returns the value as ICON stores it: a string, integers in decimal.
func (v *KVPs) Text(k KVP) string {
	if k.Info().Kind == String {
		return v[k].Str
	}
	return strconv.FormatInt(v[k].Int, 10)
}
