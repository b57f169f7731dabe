package fold_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

func TestDigest(t *testing.T) {
	t.Parallel()
	base := func() fold.Result {
		r := fold.Session(sequence(events(on(0, callback.Offered, data{Channel: new("IVR")}),
			on(1, callback.Requested, data{ServiceName: new("sales"), MediaType: new("voice")}), completed(2))), fold.Options{}, false)
		return r
	}
	was := base()

	t.Run("every value counts", func(t *testing.T) {
		t.Parallel()
		changes := map[string]func(*fold.Result){
			"desired time":       func(r *fold.Result) { r.DesiredTime.Int++ },
			"push confirmed":     func(r *fold.Result) { r.PushDeliveryConfirmed.Int++ },
			"customer ready":     func(r *fold.Result) { r.CustomerReadyToStartIxn.Int++ },
			"service name":       func(r *fold.Result) { r.ServiceName = new("sale") },
			"no service name":    func(r *fold.Result) { r.ServiceName = nil },
			"empty service name": func(r *fold.Result) { r.ServiceName = new("") },
			"media type":         func(r *fold.Result) { r.MediaType = new("chat") },
			"no media type":      func(r *fold.Result) { r.MediaType = nil },
			"swapped texts":      func(r *fold.Result) { r.MediaType, r.ServiceName = r.ServiceName, r.MediaType },
			"final record":       func(r *fold.Result) { r.KVPs.SetInt(callback.KeyFinalRecord, 1, -1) },
			"empty, not absent":  func(r *fold.Result) { r.KVPs.SetStr(callback.KeyCustomerANI, "", 0) },
			"0, not absent":      func(r *fold.Result) { r.KVPs.SetInt(callback.KeyTCustomerConnected, 0, 0) },
			"moved to the next":  func(r *fold.Result) { r.KVPs.SetStr(callback.KeyFirstOutIxnID, "x", 0) },
			"or to the last":     func(r *fold.Result) { r.KVPs.SetStr(callback.KeyLastOutIxnID, "x", 0) },
		}
		for k := range callback.KVP(callback.NumKVPs) {
			changes[k.String()] = func(r *fold.Result) {
				if v := &r.KVPs[k]; k.Info().Kind == callback.String {
					v.Set, v.Str = true, v.Str+"x"
				} else {
					v.Set, v.Int = true, v.Int+1<<40
				}
			}
		}
		seen := map[[16]byte]string{fold.Digest(&was): "no change"}
		for name, change := range changes {
			if name == callback.KeyFirstOutIxnID.String() || name == callback.KeyLastOutIxnID.String() {
				continue // the same as the two moves
			}
			r := base()
			change(&r)
			d := fold.Digest(&r)
			require.NotContains(t, seen, d, "%s reads as %s", name, seen[d])
			seen[d] = name
		}
	})
	t.Run("what set it does not", func(t *testing.T) {
		t.Parallel()
		r := base()
		for k := range r.KVPs {
			r.KVPs[k].By += 7
		}
		r.DesiredTime.By++
		r.Terminal, r.IgnoredParameters = 99, 99
		r.ServiceName = new("sales")
		require.Equal(t, fold.Digest(&was), fold.Digest(&r))
	})
	t.Run("stays the same from release to release", func(t *testing.T) {
		t.Parallel()
		// It is kept in the sessions' state: another digest of the same values would
		// send a correction for every session that gets news after its FINAL.
		d := fold.Digest(&was)
		require.Equal(t, "906cf9db40938f9e31ac15437b46b7f0", hex.EncodeToString(d[:]))
	})
}
