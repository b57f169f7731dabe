package wire_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	embedded "github.com/ringback/ringback/pkg/embedded/registry"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/registry"
	"github.com/ringback/ringback/pkg/wire"
)

// codec is for the tests that only encode and decode: registering six schemas in a
// registry of its own is most of what such a test would do.
var codec *wire.Codec

func TestMain(m *testing.M) { os.Exit(withCodec(m)) }

func withCodec(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	server, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client, err := registry.New(registry.Config{URL: server.URL(), Timeout: patience})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	if codec, err = wire.New(context.Background(), client); err != nil {
		panic(err)
	}
	return m.Run()
}

// patience is a time-out that a busy machine does not reach.
const patience = time.Minute

func newCodec(t testing.TB) (*wire.Codec, *embedded.Server, *registry.Client) {
	t.Helper()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client, err := registry.New(registry.Config{URL: server.URL(), Timeout: patience})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	codec, err := wire.New(t.Context(), client)
	require.NoError(t, err)
	return codec, server, client
}

func ptr[T any](v T) *T { return &v }

func headerTexts(r kafka.Record) []string {
	var out []string
	for _, h := range r.Headers {
		out = append(out, h.Key+"="+string(h.Value))
	}
	return out
}

// Invariant 3: the same event gives the same bytes, although Go's maps have no order.
func TestEncodingIsCanonical(t *testing.T) {
	t.Parallel()
	e := requested()
	for i := range 20 {
		e.Data.Parameters[fmt.Sprintf("_cb_p%d", i)] = "v"
		e.Extensions[fmt.Sprintf("x%d", i)] = "v"
	}
	first, err := codec.Lifecycle(e)
	require.NoError(t, err)
	for range 100 {
		again, err := codec.Lifecycle(e)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

func TestUnknownSchema(t *testing.T) {
	t.Parallel()
	r, err := codec.Lifecycle(requested())
	require.NoError(t, err)
	r.Value = append([]byte{0, 0, 0, 0x30, 0x39}, r.Value[5:]...)
	_, err = codec.ParseLifecycle(t.Context(), &r)
	require.ErrorIs(t, err, registry.ErrUnknownSchema)
	var bad *callback.BadRecord
	require.NotErrorAs(t, err, &bad)
}

// Invariant 7: a registry that is away is an outage, not bad data.
func TestRegistryAway(t *testing.T) {
	t.Parallel()
	server, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	front := httptest.NewServer(server.Handler())
	client, err := registry.New(registry.Config{URL: front.URL, Timeout: patience})
	require.NoError(t, err)
	codec, err := wire.New(t.Context(), client)
	require.NoError(t, err)
	front.Close()
	require.NoError(t, server.Close())

	r, err := codec.Lifecycle(requested())
	require.NoError(t, err, "what is registered needs no registry")
	_, err = codec.ParseLifecycle(t.Context(), &r)
	require.NoError(t, err)
	r.Value = append([]byte{0, 0, 0, 0x30, 0x39}, r.Value[5:]...)
	_, err = codec.ParseLifecycle(t.Context(), &r)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
	_, err = wire.New(t.Context(), client)
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
}

// A producer of a newer release writes with a schema that this one does not know.
func TestNewerWriter(t *testing.T) {
	t.Parallel()
	codec, _, client := newCodec(t)
	id, err := client.Register(t.Context(), "elsewhere", `{"type":"record","name":"LifecycleEvent","namespace":"ringback.callback.v1","fields":[
		{"name":"mood","type":["null","string"],"default":null},
		{"name":"priority","type":["null","int"],"default":null}]}`)
	require.NoError(t, err)
	e := &callback.Event{Source: "/s", ID: "1", Type: callback.OfferAccepted, Subject: "svc", Time: 1_772_000_000_000_000}
	r, err := codec.Lifecycle(e)
	require.NoError(t, err)
	r.Value = []byte{0, 0, 0, 0, byte(id), 2, 6, 's', 'a', 'd', 2, 14}
	got, err := codec.ParseLifecycle(t.Context(), &r)
	require.NoError(t, err)
	e.Data.Priority = ptr(int64(7))
	require.Equal(t, e, got)
}

func requireReason(t *testing.T, err error, reason callback.Reason) {
	t.Helper()
	var bad *callback.BadRecord
	require.ErrorAs(t, err, &bad)
	require.Equal(t, reason, bad.Reason, bad.Detail)
}

// A codec is shared by all goroutines of a service, and lends out the records it works with.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			e, u := requested(), userEvent()
			e.Subject, e.Data.MaxAttempts = fmt.Sprint("svc-", i), ptr(int64(i))
			u.Sequence = int32(i + 1)
			for range 50 {
				r, err := codec.Lifecycle(e)
				assert.NoError(t, err)
				event, err := codec.ParseLifecycle(context.Background(), &r)
				assert.NoError(t, err)
				assert.Equal(t, e, event)
				r, err = codec.UserEvent(u)
				assert.NoError(t, err)
				user, err := codec.ParseUserEvent(context.Background(), &r)
				assert.NoError(t, err)
				assert.Equal(t, u, user)
			}
		})
	}
	wg.Wait()
}
