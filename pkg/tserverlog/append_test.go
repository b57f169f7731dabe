package tserverlog_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/pkg/tserverlog"
)

// The guide's example as T-Server wrote it, before a document broke its lines.
func TestAppendWritesTheGuidesLayout(t *testing.T) {
	t.Parallel()
	pacific, err := time.LoadLocation("America/Los_Angeles")
	require.NoError(t, err)
	at := time.Unix(1348817660, 757000000).In(pacific)
	ors := tserverlog.Client{Name: "OrchestrationServer", Socket: 516, ID: 3, Address: "192.168.27.50:40727"}
	icon := tserverlog.Client{Name: "Icon_Voice", Socket: 508, ID: 0xc, Address: "192.168.27.50:42678"}

	ack := tserverlog.Message{
		Name: tserverlog.EventACK, Action: tserverlog.SendToClient, Version: "8.1.000.62", Time: at, EventSequenceNumber: 0xef8,
		ReferenceID: 431, CustomerID: "Environment", ThisDN: "REPORTING", UserEvent: tserverlog.RequestDistributeUserEvent,
	}
	event := tserverlog.Message{
		Name: tserverlog.EventUserEvent, Action: tserverlog.DistributeUserEvent, Version: "8.1.000.62", Time: at, EventSequenceNumber: 0xef9,
		ReferenceID: 431, CustomerID: "Environment", ThisDN: "REPORTING", ANI: "777", DNIS: "333", UserEvent: tserverlog.EventUserEvent,
		UserData: []kvlist.Pair{
			kvlist.Str("gms_AgentAvailable", "1348817660755"),
			kvlist.Str("gms_AgentConnected", ""),
			kvlist.Int("gms_SessionEventSeq", 0),
		},
	}
	refusal := tserverlog.Message{
		Name: tserverlog.EventError, Action: tserverlog.SendToClient, Version: "8.1.000.62", Time: at, EventSequenceNumber: 0xefa,
		ReferenceID: 432, CustomerID: "Environment", ThisDN: "NOWHERE", UserEvent: tserverlog.RequestDistributeUserEvent,
		ErrorCode: 1, ErrorMessage: "no such DN",
	}
	b := tserverlog.AppendRemark(nil, "simulated")
	b = tserverlog.AppendReceived(b, at, tserverlog.RequestDistributeUserEvent, ors)
	b = tserverlog.AppendAbsentThisDN(b, "REPORTING")
	b = ack.Append(b)
	b = tserverlog.AppendSent(b, at, ack.Name, &ors)
	b = event.Append(b)
	b = tserverlog.AppendSent(b, at, event.Name, &icon)
	b = refusal.Append(b)

	want, err := os.ReadFile("testdata/layout.log")
	require.NoError(t, err)
	require.Equal(t, string(want), string(b))
}

func TestAppendPrintsThePackedHeader(t *testing.T) {
	t.Parallel()
	many := make([]kvlist.Pair, 300)
	for i := range many {
		many[i] = kvlist.Str("k", "")
	}
	for name, c := range map[string]struct {
		pairs  []kvlist.Pair
		header string
	}{
		"a string first":   {[]kvlist.Pair{kvlist.Str("k", "v"), kvlist.Int("i", 1)}, "[19] 00 02 00 00.."},
		"an integer first": {[]kvlist.Pair{kvlist.Int("RTR", 115)}, "[14] 00 01 01 00.."},
		"a list first":     {[]kvlist.Pair{{Key: "l", Kind: kvlist.List, List: []kvlist.Pair{kvlist.Str("a", "b")}}}, "[19] 00 01 03 00.."},
		"more than 255":    {many, "[1802] 01 2c 00 00.."},
	} {
		m := tserverlog.Message{Name: tserverlog.EventUserEvent, Action: tserverlog.DistributeUserEvent, UserData: c.pairs}
		require.Contains(t, string(m.Append(nil)), "\n\tAttributeUserData\t"+c.header+"\n", name)
	}
}

// No value can end its line, its quotes or its message, and so none can forge a message.
func TestAppendEscapesWhatWouldBreakTheLayout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ value, logged string }{
		"new line":           {"a\n@00:00:00.0000 [0] 1 x: message EventACK", `a\n@00:00:00.0000 [0] 1 x: message EventACK`},
		"carriage return":    {"a\rb", `a\rb`},
		"tab":                {"a\tb", `a\tb`},
		"quote":              {"O'Brien", `O\'Brien`},
		"backslash":          {`C:\new`, `C:\\new`},
		"NUL":                {"a\x00b", `a\x00b`},
		"escape sequence":    {"\x1b[31m", `\x1b[31m`},
		"delete":             {"\x7f", `\x7f`},
		"next line (C1)":     {"a\u0085b", `a\u0085b`},
		"line separator":     {"a\u2028b", `a\u2028b`},
		"bidi override":      {"a\u202eb", `a\u202eb`},
		"beyond the BMP":     {"a\U000e0001b", `a\U000e0001b`},
		"no UTF-8":           {"a\xffb", `a\xffb`},
		"letters that print": {"Zoë 東京 🙂", "Zoë 東京 🙂"},
	} {
		m := tserverlog.Message{
			Name: tserverlog.EventUserEvent, Action: tserverlog.DistributeUserEvent, ThisDN: c.value,
			UserData: []kvlist.Pair{kvlist.Str(c.value, c.value)},
		}
		out := string(m.Append(nil))
		require.Contains(t, out, fmt.Sprintf("\n\t\t'%s'\t'%s'\n", c.logged, c.logged), name)
		require.Contains(t, out, fmt.Sprintf("\n\tAttributeThisDN\t'%s'\n", c.logged), name)
		require.Equal(t, 8, strings.Count(out, "\n"), name)
		require.Equal(t, "  -- Absent ThisDN, "+c.logged+" was used\n", string(tserverlog.AppendAbsentThisDN(nil, c.value)), name)
	}
}
