package kafka

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/ringback/ringback/pkg/fault"
)

// Client speaks to one cluster. It is safe for concurrent use.
type Client struct {
	cfg       Config
	addr      net.Addr
	transport *kafkago.Transport
	conns     *connTracker
	security  *security
	ctx       context.Context
	cancel    context.CancelFunc
	calls     atomic.Int32

	codec        compress.Compression
	coordinators sync.Map // coordinatorKey -> node id, int32
	layouts      sync.Map // topic -> layout
	nodes        sync.Map // node id -> net.Addr
	controller   atomic.Int32
}

// New makes a client. It connects only when used, so a broker that is away is no error yet; a
// faulty configuration is a Misconfiguration.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	codec, _ := parseCompression(cfg.Compression) // Validate has seen it
	ctx, cancel := context.WithCancel(context.Background())
	security := newSecurity(cfg)
	conns := &connTracker{conns: map[net.Conn]struct{}{}, secure: security.secure}
	c := &Client{
		cfg:      cfg,
		addr:     bootstrap(cfg.Brokers),
		conns:    conns,
		security: security,
		codec:    codec,
		ctx:      ctx,
		cancel:   cancel,
		transport: &kafkago.Transport{
			Dial:        conns.dial,
			DialTimeout: cfg.DialTimeout,
			// The transport asks for metadata without end. None of it is used (layout.go), so it gets
			// to see no topics, and seldom.
			MetadataTTL:    30 * time.Second,
			MetadataTopics: []string{},
			ClientID:       cfg.ClientID,
			Context:        ctx,
		},
	}
	c.controller.Store(anyNode)
	return c, nil
}

// Close ends all connections. Close producers first.
func (c *Client) Close() {
	c.cancel()
	c.transport.CloseIdleConnections()
	c.conns.closeAll()
}

// call is one request to one broker. It takes part in the exchange itself, because only so is it
// known whether a request that failed was ever begun: a batch that never left may be forgotten,
// one that did may be in the log.
type call struct {
	req     protocol.Message
	client  *Client
	version int16
	state   atomic.Int32
}

// anyNode is whichever broker of the configuration answers.
const anyNode int32 = -1

const (
	callPending   = 0
	callStarted   = 1
	callWithdrawn = 2
)

var errWithdrawn = errors.New("request withdrawn before it was sent")

func (m *call) ApiKey() protocol.ApiKey { return m.req.ApiKey() }

// Broker leaves the routing to the address that the transport is given.
func (m *call) Broker(protocol.Cluster) (protocol.Broker, error) {
	return protocol.Broker{ID: -1}, nil
}

func (m *call) Required(versions map[protocol.ApiKey]int16) bool {
	m.version = versions[m.req.ApiKey()]
	if fixed, ok := m.req.(versionZero); ok {
		m.req, m.version = fixed.Message, 0
	}
	return true
}

// versionZero sends a request at version 0: of Heartbeat and LeaveGroup kafka-go reads the later
// answers with their fields in the wrong order, and so every error as none.
type versionZero struct{ protocol.Message }

// exchanger is a request that is written and read by its own code.
type exchanger interface {
	exchange(rw io.ReadWriter, version int16, correlation int32, clientID string) (protocol.Message, error)
}

func (m *call) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if !m.state.CompareAndSwap(callPending, callStarted) {
		return nil, errWithdrawn
	}
	id := m.client.calls.Add(1)
	var res protocol.Message
	var err error
	if x, ok := m.req.(exchanger); ok {
		res, err = x.exchange(rw, m.version, id, m.client.cfg.ClientID)
	} else {
		res, err = protocol.RoundTrip(rw, m.version, id, m.client.cfg.ClientID, m.req)
	}
	if err != nil {
		return nil, err
	}
	return answer{res}, nil
}

// answer hides the type of an answer from the transport, which would take a metadata answer for one
// to a request of its own.
type answer struct{ protocol.Message }

// do sends req to node and waits for the answer. sent tells whether the request may have reached
// the broker; it is false only where it certainly did not.
func (c *Client) do(ctx context.Context, node int32, req protocol.Message) (res protocol.Message, sent bool, err error) {
	if c.ctx.Err() != nil {
		return nil, false, ErrClosed
	}
	addr := c.addr
	if node != anyNode {
		known, ok := c.nodes.Load(node)
		if !ok {
			return nil, false, kafkago.BrokerNotAvailable
		}
		addr = known.(net.Addr)
	}
	// A deadline is what frees the connection: without one, kafka-go goes on waiting for the
	// answer of a request that was cancelled.
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	m := &call{req: req, client: c}
	res, err = c.transport.RoundTrip(ctx, addr, m)
	if err == nil {
		res = res.(answer).Message
		if err := c.security.denied(m.req, res); err != nil {
			return nil, true, err
		}
		return res, true, nil
	}
	if c.ctx.Err() != nil {
		err = errors.Join(ErrClosed, err)
	}
	err = c.security.hint(err)
	return nil, !m.state.CompareAndSwap(callPending, callWithdrawn), err
}

// While the broker is expected to write a transaction's markers, how often it is asked whether it has.
const (
	markersDue  = 500 * time.Millisecond
	markersLook = 5 * time.Millisecond
)

// retry repeats fn while it fails with what may pass, for up to budget, waiting longer each time.
func (c *Client) retry(ctx context.Context, budget time.Duration, fn func(context.Context) error) error {
	started := time.Now()
	deadline := started.Add(budget)
	wait := 2 * time.Millisecond
	for {
		err := fn(ctx)
		if err == nil || !isTransient(err) {
			return err
		}
		// The last transaction's markers are still being written, which takes some milliseconds.
		// Were the waits to double, the next transaction would begin up to twice as late as it could.
		if isCode(err, kafkago.ConcurrentTransactions) && time.Since(started) < markersDue {
			wait = min(wait, markersLook)
		}
		if time.Until(deadline) < wait {
			return err
		}
		if !sleep(ctx, wait) {
			return err
		}
		wait = min(2*wait, 500*time.Millisecond)
	}
}

// sleep waits for d and tells whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func bootstrap(brokers []string) net.Addr { return kafkago.TCP(slices.Clone(brokers)...) }

// connTracker knows all open connections, so that Close leaves none behind.
type connTracker struct {
	// Of tests: make connections unreliable.
	wrap   func(net.Conn) net.Conn
	refuse func() bool

	secure func(ctx context.Context, conn net.Conn, address string) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

func (t *connTracker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	// kafka-go joins the networks of several bootstrap addresses with commas.
	network, _, _ = strings.Cut(network, ",")
	if t.refuse != nil && t.refuse() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tracked, err := t.track(conn)
	if err != nil {
		return nil, err
	}
	secured, err := t.secure(ctx, tracked, address)
	if err != nil {
		_ = tracked.Close()
		return nil, err
	}
	return secured, nil
}

func (t *connTracker) track(conn net.Conn) (net.Conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = conn.Close()
		return nil, ErrClosed
	}
	if t.wrap != nil {
		conn = t.wrap(conn)
	}
	tracked := &trackedConn{Conn: conn, tracker: t}
	t.conns[tracked] = struct{}{}
	return tracked, nil
}

func (t *connTracker) closeAll() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.closeOpen()
}

func (t *connTracker) closeOpen() {
	t.mu.Lock()
	conns := make([]net.Conn, 0, len(t.conns))
	for conn := range t.conns {
		conns = append(conns, conn)
	}
	t.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

type trackedConn struct {
	net.Conn
	tracker *connTracker
}

func (c *trackedConn) Close() error {
	c.tracker.mu.Lock()
	delete(c.tracker.conns, c)
	c.tracker.mu.Unlock()
	return c.Conn.Close()
}

var errNoAnswer = fault.Outagef("kafka: the answer lacks what was asked for")
