package intake_test

import (
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/intake"
)

const requestedJSON = `{"specversion":"1.0","id":"8e5f3f0a-5f1e-4c36-9d53-0f1d5f6a0d77","source":"/gms/node-1","type":"callback.requested",` +
	`"subject":"gms-0001-0a1b2c3d","time":"2026-03-01T09:30:00.123456Z","tenantdbid":101,"orssessionid":"ORS-77A1","datacontenttype":"application/json",` +
	`"data":{"callback_type":"IMMEDIATE","service_name":"sales","customer_number":"5551234","desired_time":"2026-03-01T10:00:00Z",` +
	`"virtual_queue":{"name":"VQ_Sales","dbid":1042,"cfg_type_id":2,"cfg_type":"CFGVirtualQueue"},"media_type":"voice","max_attempts":3,` +
	`"parameters":{"_cb_dim_channel":"IVR","_cb_ewt_when_callback_was_offered":120,"_cb_t_callback_offered":1772357400}}}`

var benchNow = time.Date(2026, 3, 1, 9, 31, 0, 0, time.UTC)

func BenchmarkParse(b *testing.B) {
	raw := []byte(requestedJSON)
	_, refusal := intake.Parse(raw, benchNow)
	require.Nil(b, refusal)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, refusal := intake.Parse(raw, benchNow); refusal != nil {
			b.Fatal(refusal)
		}
	}
}

// BenchmarkSDK is the envelope alone as the CloudEvents SDK reads it, for comparison.
func BenchmarkSDK(b *testing.B) {
	raw := []byte(requestedJSON)
	b.ReportAllocs()
	for b.Loop() {
		var e cloudevents.Event
		if err := e.UnmarshalJSON(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	e, refusal := intake.Parse([]byte(requestedJSON), benchNow)
	require.Nil(b, refusal)
	b.ReportAllocs()
	for b.Loop() {
		e.Digest()
	}
}

func BenchmarkValidate(b *testing.B) {
	e, refusal := intake.Parse([]byte(requestedJSON), benchNow)
	require.Nil(b, refusal)
	b.ReportAllocs()
	for b.Loop() {
		e.Validate()
	}
}
