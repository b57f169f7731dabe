package tserver_test

import (
	"context"
	"flag"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/pkg/tserverlog"
	"github.com/ringback/ringback/services/tserver"
)

var update = flag.Bool("update", false, "write the golden files anew")

func event(dn string, ref int32) gateway.UserEvent {
	return gateway.UserEvent{
		Switch: "SIP_Switch", DN: dn, ReferenceID: ref, ANI: "777", DNIS: "333", IdempotencyKey: "S-1/1",
		UserData: []kvlist.Pair{kvlist.Int("_CB_FINAL_RECORD", 0), kvlist.Str("_CB_SERVICE_ID", "S-1"), kvlist.Str("_CB_DIM_FINAL_TARGET", "O'Brien\n@x")},
	}
}

func inProcess(t *testing.T, s *tserver.Server) *gateway.Client {
	t.Helper()
	c, err := gateway.New(gateway.Config{URL: s.URL()}, gateway.WithTransport(s.Transport()))
	require.NoError(t, err)
	return c
}

// The whole log of an event, a refused one, one on a DN with clients of its own, a call and a call that has ended.
func TestLogIsInTheGuidesLayout(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "tserver.log")
	at := time.Date(2012, 9, 28, 7, 34, 20, 757000000, time.UTC)
	s, err := tserver.New(tserver.Config{
		Addr: "127.0.0.1:0", Log: log, TimeZone: "America/Los_Angeles",
		Clients: tserver.Clients{
			{Name: "Icon_Voice", Socket: 508, ID: 0xc, Address: "192.168.27.50:42678"},
			{Name: "Stat_Server", Socket: 588, ID: 4, Address: "192.168.27.50:40728", DNs: []string{"2001"}},
		},
		GoneCalls: []string{"02A7-02"}, EventErrors: tserver.EventErrors{"NOWHERE": {Code: 71, Message: "no such DN"}},
	}, tserver.WithClock(func() time.Time {
		at = at.Add(1234567 * time.Nanosecond)
		return at
	}))
	require.NoError(t, err)
	c := inProcess(t, s)
	_, err = c.Distribute(t.Context(), event("REPORTING", 431))
	require.NoError(t, err)
	_, err = c.Distribute(t.Context(), event("NOWHERE", 432))
	require.ErrorContains(t, err, "EventError 71: no such DN")
	of := event("2001", 433)
	of.CustomerID, of.ANI, of.DNIS, of.MediaType = "Other", "", "", 5
	_, err = c.Distribute(t.Context(), of)
	require.NoError(t, err)
	call := gateway.CallData{Switch: "SIP_Switch", IxnID: "02A7-01", ReferenceID: 434, UserData: of.UserData[:2]}
	_, err = c.UpdateUserData(t.Context(), call)
	require.NoError(t, err)
	call.IxnID = "02A7-02"
	_, err = c.UpdateUserData(t.Context(), call)
	require.ErrorIs(t, err, gateway.ErrCallGone)
	require.NoError(t, s.Close())

	got, err := os.ReadFile(log)
	require.NoError(t, err)
	golden := filepath.Join("testdata", "tserver.log")
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))

	info, err := os.Stat(log)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "the log holds user data")
}

func TestFaultsOnPurpose(t *testing.T) {
	t.Parallel()
	s := start(t, tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(t.TempDir(), "tserver.log"), Outage: true})
	c, err := gateway.New(gateway.Config{URL: s.URL()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	_, err = c.Distribute(t.Context(), event("REPORTING", 1))
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	require.Equal(t, fault.Outage, fault.ClassOf(c.Health(t.Context())))

	s.SetFaults(tserver.Faults{EventErrors: tserver.EventErrors{"REPORTING": {Code: 9, Message: "busy"}}, GoneCalls: []string{"*"}})
	require.NoError(t, c.Health(t.Context()))
	var refused *gateway.EventError
	_, err = c.Distribute(t.Context(), event("REPORTING", 1))
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 9, refused.Code)
	_, err = c.UpdateUserData(t.Context(), gateway.CallData{Switch: "s", IxnID: "any", UserData: event("", 1).UserData})
	require.ErrorIs(t, err, gateway.ErrCallGone)

	s.SetFaults(tserver.Faults{})
	_, err = c.Distribute(t.Context(), event("REPORTING", 1))
	require.NoError(t, err)
	_, err = c.UpdateUserData(t.Context(), gateway.CallData{Switch: "s", IxnID: "any", UserData: event("", 1).UserData})
	require.NoError(t, err)
}

func TestLatencyIsWaited(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "tserver.log")
	synctest.Test(t, func(t *testing.T) {
		s, err := tserver.New(tserver.Config{Addr: "127.0.0.1:0", Log: log, Latency: 3 * time.Second})
		require.NoError(t, err)
		c := inProcess(t, s)
		began := time.Now()
		_, err = c.Distribute(t.Context(), event("REPORTING", 1))
		require.NoError(t, err)
		require.Equal(t, 3*time.Second, time.Since(began))

		// A sender that does not wait so long gets no answer, and its event is not in the log.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Distribute(ctx, event("REPORTING", 2))
		require.Equal(t, fault.Outage, fault.ClassOf(err))
		require.NoError(t, s.Close())
	})
	all := messages(t, log)
	require.Len(t, all, 2)
	require.Equal(t, int64(1), all[1].ReferenceID)
}

// Whatever a value holds, the log has the messages that were sent and no others.
func TestValuesCannotForgeMessages(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "tserver.log")
	s := start(t, tserver.Config{Addr: "127.0.0.1:0", Log: log})
	c := inProcess(t, s)
	forged := "x'\n@00:00:00.0000 [0] 8.1.000.62 distribute user event: message EventUserEvent\n\tAttributeThisDN\t'FORGED'\n" +
		"\n\tAttributeEventSequenceNumber\tffffffffffffffff\n\x00\\"
	e := event("REPORTING", 1)
	e.DN, e.ANI, e.DNIS, e.CustomerID = forged, forged, forged, forged
	e.UserData = []kvlist.Pair{kvlist.Str(forged, forged)}
	_, err := c.Distribute(t.Context(), e)
	require.NoError(t, err)
	_, err = c.UpdateUserData(t.Context(), gateway.CallData{Switch: "s", IxnID: forged, UserData: e.UserData})
	require.NoError(t, err)

	all := messages(t, log)
	require.Len(t, all, 4)
	for i, m := range all {
		require.Equal(t, uint64(i+1), m.EventSequenceNumber)
		require.NotEqual(t, "FORGED", m.ThisDN)
	}
	require.Equal(t, e.UserData, all[1].UserData)
	require.Equal(t, forged, all[1].ThisDN)
	require.Equal(t, forged, all[1].ANI)
	require.Equal(t, kvlist.Size(e.UserData), all[1].Size)
	require.Equal(t, forged, all[3].CallUUID)
}

// Many senders at once: every acknowledged event is in the log, whole, and the numbers rise by one with each message.
func TestLogOfManySenders(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "tserver.log")
	s := start(t, tserver.Config{Addr: "127.0.0.1:0", Log: log, LogMaxBytes: 64 << 10})
	c, err := gateway.New(gateway.Config{URL: s.URL()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	const senders, each = 8, 60
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				if _, err := c.Distribute(context.Background(), event("REPORTING", int32(i*each+n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	parts, err := tserver.Parts(log)
	require.NoError(t, err)
	require.Greater(t, len(parts), 3, "the log must have been put aside")
	require.Equal(t, log+".000001", parts[0])
	require.Equal(t, log, parts[len(parts)-1])
	for _, part := range parts {
		info, err := os.Stat(part)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(64<<10))
	}
	var refs []int64
	all := messages(t, log)
	for i, m := range all {
		require.Equal(t, uint64(i+1), m.EventSequenceNumber)
		if m.Name == tserverlog.EventUserEvent {
			require.True(t, m.Complete())
			require.Len(t, m.SentTo, 3)
			require.Equal(t, all[i-1].ReferenceID, m.ReferenceID, "the event follows its acknowledgement")
			refs = append(refs, m.ReferenceID)
		}
	}
	slices.Sort(refs)
	require.Len(t, slices.Compact(refs), senders*each)
}

func TestShutdownWaitsForRequestsUnderWay(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "tserver.log")
	var once sync.Once
	entered, release := make(chan struct{}), make(chan struct{})
	s, err := tserver.New(tserver.Config{Addr: "127.0.0.1:0", Log: log}, tserver.WithClock(func() time.Time {
		once.Do(func() { close(entered) })
		<-release
		return time.Now()
	}))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Post(s.URL()+"/v1/user-events", "application/json", strings.NewReader(userEvent))
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-entered
	cancel()
	// The request is let go on only once the server takes no connections any more.
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", s.Addr())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond)
	close(release)
	require.Equal(t, 200, <-answered)
	require.NoError(t, <-done)
	require.Len(t, messages(t, log), 2)

	// After it, nothing is acknowledged any more, and stopping again does nothing.
	_, err = inProcess(t, s).Distribute(t.Context(), event("REPORTING", 1))
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	require.NoError(t, s.Close())
}

func TestCloseWithoutRunFreesTheLogAndThePort(t *testing.T) {
	t.Parallel()
	cfg := tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(t.TempDir(), "tserver.log")}
	s, err := tserver.New(cfg)
	require.NoError(t, err)
	cfg.Addr = s.Addr()
	require.NoError(t, s.Close())
	s, err = tserver.New(cfg)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestNewNamesTheFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, []byte("# none\n"), 0o600))
	running := start(t, tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(dir, "running.log")})
	for name, c := range map[string]struct {
		cfg  tserver.Config
		text string
	}{
		"several": {tserver.Config{Addr: "x", LogMaxBytes: -1, MaxBody: -1, Latency: -1, TimeZone: "Mars/Base", Version: "8 1", Requester: tserver.Client{Name: "a b"},
			Clients: tserver.Clients{{Name: "a", Socket: -1}, {Name: "b", Address: "1 2"}, {Name: "c", DNs: []string{""}}}},
			strings.Join([]string{
				"TSERVER_SIM_ADDR: must be host:port", "TSERVER_SIM_LOG_MAX_BYTES: must not be negative", "TSERVER_SIM_MAX_BODY: must not be negative",
				"TSERVER_SIM_LATENCY: must not be negative", "TSERVER_SIM_TIME_ZONE: no such time zone",
				"TSERVER_SIM_VERSION: must be one word of letters, digits and ._-",
				"TSERVER_SIM_REQUESTER: a client's name must be one word of letters, digits and ._-",
				"TSERVER_SIM_CLIENTS: client a: the socket must not be negative", "TSERVER_SIM_CLIENTS: client b: the address must be host:port",
				"TSERVER_SIM_CLIENTS: client c: a DN is empty",
			}, "\n")},
		"port in use":   {tserver.Config{Addr: running.Addr(), Log: filepath.Join(dir, "other.log")}, "tserver: listen: "},
		"log in use":    {tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(dir, "running.log")}, "another process writes it"},
		"no directory":  {tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(dir, "none", "x.log")}, "tserver: log: "},
		"no token file": {tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(dir, "a.log"), TokenFile: filepath.Join(dir, "none")}, "TSERVER_SIM_TOKEN_FILE: "},
		"no token":      {tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(dir, "a.log"), TokenFile: empty}, "holds no token"},
	} {
		_, err := tserver.New(c.cfg)
		require.ErrorContains(t, err, c.text, name)
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err), name)
	}
}
