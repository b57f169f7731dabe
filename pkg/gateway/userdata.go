package gateway

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/kvlist"
)

// sorted holds every KVP in the ASCII order of the names, the order in which the keys of a GMS user event stand.
var sorted = func() []callback.KVP {
	kvps := make([]callback.KVP, 0, callback.NumKVPs)
	for k := range callback.KVP(callback.NumKVPs) {
		kvps = append(kvps, k)
	}
	slices.SortFunc(kvps, func(a, b callback.KVP) int { return cmp.Compare(a.String(), b.String()) })
	return kvps
}()

// UserData turns the KVPs that u has into user data, keys in ASCII order.
func UserData(u *callback.UserEvent) []kvlist.Pair {
	return AppendUserData(make([]kvlist.Pair, 0, callback.NumKVPs), u)
}

// AppendUserData appends the pairs of UserData to dst.
func AppendUserData(dst []kvlist.Pair, u *callback.UserEvent) []kvlist.Pair {
	for _, k := range sorted {
		v := &u.KVPs[k]
		switch {
		case !v.Set:
		case k.Info().Kind == callback.String:
			dst = append(dst, kvlist.Str(k.String(), v.Str))
		default:
			dst = append(dst, integer(k, v.Int))
		}
	}
	return dst
}

// AttachedData turns a into the pairs that ride on the call, keys in ASCII order.
func AttachedData(a *callback.AttachedData) []kvlist.Pair {
	pairs := make([]kvlist.Pair, 0, 4)
	pairs = append(pairs, kvlist.Str(callback.KeyServiceID.String(), a.ServiceID))
	for _, v := range []struct {
		key   callback.KVP
		value *int64
	}{
		{callback.KeyTCallbackAccepted, a.CallbackAccepted},
		{callback.KeyTCustomerConnected, a.CustomerConnected},
		{callback.KeyTServiceStart, a.ServiceStart},
	} {
		if v.value != nil {
			pairs = append(pairs, integer(v.key, *v.value))
		}
	}
	return pairs
}

// integer is the pair of an integer KVP. T-Server's integers have 32 bits: a larger one, such as a timestamp after
// January 2038, goes as text, which is how ICON stores any value.
func integer(k callback.KVP, n int64) kvlist.Pair {
	if n < math.MinInt32 || n > math.MaxInt32 {
		return kvlist.Str(k.String(), strconv.FormatInt(n, 10))
	}
	return kvlist.Int(k.String(), n)
}
