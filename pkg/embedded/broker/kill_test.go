package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kafka"
)

// TestMain lets the test binary be the broker process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BROKER_TEST_DIR"); dir != "" {
		port, _ := strconv.Atoi(os.Getenv("BROKER_TEST_PORT"))
		b, err := Start(Config{Dir: dir, Port: port})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(b.Addrs()[0])
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or its parent is gone
		return
	}
	os.Exit(m.Run())
}

// process starts a broker as a process of its own and returns how to kill it.
func process(t *testing.T, dir, port string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "BROKER_TEST_DIR="+dir, "BROKER_TEST_PORT="+port)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	killed := false
	kill = func() {
		if killed {
			return
		}
		killed = true
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		_ = stdin.Close()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	addr = strings.TrimSpace(line)
	require.False(t, strings.HasPrefix(addr, "error"), addr)
	return addr, kill
}

// Killed again and again in the midst of transactions and writing, the broker keeps all that was
// acknowledged, each once; nothing of a transaction that was not committed; every transaction in all
// its partitions or none; and the group's offset in step with them.
func TestKill(t *testing.T) {
	t.Parallel()
	const partitions = 3
	dir := t.TempDir()
	addr, kill := process(t, dir, "0")
	_, port, _ := strings.Cut(addr, ":")
	client, err := kafka.New(kafka.Config{Brokers: []string{addr}})
	require.NoError(t, err)
	defer client.Close()
	ensure(t, client, "plain", partitions, nil)
	ensure(t, client, "txn", partitions, nil)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	acked := make(chan int, 1)
	go func() { acked <- produceUntil(ctx, client, "plain") }()
	type outcome struct{ committed, unknown map[int]bool }
	done := make(chan outcome, 1)
	progress := make(chan struct{}, 1)
	go func() {
		committed, unknown := commitUntil(ctx, t, client, "txn", partitions, progress)
		done <- outcome{committed, unknown}
	}()
	for i := range 8 {
		for range 5 + i { // so many commits further on, somewhere in the next
			<-progress
		}
		kill()
		_, kill = process(t, dir, port)
	}
	<-progress
	cancel()
	n, txns := <-acked, <-done
	_, err = client.NewTransactor(t.Context(), "id") // ends what is open
	require.NoError(t, err)

	next := map[int32]int{}
	for p := range int32(partitions) {
		for _, v := range read(t, client, "plain", p) {
			require.Equal(t, strconv.Itoa(next[p]*partitions+int(p)), v, "each once and in order")
			next[p]++
		}
	}
	require.GreaterOrEqual(t, next[0]+next[1]+next[2], n, "all that was acknowledged")

	var seen [partitions]map[int]bool
	last := -1
	for p := range int32(partitions) {
		seen[p] = map[int]bool{}
		for _, v := range read(t, client, "txn", p) {
			i, err := strconv.Atoi(v)
			require.NoError(t, err)
			require.False(t, seen[p][i], "%d twice", i)
			require.True(t, txns.committed[i] || txns.unknown[i], "%d was not committed", i)
			seen[p][i] = true
			last = max(last, i)
		}
		for i := range txns.committed {
			require.True(t, seen[p][i], "%d is missing", i)
		}
		require.Equal(t, seen[0], seen[p], "all partitions or none")
	}
	offset, ok, err := client.CommittedOffset(t.Context(), "group", "txn", 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(last), offset, "the group's offset is in step")
	t.Logf("%d records and %d transactions acknowledged, %d of unknown outcome", n, len(txns.committed), len(txns.unknown))
}

// produceUntil writes numbers in order, to partition number modulo partitions, until ctx ends, and
// returns how many were acknowledged.
func produceUntil(ctx context.Context, c *kafka.Client, name string) int {
	p := c.NewProducer(kafka.ProducerConfig{BatchRecords: 20})
	defer func() { _ = p.Close(context.WithoutCancel(ctx)) }()
	for n := 0; ; {
		recs := make([]kafka.Record, 30)
		for i := range recs {
			recs[i] = kafka.Record{Topic: name, Partition: int32((n + i) % 3), Value: []byte(strconv.Itoa(n + i))}
		}
		for _, d := range p.Produce(ctx, recs) {
			if d.Err == nil {
				n++
			}
		}
		if ctx.Err() != nil {
			return n
		}
	}
}

func commitUntil(ctx context.Context, t *testing.T, c *kafka.Client, name string, partitions int32, progress chan<- struct{}) (committed, unknown map[int]bool) {
	committed, unknown = map[int]bool{}, map[int]bool{}
	var tx *kafka.Transactor
	for i := 0; ctx.Err() == nil; i++ {
		for tx == nil && ctx.Err() == nil {
			var err error
			if tx, err = c.NewTransactor(ctx, "id"); err != nil {
				tx = nil
			}
		}
		if tx == nil {
			return committed, unknown
		}
		var all []int32
		for p := range partitions {
			all = append(all, p)
		}
		work := txn(name, i, all...)
		work.Group.Offsets[0] = int64(i)
		err := tx.Commit(ctx, work)
		switch {
		case err == nil:
			committed[i] = true
			select {
			case progress <- struct{}{}:
			default:
			}
		case errors.Is(err, kafka.ErrOutcomeUnknown):
			unknown[i] = true
		}
		if errors.Is(err, kafka.ErrOutcomeUnknown) || errors.Is(err, kafka.ErrFenced) {
			tx = nil
		}
	}
	return committed, unknown
}
