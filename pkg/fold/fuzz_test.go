package fold_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/fold"
)

// FuzzSession builds a session from bytes and asks what holds for every one: the
// fold does not fail, changes nothing that it was given, and says the same of the
// same set in any order of arrival (invariant 3).
func FuzzSession(f *testing.F) {
	f.Add([]byte{}, uint64(0))
	f.Add([]byte("\x00\x00\x00\x01\x05\x01\x04\x09\x02\x15\x20\x03"), uint64(1))
	// Each type once, with all its fields, then each type at the same time without any.
	var all, bare []byte
	for i := range len(callback.Types) {
		all = append(all, byte(i), byte(i*3), 0xff, byte(i))
		bare = append(bare, byte(i), 0, 0, byte(i))
	}
	f.Add(all, uint64(2))
	f.Add(slices.Concat(bare, all, bare), uint64(3))

	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		sorted := build(b)
		fold.Sort(sorted)
		before := slices.Clone(sorted)
		fields := values(sorted) // before shares what the events point to
		o := fold.Options{ServiceStartRequest: seed%2 == 0, MaxAttempts: int64(seed % 5)}
		timedOut := seed%3 == 0

		r := fold.Session(sorted, o, timedOut)
		due := fold.Attached(sorted, &r)
		digest := fold.Digest(&r)
		require.Equal(t, before, sorted, "the events were changed")
		require.Equal(t, fields, values(sorted), "what the events point to was changed")
		plausible(t, sorted, &r, due, timedOut)

		shuffled := slices.Clone(sorted)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		fold.Sort(shuffled)
		again := fold.Session(shuffled, o, timedOut)
		require.Equal(t, r, again)
		require.Equal(t, due, fold.Attached(shuffled, &again))
		require.Equal(t, digest, fold.Digest(&again))
	})
}

// plausible checks what holds whatever the events are.
func plausible(t *testing.T, in []callback.Event, r *fold.Result, due []fold.Attachment, timedOut bool) {
	t.Helper()
	by := func(v callback.Value, name string) {
		if v.Set {
			require.True(t, v.By >= -1 && int(v.By) < len(in), "%s is set by event %d of %d", name, v.By, len(in))
		} else {
			require.Equal(t, callback.Value{}, v, "%s is absent", name)
		}
	}
	for k := range callback.KVP(callback.NumKVPs) {
		v := r.KVPs[k]
		by(v, k.String())
		switch k.Info().Kind {
		case callback.String:
			require.Zero(t, v.Int, "%s", k)
		case callback.Flag:
			require.Contains(t, []int64{0, 1}, v.Int, "%s", k)
		case callback.Count:
			require.GreaterOrEqual(t, v.Int, int64(0), "%s", k)
		}
		if k.Info().Kind != callback.String {
			require.Empty(t, v.Str, "%s", k)
		}
	}
	for _, k := range []callback.KVP{callback.KeyDCallbackOffer, callback.KeyDLastCallbackOffer, callback.KeyDWaitingForAgentOffline,
		callback.KeyDEstablishMediaIxn, callback.KeyDCustomerConnectedWaitingForAgent} {
		require.GreaterOrEqual(t, r.KVPs[k].Int, int64(0), "%s", k)
	}
	for name, v := range map[string]callback.Value{"desired": r.DesiredTime, "confirmed": r.PushDeliveryConfirmed, "ready": r.CustomerReadyToStartIxn} {
		require.True(t, v.Set, name)
		by(v, name)
	}
	ended := r.Terminal >= 0 || timedOut && len(in) > 0
	require.Equal(t, ended, r.KVPs[callback.KeyTServiceEnd].Set)
	for _, a := range due {
		require.NotEmpty(t, a.IxnID)
		require.True(t, a.Event >= -1 && a.Event < len(in))
	}
}

// build makes events of four bytes each: type, time, fields, values. Values are of
// few, so that interactions, numbers and times meet.
func build(b []byte) (in []callback.Event) {
	for i := 0; i+4 <= len(b) && len(in) < 64; i += 4 {
		typ, sec, fields, pick := b[i], int64(b[i+1]), b[i+2], int64(b[i+3])
		e := callback.Event{
			Source: string(rune('a' + pick%2)), ID: fmt.Sprint(len(in)), Subject: "svc-1",
			Type: "callback.hummed",
			Time: callback.Micros((sec - 4) * 300_000), // several in a second, some before 1970
		}
		if int(typ) < len(callback.Types) {
			e.Type = callback.Types[typ]
		} else {
			e.Type = callback.Types[int(typ)%len(callback.Types)]
		}
		has := func(bit int) bool { return fields>>bit&1 == 1 }
		word := func(words ...string) *string { return &words[int(pick)%len(words)] }
		ixn := func() *string { return word("a", "b", "", "c") }
		n := pick%9 - 2
		at := callback.Micros(pick * 500_000)
		d := &e.Data
		if has(0) {
			d.EWT, d.Priority, d.Position = &n, &n, &n
			d.ServiceName, d.Channel, d.CustomerANI = word("x", "y"), word("IVR", "WEB"), word("", "1")
		}
		if has(1) {
			d.Attempt, d.MaxAttempts, d.WaitedBeforeOffer = &n, &n, &n
			d.ConnectOrder, d.Target = word("CUSTOMER_FIRST", "AGENT_FIRST_PREVIEW"), word("t", "u")
		}
		if has(2) {
			d.IxnID, d.OriginationIxnID = ixn(), ixn()
		}
		if has(3) {
			d.Kind, d.CallDirection = word("CALL", "PUSH", "OWL"), word("CUSTOMER_ORIGINATED", "CUSTOMER_TERMINATED")
			d.IgnoringAvailability = new(pick%2 == 0)
		}
		if has(4) {
			d.Result = word("CONNECTED", "BUSY", "PUSH_DELIVERY_CONFIRMED", "PUSH_SEND_ERROR", "CANCEL", "TRANSFERRED_TO_RP", "PERSON",
				"FAILED_TO_ESTABLISH_CUSTOMER_ORIGINATED_MEDIA")
			d.Disposition = word("SALE", "QUEUED", "ROUTING.LOST", "", "COMPLETED.")
		}
		if has(5) {
			d.DesiredTime, d.NextAttemptAt = &at, &at
		}
		if has(6) {
			d.VirtualQueue = &callback.VirtualQueue{Name: "vq", DBID: &n}
			d.MediaType = word("voice", "chat", "voice")
			e.TenantDBID, e.ORSSessionID = &n, ixn()
		}
		if has(7) {
			d.Parameters = map[string]string{"_cb_d_callback_offer": *word("1", "-1", "x"), "_cb_t_callback_accepted": *word("5", "1700000000123", "9e9"),
				"_cb_origination_ixn_id": *ixn(), "_cb_unknown": "1"}
		}
		in = append(in, e)
	}
	return in
}

// values shows events with what they point to.
func values(in []callback.Event) (shown []string) {
	for i := range in {
		d := in[i].Data
		for _, p := range []*int64{in[i].TenantDBID, d.EWT, d.Position, d.Priority, d.Attempt, d.MaxAttempts} {
			if p != nil {
				shown = append(shown, fmt.Sprint(*p))
			}
		}
		for _, p := range []*string{in[i].ORSSessionID, d.IxnID, d.OriginationIxnID, d.Kind, d.Result, d.Disposition, d.MediaType, d.ServiceName} {
			if p != nil {
				shown = append(shown, *p)
			}
		}
		if d.DesiredTime != nil {
			shown = append(shown, fmt.Sprint(*d.DesiredTime))
		}
		if d.VirtualQueue != nil {
			shown = append(shown, d.VirtualQueue.Name)
		}
		shown = append(shown, fmt.Sprint(d.Parameters))
	}
	return shown
}
