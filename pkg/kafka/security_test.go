package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/deleteacls"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka/acl"
	"github.com/ringback/ringback/pkg/topic"
)

// serverTLS is the broker's end: its certificate, and whether it asks for one.
func (a *authority) serverTLS(clientAuth tls.ClientAuthType) *tls.Config {
	a.certificate("broker", -time.Minute, time.Hour)
	cert, err := tls.LoadX509KeyPair(a.file("broker.crt"), a.file("broker.key"))
	require.NoError(a, err)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: clientAuth, ClientCAs: pool}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.certificate("client", -time.Minute, time.Hour)
	for name, tc := range map[string]struct {
		broker []kfake.Opt
		client func(*Config)
	}{
		"PLAIN": {
			[]kfake.Opt{kfake.TLS(a.serverTLS(tls.NoClientCert)), kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "pencil")},
			func(cfg *Config) { cfg.TLS.Enabled, cfg.SASL.Mechanism = true, "PLAIN" },
		},
		"SCRAM-SHA-256": {
			[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "u", "pencil")},
			func(cfg *Config) { cfg.SASL.Mechanism = "SCRAM-SHA-256" },
		},
		"SCRAM-SHA-512": {
			[]kfake.Opt{kfake.TLS(a.serverTLS(tls.NoClientCert)), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "u", "pencil")},
			func(cfg *Config) { cfg.TLS.Enabled, cfg.SASL.Mechanism = true, "SCRAM-SHA-512" },
		},
		"certificate": {
			[]kfake.Opt{kfake.TLS(a.serverTLS(tls.RequireAndVerifyClientCert))},
			func(cfg *Config) {
				cfg.TLS = TLS{Enabled: true, CertFile: a.file("client.crt"), KeyFile: a.file("client.key")}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, tc.broker...)
			c := newClient(t, b.ListenAddrs(), func(cfg *Config) {
				tc.client(cfg)
				if cfg.TLS.Enabled {
					cfg.TLS.CAFile = a.file("ca.crt")
				}
				if cfg.SASL.Mechanism != "" {
					cfg.SASL.Username, cfg.SASL.Password = "u", NewSecret("pencil")
				}
			})
			require.NoError(t, c.EnsureTopics(t.Context(), topic.Specs(1, 1)))
			require.NoError(t, c.CheckAccess(t.Context(), acl.Enricher("g", true)))
			joined, leave := context.WithCancel(t.Context())
			require.NoError(t, c.RunGroup(joined, GroupConfig{ID: "g", Topics: []string{topic.Lifecycle}, OnJoin: func(int) { leave() }},
				func(context.Context, Generation, string, int32) error { return nil }))
			require.Error(t, joined.Err())
		})
	}
}

func TestRefusedLoginIsAMisconfiguration(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	other.certificate("client", -time.Minute, time.Hour)
	asks := newFake(t, kfake.TLS(a.serverTLS(tls.RequireAndVerifyClientCert)))
	sasl := newFake(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "u", "pencil"))
	for name, tc := range map[string]struct {
		broker *kfake.Cluster
		cfg    Config
		class  fault.Class
		want   string
	}{
		"no certificate":       {asks, Config{TLS: TLS{Enabled: true, CAFile: a.file("ca.crt")}}, fault.Misconfiguration, "KAFKA_TLS_CERT_FILE is not given"},
		"another's":            {asks, Config{TLS: TLS{Enabled: true, CAFile: a.file("ca.crt"), CertFile: other.file("client.crt"), KeyFile: other.file("client.key")}}, fault.Misconfiguration, "the broker refuses the certificate"},
		"an unknown broker":    {asks, Config{TLS: TLS{Enabled: true, CAFile: other.file("ca.crt")}}, fault.Misconfiguration, "unknown authority"},
		"another name":         {asks, Config{TLS: TLS{Enabled: true, CAFile: a.file("ca.crt"), ServerName: "kafka"}}, fault.Misconfiguration, "kafka"},
		"another mechanism":    {sasl, Config{SASL: SASL{Mechanism: "SCRAM-SHA-512", Username: "u", Password: NewSecret("pencil")}}, fault.Outage, "hung up"},
		"not logged in at all": {sasl, Config{}, fault.Outage, "does the listener want TLS (KAFKA_TLS) or SASL (KAFKA_SASL_MECHANISM)?"},
		// This broker hangs up; docs/kafka-security.md tells what Apache Kafka does.
		"a wrong password": {sasl, Config{SASL: SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: NewSecret("wrong")}}, fault.Outage, "user or password are wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.cfg.Brokers, tc.cfg.RequestTimeout = tc.broker.ListenAddrs(), 3*time.Second
			c, err := New(tc.cfg)
			require.NoError(t, err)
			t.Cleanup(c.Close)
			_, err = c.Partitions(t.Context(), "t")
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, tc.class, fault.ClassOf(err), "%v", err)
		})
	}
}

// Each connection is made with what the files hold then; files that are no good leave the former.
func TestFilesAreLookedAtAgain(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.certificate("client", -time.Minute, time.Hour)
	s := newSecurity(Config{
		TLS:  TLS{Enabled: true, CAFile: a.file("ca.crt"), CertFile: a.file("client.crt"), KeyFile: a.file("client.key")},
		SASL: SASL{Mechanism: "SCRAM-SHA-256", Username: "u", PasswordFile: a.file("password")},
	})
	shown := func() *x509.Certificate {
		cert, err := s.tls.current().GetClientCertificate(nil)
		require.NoError(t, err)
		return cert.Leaf
	}
	touched := time.Now()
	touch := func() { // later than the last time, however coarse the file system's clock
		touched = touched.Add(time.Minute)
		for _, name := range []string{"ca.crt", "client.crt", "client.key"} {
			require.NoError(t, os.Chtimes(a.file(name), touched, touched))
		}
	}
	first := shown()
	a.put("client.key", "half of it")
	touch()
	require.Equal(t, first, shown())
	a.certificate("client", -time.Hour, -time.Minute)
	touch()
	require.Equal(t, first, shown(), "the new one has expired")
	a.certificate("client", -time.Minute, time.Hour)
	touch()
	second := shown()
	require.NotEqual(t, first.SerialNumber, second.SerialNumber)
	require.Same(t, second, shown(), "read once")

	_, err := s.sasl.current()
	require.ErrorContains(t, err, "KAFKA_SASL_PASSWORD_FILE")
	a.put("password", "one")
	one, err := s.sasl.current()
	require.NoError(t, err)
	a.put("password", "")
	same, err := s.sasl.current()
	require.NoError(t, err)
	require.Same(t, one, same)
	a.put("password", "two")
	two, err := s.sasl.current()
	require.NoError(t, err)
	require.NotSame(t, one, two)
}

// A connection that is never answered is given up after the dial's time-out.
func TestSilentBrokerIsAnOutage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	c := newClient(t, []string{l.Addr().String()}, func(cfg *Config) {
		cfg.TLS.Enabled, cfg.DialTimeout, cfg.RequestTimeout = true, 50*time.Millisecond, 200*time.Millisecond
	})
	_, err = c.Partitions(t.Context(), "t")
	require.Equal(t, fault.Outage, fault.ClassOf(err), "%v", err)
}

func allowed(rights ...acl.Right) (acls []kfake.ACL) {
	for _, r := range rights {
		pattern := kmsg.ACLResourcePatternTypeLiteral
		if r.Prefix {
			pattern = kmsg.ACLResourcePatternTypePrefixed
		}
		acls = append(acls, kfake.ACL{Resource: kmsg.ACLResourceType(r.Resource), Name: r.Name, Pattern: pattern, Operation: kmsg.ACLOperation(r.Operation), Allow: true})
	}
	return acls
}

// guarded is a broker that asks for rights, and its topics; connect logs in.
func guarded(t *testing.T, rights ...acl.Right) (connect func(user string) *Client) {
	t.Helper()
	b := newFake(t, kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("SCRAM-SHA-256", "admin", "pencil"), kfake.User("SCRAM-SHA-256", "u", "pencil", allowed(rights...)...))
	connect = func(user string) *Client {
		return newClient(t, b.ListenAddrs(), func(cfg *Config) {
			cfg.SASL = SASL{Mechanism: "SCRAM-SHA-256", Username: user, Password: NewSecret("pencil")}
		})
	}
	require.NoError(t, connect("admin").EnsureTopics(t.Context(), topic.Specs(1, 1)))
	return connect
}

func TestCheckAccessNamesAllThatIsMissing(t *testing.T) {
	t.Parallel()
	write := acl.Right{Operation: acl.Write, Resource: acl.Topic, Name: topic.Lifecycle}
	c := guarded(t, write)("u")
	err := c.CheckAccess(t.Context(), acl.Enricher("g", true))
	require.EqualError(t, err, "kafka: not authorized: READ on group g, WRITE on transactional-ids that begin with g-, READ on topic callback.lifecycle.v1, "+
		"DESCRIBE_CONFIGS on topic callback.lifecycle.v1, READ on topic callback.sessions.v1, WRITE on topic callback.sessions.v1, "+
		"DESCRIBE_CONFIGS on topic callback.sessions.v1, WRITE on topic callback.userevents.v1, DESCRIBE_CONFIGS on topic callback.userevents.v1, "+
		"WRITE on topic callback.attached-data.v1, DESCRIBE_CONFIGS on topic callback.attached-data.v1, WRITE on topic callback.deadletters.v1 (principal User:u)")
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	require.NoError(t, c.CheckAccess(t.Context(), acl.Producer()))
}

// Where the cluster does not tell what a client may do, and where it has no authorizer.
func TestCheckAccessWithoutAnswer(t *testing.T) {
	t.Parallel()
	open := newFake(t, kfake.SeedTopics(1, topic.Lifecycle))
	require.NoError(t, newClient(t, open.ListenAddrs()).CheckAccess(t.Context(), acl.Enricher("g", true)))
	old := newFake(t, kfake.SeedTopics(1, topic.Lifecycle))
	old.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		old.KeepControl()
		res := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.FindCoordinator, kmsg.DescribeGroups, kmsg.ApiVersions} {
			res.ApiKeys = append(res.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key.Int16(), MaxVersion: 2})
		}
		return res, nil, true
	})
	require.NoError(t, newClient(t, old.ListenAddrs()).CheckAccess(t.Context(), acl.Enricher("g", true)))
}

// Each request that is refused names what it would have taken.
func TestRefusalsNameTheRight(t *testing.T) {
	t.Parallel()
	describe := func(kind acl.Resource, name string) acl.Right {
		return acl.Right{Operation: acl.Describe, Resource: kind, Name: name}
	}
	ctx := t.Context()
	connect := guarded(t, describe(acl.Topic, topic.Lifecycle), describe(acl.Group, "g"), describe(acl.TransactionalID, "x"))
	c := connect("u")
	producer := newProducer(t, c, ProducerConfig{})
	rec := Record{Topic: topic.Lifecycle, Partition: 0, Value: []byte("v")}
	for want, do := range map[string]func() error{
		"DESCRIBE on topic callback.sessions.v1": func() error { _, err := c.Offsets(ctx, topic.Sessions); return err },
		"READ on topic callback.lifecycle.v1":    func() error { _, err := c.Fetch(ctx, FetchRequest{Topic: topic.Lifecycle}); return err },
		"CREATE on topic other": func() error {
			_, _, err := c.do(ctx, anyNode, &createtopics.Request{Topics: []createtopics.RequestTopic{newTopicRequest(topic.Spec{Name: "other", Partitions: 1, Replication: 1})}, TimeoutMs: 1000})
			return err
		},
		"IDEMPOTENT_WRITE on the cluster":     func() error { return producer.Produce(ctx, []Record{rec})[0].Err },
		"WRITE on transactional-id x":         func() error { _, err := c.NewTransactor(ctx, "x"); return err },
		"DESCRIBE on transactional-id y":      func() error { _, err := c.NewTransactor(ctx, "y"); return err },
		"DESCRIBE on group h":                 func() error { _, _, err := c.CommittedOffset(ctx, "h", topic.Lifecycle, 0); return err },
		"READ on group g":                     func() error { return c.RunGroup(ctx, GroupConfig{ID: "g", Topics: []string{topic.Lifecycle}}, nil) },
		"DESCRIBE on topic callback.other.v1": func() error { return c.EnsureTopics(ctx, []topic.Spec{{Name: "callback.other.v1"}}) },
	} {
		err := do()
		require.ErrorContains(t, err, "not authorized: "+want+" (principal User:u)")
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	}
}

// What was granted and is taken away is an outage, said at once and not waited for out of sight.
func TestRevokedRightIsAnOutage(t *testing.T) {
	t.Parallel()
	connect := guarded(t, acl.Producer()...)
	c, admin := connect("u"), connect("admin")
	require.NoError(t, c.CheckAccess(t.Context(), acl.Producer()))
	p := newProducer(t, c, ProducerConfig{})
	rec := Record{Topic: topic.Lifecycle, Partition: 0, Value: []byte("v")}
	require.NoError(t, p.Produce(t.Context(), []Record{rec})[0].Err)
	_, _, err := admin.do(t.Context(), anyNode, &deleteacls.Request{Filters: []deleteacls.RequestFilter{{
		ResourceTypeFilter: int8(kafkago.ResourceTypeAny), ResourcePatternTypeFilter: int8(kafkago.PatternTypeAny), PrincipalFilter: "User:u",
		Operation: int8(kafkago.ACLOperationTypeAny), PermissionType: int8(kafkago.ACLPermissionTypeAny),
	}}})
	require.NoError(t, err)
	err = p.Produce(t.Context(), []Record{rec})[0].Err
	require.ErrorContains(t, err, "not authorized: WRITE on topic callback.lifecycle.v1 (principal User:u)")
	require.Equal(t, fault.Outage, fault.ClassOf(err))
	require.False(t, isTransient(err))
}
