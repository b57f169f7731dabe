package tserverlog_test

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/pkg/tserverlog"
)

func readAll(t *testing.T, in io.Reader) []*tserverlog.Message {
	t.Helper()
	var all []*tserverlog.Message
	for r := tserverlog.NewReader(in); ; {
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, m)
	}
}

// The example of the guide's "Verify Reporting Data", as its text came out of the document: lines broken and indented,
// underscores lost, values before and after their names.
func TestReaderReadsTheGuidesExample(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/guide.log")
	require.NoError(t, err)
	defer f.Close()

	at := time.Unix(1348817660, 757000000).UTC()
	require.Equal(t, []*tserverlog.Message{
		{
			Name: "EventACK", Action: "send to client", Version: "8.1.000.62", Clock: "00:34:20.7570", Line: 4,
			Time: at, EventSequenceNumber: 0xef8, ReferenceID: 431, CustomerID: "Environment", ThisDN: "REPORTING",
			UserEvent: "RequestDistributeUserEvent",
			SentTo:    []tserverlog.Client{{Name: "OrchestrationServer", Socket: 516, ID: 3, Address: "192.168.27.50:40727"}},
		},
		{
			Name: "EventUserEvent", Action: "distribute user event", Version: "8.1.000.62", Clock: "00:34:20.7570", Line: 20,
			Time: at, EventSequenceNumber: 0xef9, ReferenceID: 431, CustomerID: "Environment", ThisDN: "REPORTING",
			ANI: "777", DNIS: " 333 ", UserEvent: "EventUserEvent",
			UserData: []kvlist.Pair{
				kvlist.Str("gms AgentAvailable", "1348817660755"),
				kvlist.Str("gms AgentConnected", ""),
				kvlist.Str("gms IxnCompleted", ""),
				kvlist.Str("gms ServiceName", "inbound-delay"),
				kvlist.Str("gms ServiceStartAt", "1348817660553"),
				kvlist.Str("gms ServiceStoppedAt", ""),
				kvlist.Str("ams SessionEventSea", ""),
				kvlist.Str("gms SessionId", "65UA6ISSJH76R340BNDQ2DG0DG000036"),
				kvlist.Str("gms UserConnected", ""),
				kvlist.Str("gms UserId", ""),
				kvlist.Str("gms WaitingForAgent", "1348817660744"),
				kvlist.Str("gms externalId", ""),
			},
			Size: 347, Pairs: 12,
			SentTo: []tserverlog.Client{
				{Name: "Icon Voice", Socket: 508, ID: 0xc, Address: "192.168.27.50:42678"},
				{Name: "Stat Server", Socket: 588, ID: 4, Address: "192.168.27.50:40728"},
				{Name: "Universal Routing Server", Socket: 592, ID: 5},
			},
		},
	}, readAll(t, f))
}
