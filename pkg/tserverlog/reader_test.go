package tserverlog_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/pkg/tserverlog"
)

func event(pairs string) string {
	return "@00:34:20.7570 [0] 8.1.000.62 distribute user event: message EventUserEvent\n" + pairs
}

func TestReaderReadsUserData(t *testing.T) {
	t.Parallel()
	inner := []kvlist.Pair{kvlist.Str("a", "1"), kvlist.Int("b", 2)}
	for name, c := range map[string]struct {
		lines string
		pairs []kvlist.Pair
	}{
		"strings and integers": {"\t\t'a'\t'1'\n\t\t'b'\t2\n", inner},
		"blanks for tabs":      {"                'a' '1'\n                'b' 2\n", inner},
		"no value":             {"\t\t'a'\n\t\t'b'\t2\n", []kvlist.Pair{kvlist.Str("a", ""), kvlist.Int("b", 2)}},
		"a quote inside, as a real server leaves it": {"\t\t'a'\t'O'Brien's'\n", []kvlist.Pair{kvlist.Str("a", "O'Brien's")}},
		"a backslash that is no escape":              {"\t\t'a'\t'C:\\data\\'\n", []kvlist.Pair{kvlist.Str("a", `C:\data\`)}},
		"a list": {"\t\t'l'(list) \n\t\t\t'a'\t'1'\n\t\t\t'b'\t2\n\t\t'z'\t'9'\n",
			[]kvlist.Pair{{Key: "l", Kind: kvlist.List, List: inner}, kvlist.Str("z", "9")}},
		"a list whose first pair stands on its line": {"\t\t'l'(list) 'a'\t'1'\n\t\t\t'b'\t2\n\t\t'z'\t'9'\n",
			[]kvlist.Pair{{Key: "l", Kind: kvlist.List, List: inner}, kvlist.Str("z", "9")}},
		"an empty list":                {"\t\t'l'(list) \n\t\t'z'\t'9'\n", []kvlist.Pair{{Key: "l", Kind: kvlist.List}, kvlist.Str("z", "9")}},
		"a value on the next line":     {"\t'a'\n\t\t\t'1'\n\t'b'\n\t\t\t2\n", inner},
		"the same key twice":           {"\t\t'a'\t'1'\n\t\t'a'\t'2'\n", []kvlist.Pair{kvlist.Str("a", "1"), kvlist.Str("a", "2")}},
		"a value like a line of a log": {"\t\t'a'\t'00:34:20.757 Trc 04542 EventACK sent to [1] (x)'\n", []kvlist.Pair{kvlist.Str("a", "00:34:20.757 Trc 04542 EventACK sent to [1] (x)")}},
		"carriage returns":             {"\t\t'a'\t'1'\r\n\t\t'b'\t2\r\n", inner},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := readAll(t, strings.NewReader(event("\tAttributeUserData\t[1] 00 02 00 00..\n"+c.lines+"\tAttributeThisDN\t'REPORTING'\n")))
			require.Len(t, all, 1)
			require.Equal(t, c.pairs, all[0].UserData)
			require.Equal(t, "REPORTING", all[0].ThisDN)
		})
	}
}

func TestReaderSkipsWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	log := strings.Join([]string{
		"T-Server, version 8.1", "\tAttributeThisDN\t'before any message'", "",
		"message RequestRegisterAddress", "\tAttributeThisDN\t'of a request'",
		"00:34:20.757 Trc 04541 RequestRegisterAddress received from [5] (00000001 a 1.2.3.4:5)",
		"@00:34:20.7571 [0] 8.1.000.62 send_to_client: message EventRegistered",
		"\tAttributeExtensions\t[14] 00 01 01 00..", "\t\t'ThisDN'\t'inside the extensions'",
		"\tAttributeThisDN\t'2001'", "\tAttributeUnheardOf\t12", "",
		"\tAttributeThisDN\t'after an empty line'",
		"2016-04-20T09:22:09.969 Std 20001 something else", "\tAttributeThisDN\t'after another line'",
		"@00:34:20.7572 8.1.000.62 distribute_event: message EventQueued", "\tAttributeThisDN\t'2002'",
	}, "\n")
	all := readAll(t, strings.NewReader(log))
	require.Len(t, all, 2)
	require.Equal(t, "EventRegistered", all[0].Name)
	require.Equal(t, "send_to_client", all[0].Action)
	require.Equal(t, "2001", all[0].ThisDN)
	require.Empty(t, all[0].UserData)
	require.Equal(t, 7, all[0].Line)
	require.Equal(t, "EventQueued", all[1].Name)
	require.Equal(t, "8.1.000.62", all[1].Version)
	require.Equal(t, "2002", all[1].ThisDN)
}

func TestUserEventsYieldsOnlyUserEvents(t *testing.T) {
	t.Parallel()
	log := strings.Repeat("@00:34:20.7570 [0] 8 send to client: message EventACK\n\tAttributeReferenceID\t1\n"+
		event("\tAttributeReferenceID\t2\n"), 3)
	n := 0
	for m, err := range tserverlog.UserEvents(strings.NewReader(log)) {
		require.NoError(t, err)
		require.Equal(t, int64(2), m.ReferenceID)
		if n++; n == 2 {
			break
		}
	}
	require.Equal(t, 2, n)
}

func TestUserEventsEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	in := io.MultiReader(strings.NewReader(event("")+event("")), iotest.ErrReader(broken))
	var errs []error
	for _, err := range tserverlog.UserEvents(in) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 2)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], broken)
	require.ErrorContains(t, errs[1], "tserverlog: line 3: ")
}

func TestReaderRefusesAnEndlessLine(t *testing.T) {
	t.Parallel()
	log := event("") + "\t\t'" + strings.Repeat("x", 3<<20)
	_, err := tserverlog.NewReader(strings.NewReader(log)).Next()
	require.EqualError(t, err, "tserverlog: line 2 is longer than 2097152 bytes")
}

// A log that ends inside a message, as after a crash, has one that is not complete, and says so.
func TestMessageIsCompleteOnlyWithAllItsPairs(t *testing.T) {
	t.Parallel()
	m := tserverlog.Message{
		Name: tserverlog.EventUserEvent, Action: tserverlog.DistributeUserEvent,
		UserData: []kvlist.Pair{kvlist.Str("a", "1"), kvlist.Str("b", "2"), kvlist.Int("c", 3)},
	}
	whole := m.Append(nil)
	require.True(t, readAll(t, bytes.NewReader(whole))[0].Complete())
	for end := bytes.Index(whole, []byte("\n\t\t'a'")); end < bytes.Index(whole, []byte("\t\t'c'")); end++ {
		all := readAll(t, bytes.NewReader(whole[:end]))
		require.Len(t, all, 1)
		require.False(t, all[0].Complete(), "%s", whole[:end])
	}
}

func TestMessageValue(t *testing.T) {
	t.Parallel()
	m := tserverlog.Message{UserData: []kvlist.Pair{kvlist.Str("a", "1"), kvlist.Str("a", "2"), kvlist.Int("b", 3)}}
	a, ok := m.Value("a")
	require.True(t, ok)
	require.Equal(t, "1", a)
	b, ok := m.Value("b")
	require.True(t, ok)
	require.Equal(t, "3", b)
	_, ok = m.Value("c")
	require.False(t, ok)
}

func drawPairs(t *rapid.T, depth int) []kvlist.Pair {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\n\t\\']*`), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) kvlist.Pair {
		key := text.Draw(t, "key")
		switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); {
		case kind == 0:
			return kvlist.Int(key, int64(rapid.Int32().Draw(t, "int")))
		case kind == 1 && depth < 2:
			return kvlist.Pair{Key: key, Kind: kvlist.List, List: drawPairs(t, depth+1)}
		default:
			return kvlist.Str(key, text.Draw(t, "str"))
		}
	}), 1, 6).Draw(t, "pairs")
}

// Whatever is written is read again as it was, whatever the values hold.
func TestReaderReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var (
			want []*tserverlog.Message
			log  = tserverlog.AppendRemark(nil, "simulated")
			text = rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\n\t\\']*`))
			word = rapid.StringMatching(`[A-Za-z0-9_.-]{1,9}`)
		)
		for range rapid.IntRange(1, 4).Draw(t, "messages") {
			at := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "time")).UTC()
			m := &tserverlog.Message{
				Name:   rapid.SampledFrom([]string{tserverlog.EventACK, tserverlog.EventUserEvent, tserverlog.EventError}).Draw(t, "name"),
				Action: tserverlog.SendToClient, Version: word.Draw(t, "version"), Time: at,
				EventSequenceNumber: rapid.Uint64().Draw(t, "sequence"), ReferenceID: int64(rapid.Int32().Draw(t, "reference")),
				CustomerID: text.Draw(t, "customer"), ThisDN: text.Draw(t, "dn"), CallUUID: text.Draw(t, "call"),
				UserEvent: tserverlog.RequestDistributeUserEvent,
			}
			switch m.Name {
			case tserverlog.EventError:
				m.ErrorCode, m.ErrorMessage = int64(rapid.Int32().Draw(t, "code")), text.Draw(t, "message")
			case tserverlog.EventUserEvent:
				m.Action, m.UserEvent = tserverlog.DistributeUserEvent, tserverlog.EventUserEvent
				m.UserData, m.ANI, m.DNIS = drawPairs(t, 0), text.Draw(t, "ani"), text.Draw(t, "dnis")
				m.MediaType = int64(rapid.Int32Min(0).Draw(t, "media type"))
			}
			line := bytes.Count(log, []byte("\n")) + 1
			log = m.Append(log)
			m.Line, m.Clock, m.Pairs = line, at.Format("15:04:05.0000"), len(m.UserData)
			if m.Pairs > 0 {
				m.Size = kvlist.Size(m.UserData)
			}
			for i := range rapid.IntRange(0, 2).Draw(t, "clients") {
				c := tserverlog.Client{Name: word.Draw(t, "client"), Socket: i, ID: rapid.Uint32().Draw(t, "id"), Address: "127.0.0.1:1"}
				log = tserverlog.AppendSent(log, at, m.Name, &c)
				m.SentTo = append(m.SentTo, c)
			}
			log = tserverlog.AppendReceived(log, at, tserverlog.RequestDistributeUserEvent, tserverlog.Client{Name: "a", Socket: 1})
			log = tserverlog.AppendAbsentThisDN(log, m.ThisDN)
			want = append(want, m)
		}
		in := tserverlog.NewReader(iotest.OneByteReader(bytes.NewReader(log)))
		for _, m := range want {
			got, err := in.Next()
			require.NoError(t, err)
			require.Equal(t, m, got)
			require.True(t, got.Complete())
		}
		_, err := in.Next()
		require.ErrorIs(t, err, io.EOF)
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(event("\tAttributeUserData\t[347] 00 0c 00 00..\n\t\t'l'(list) 'a'\t'1'\n\t\t\t'b'\t2\n'x'\n\t\t\t\t'y'\n")))
	f.Add([]byte("@0: message E\nAttributeThisDN\n'\\x0'\n1\nAttributeReferenceID\nAttributeANI\n"))
	f.Add([]byte("@0: message E\n00:00:00 04542 E sent to [1] (1 a b:1)\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		lines := bytes.Count(log, []byte("\n")) + 1
		last := 0
		for in := tserverlog.NewReader(bytes.NewReader(log)); ; {
			m, err := in.Next()
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				return
			}
			// Each message begins on a line of its own, so reading ends.
			require.Greater(t, m.Line, last)
			require.LessOrEqual(t, m.Line, lines)
			last = m.Line
			m.Name, m.Version = "EventUserEvent", "8"
			m.Action = tserverlog.DistributeUserEvent
			// What was read can be written and read again, with the same user data.
			again := readAll(t, bytes.NewReader(m.Append(nil)))
			require.Len(t, again, 1)
			require.Equal(t, m.UserData, again[0].UserData)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	m := tserverlog.Message{Name: tserverlog.EventUserEvent, Action: tserverlog.DistributeUserEvent, Version: "8.1.000.62", ThisDN: "REPORTING"}
	for i := range 45 {
		m.UserData = append(m.UserData, kvlist.Str("_CB_DIM_SOME_TEXT_"+string(rune('A'+i)), "COMPLETED.TRANSFERRED_TO_RP"))
	}
	log := m.Append(nil)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	in := tserverlog.NewReader(&endless{log: log})
	for b.Loop() {
		if _, err := in.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// endless repeats a log.
type endless struct {
	log []byte
	off int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.log[e.off:])
	e.off = (e.off + n) % len(e.log)
	return n, nil
}

func BenchmarkAppend(b *testing.B) {
	m := tserverlog.Message{Name: tserverlog.EventUserEvent, Action: tserverlog.DistributeUserEvent, Version: "8.1.000.62", ThisDN: "REPORTING"}
	for i := range 45 {
		m.UserData = append(m.UserData, kvlist.Str("_CB_DIM_SOME_TEXT_"+string(rune('A'+i)), "COMPLETED.TRANSFERRED_TO_RP"))
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}
