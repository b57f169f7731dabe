package intake_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/callback"
	"github.com/ringback/ringback/pkg/intake"
)

func TestLines(t *testing.T) {
	t.Parallel()
	one := event(nil)
	file := "\xef\xbb\xbf" + one + "\n" +
		"\r\n" +
		"   \t\n" +
		one + "\r\n" +
		"not json\n" +
		one + "x\n" +
		strings.Repeat("x", intake.MaxLine+1) + "\n" +
		one + strings.Repeat(" ", intake.MaxLine-len(one)) + "\r\n" + // as long as a line may be
		"\n" +
		one // no line feed
	want := []struct {
		number int64
		fault  string
	}{
		{1, ""}, {4, ""}, {5, "event: is not valid JSON"}, {6, "event: is not valid JSON: more follows"},
		{7, "event: is longer than 1048576 bytes"}, {8, ""}, {10, ""},
	}
	for _, r := range []io.Reader{strings.NewReader(file), iotest.OneByteReader(strings.NewReader(file)), iotest.DataErrReader(strings.NewReader(file))} {
		lines := intake.NewLines(r)
		for _, w := range want {
			line, err := lines.Next()
			require.NoError(t, err)
			require.Equal(t, w.number, line.Number)
			e, _, refusal := line.Parse(now)
			if w.fault == "" {
				require.Nil(t, refusal)
				require.Equal(t, "e1", e.ID)
				continue
			}
			require.Equal(t, callback.ReasonNotCloudEvent, refusal.Code)
			require.True(t, strings.HasPrefix(refusal.Detail(), w.fault), refusal.Detail())
		}
		_, err := lines.Next()
		require.ErrorIs(t, err, io.EOF)
	}
}

func TestLinesOfNothing(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "\n\n", "\xef\xbb\xbf", " "} {
		_, err := intake.NewLines(strings.NewReader(file)).Next()
		require.ErrorIs(t, err, io.EOF, "%q", file)
	}
}

func TestLinesTellAFailingReader(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk gone")
	lines := intake.NewLines(io.MultiReader(strings.NewReader(event(nil)+"\n{"), iotest.ErrReader(broken)))
	_, err := lines.Next()
	require.NoError(t, err)
	_, err = lines.Next()
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "line 2")
}

// Every line that is not blank is met once, with its number, whatever its bytes are.
func FuzzLines(f *testing.F) {
	f.Add([]byte(event(nil)+"\r\n\n"+event(nil)), 3)
	f.Add([]byte("\xef\xbb\xbf\n \n\x00\n"), 1)
	f.Fuzz(func(t *testing.T, file []byte, repeat int) {
		if repeat > 0 && repeat < 50 {
			file = bytes.Repeat(file, repeat)
		}
		lines := intake.NewLines(bytes.NewReader(file))
		for i, raw := range bytes.Split(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf")), []byte("\n")) {
			raw = bytes.TrimSuffix(raw, []byte("\r"))
			if len(bytes.Trim(raw, " \t\r")) == 0 {
				continue
			}
			line, err := lines.Next()
			require.NoError(t, err)
			require.Equal(t, int64(i+1), line.Number)
			require.True(t, bytes.Equal(raw, line.Raw))
			e, _, refusal := line.Parse(now)
			require.True(t, (e == nil) != (refusal == nil))
		}
		_, err := lines.Next()
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestSplit(t *testing.T) {
	t.Parallel()
	elements, refusal := intake.Split([]byte(` [ {"a":[1,"]"]} , 7 ,"x", null ] `), 4)
	require.Nil(t, refusal)
	require.Equal(t, []string{`{"a":[1,"]"]}`, "7", `"x"`, "null"}, texts(elements))

	elements, refusal = intake.Split([]byte(`[]`), 4)
	require.Nil(t, refusal)
	require.Empty(t, elements)

	elements, refusal = intake.Split([]byte(`[1,2,3,`), 2)
	require.Nil(t, refusal, "what follows the limit is not read")
	require.Len(t, elements, 3)

	for raw, reason := range map[string]string{
		"": "is empty", " ": "is empty", "{}": "must be a JSON array, was an object", "[1": "is not valid JSON: it ends too early",
		"[1,]": "is not valid JSON", "[] []": "is not valid JSON: more follows", "[nul]": "is not valid JSON", "[1 2]": "is not valid JSON",
	} {
		_, refusal := intake.Split([]byte(raw), 4)
		require.NotNil(t, refusal, raw)
		require.Equal(t, callback.ReasonNotCloudEvent, refusal.Code)
		require.Contains(t, refusal.Detail(), reason, raw)
	}
}

func texts(elements [][]byte) []string {
	s := make([]string, len(elements))
	for i := range elements {
		s[i] = string(elements[i])
	}
	return s
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("[" + event(nil) + "," + event(nil) + "]"))
	f.Add([]byte(`[1,[2,{"a":[]}],"\u00e9",-0.5e+3,null]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		elements, refusal := intake.Split(raw, 1<<30)
		var want []json.RawMessage
		err := json.Unmarshal(raw, &want)
		if refusal == nil {
			require.NoError(t, err)
			require.Len(t, elements, len(want))
			for i := range want {
				require.Equal(t, string(want[i]), string(elements[i]))
			}
			return
		}
		if err == nil && want != nil {
			require.Contains(t, refusal.Detail(), "too deep")
		}
	})
}
