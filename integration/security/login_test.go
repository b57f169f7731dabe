//go:build realkafka

package security

import (
	"context"
	"errors"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/integration/process"
	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
	"github.com/ringback/ringback/pkg/topic"
)

// TestRealLogin logs in by every mechanism and over every kind of listener, and writes, joins a group
// and reads: kafka-go's group opens connections of its own.
func TestRealLogin(t *testing.T) {
	c := newCluster(t)
	topics(t, c)
	for name, cfg := range map[string]kafka.Config{
		"PLAIN over TLS":         c.password(t, "admin", "PLAIN"),
		"SCRAM-SHA-256 over TLS": c.password(t, "admin", "SCRAM-SHA-256"),
		"SCRAM-SHA-512 over TLS": c.password(t, "admin", "SCRAM-SHA-512"),
		"certificate":            c.certificate(t, "admin"),
		"SCRAM-SHA-256 in the clear": {
			Brokers: []string{c.address(t, "sasl_plaintext")},
			SASL:    kafka.SASL{Mechanism: "SCRAM-SHA-256", Username: "admin", Password: kafka.NewSecret(c.read(t, "admin.password"))},
		},
		"PLAIN in the clear, where that is allowed": {
			Brokers: []string{c.address(t, "sasl_plaintext")},
			SASL:    kafka.SASL{Mechanism: "PLAIN", Username: "admin", PasswordFile: c.file("admin.password"), AllowCleartext: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			client := connect(t, cfg)
			require.NoError(t, client.CheckAccess(ctx, acl.Producer()))
			producer := client.NewProducer(kafka.ProducerConfig{})
			defer func() { require.NoError(t, producer.Close(ctx)) }()
			wrote := producer.Produce(ctx, []kafka.Record{{Topic: topic.UserEvents, Partition: 0, Value: []byte(name)}})[0]
			require.NoError(t, wrote.Err)
			err := client.RunGroup(ctx, kafka.GroupConfig{ID: "login-" + name, Topics: []string{topic.UserEvents}},
				func(ctx context.Context, _ kafka.Generation, name string, partition int32) error {
					if partition != 0 {
						return nil
					}
					got, err := client.Fetch(ctx, kafka.FetchRequest{Topic: name, Offset: wrote.Offset, MaxWait: time.Second})
					if err == nil && len(got.Records) > 0 {
						err = errDone
					}
					return err
				})
			require.ErrorIs(t, err, errDone)
		})
	}
}

var errDone = fault.Misconfigf("done")

// TestRealRefusedLogin: whoever is not let in is told why, once, as a misconfiguration, and without
// the password.
func TestRealRefusedLogin(t *testing.T) {
	c := newCluster(t)
	wrong := kafka.NewSecret("not-the-password")
	with := func(cfg kafka.Config, change func(*kafka.Config)) kafka.Config {
		change(&cfg)
		return cfg
	}
	foreignCert, foreignKey := c.issue(t, "admin", false, time.Now().Add(time.Hour))
	for name, tc := range map[string]struct {
		cfg   kafka.Config
		class fault.Class
		want  string
	}{
		"PLAIN, wrong password": {
			with(c.password(t, "admin", "PLAIN"), func(cfg *kafka.Config) { cfg.SASL.PasswordFile, cfg.SASL.Password = "", wrong }),
			fault.Misconfiguration, "the broker refuses user or password",
		},
		"SCRAM-SHA-256, wrong password": {
			with(c.password(t, "admin", "SCRAM-SHA-256"), func(cfg *kafka.Config) { cfg.SASL.PasswordFile, cfg.SASL.Password = "", wrong }),
			fault.Misconfiguration, "the broker refuses user or password",
		},
		"SCRAM-SHA-512, unknown user": {
			with(c.password(t, "admin", "SCRAM-SHA-512"), func(cfg *kafka.Config) { cfg.SASL.Username = "nobody" }),
			fault.Misconfiguration, "the broker refuses user or password",
		},
		"SASL at a listener without": {
			with(c.password(t, "admin", "PLAIN"), func(cfg *kafka.Config) {
				cfg.Brokers, cfg.TLS = c.certificate(t, "admin").Brokers, c.certificate(t, "admin").TLS
			}),
			fault.Misconfiguration, "the listener takes no SASL",
		},
		"no certificate": {
			with(c.certificate(t, "admin"), func(cfg *kafka.Config) { cfg.TLS.CertFile, cfg.TLS.KeyFile = "", "" }),
			fault.Misconfiguration, "the broker asks for a certificate and KAFKA_TLS_CERT_FILE is not given",
		},
		"a certificate of an unknown authority": {
			with(c.certificate(t, "admin"), func(cfg *kafka.Config) { cfg.TLS.CertFile, cfg.TLS.KeyFile = foreignCert, foreignKey }),
			fault.Misconfiguration, "the broker refuses the certificate: remote error: tls:",
		},
		"a broker of an unknown authority": {
			with(c.password(t, "admin", "PLAIN"), func(cfg *kafka.Config) { cfg.TLS.CAFile = foreignCert }),
			fault.Misconfiguration, "certificate signed by unknown authority",
		},
		"a broker of another name": {
			with(c.password(t, "admin", "PLAIN"), func(cfg *kafka.Config) { cfg.TLS.ServerName = "kafka.example.org" }),
			fault.Misconfiguration, "not kafka.example.org",
		},
		// These look like a broker that is going down, and one must not give up on that.
		"TLS at a listener without": {
			with(c.password(t, "admin", "PLAIN"), func(cfg *kafka.Config) { cfg.Brokers = []string{c.address(t, "sasl_plaintext")} }),
			fault.Outage, "the listener speaks no TLS",
		},
		"no TLS at a listener with": {
			kafka.Config{Brokers: []string{c.address(t, "ssl")}},
			fault.Outage, "does the listener want TLS (KAFKA_TLS) or SASL (KAFKA_SASL_MECHANISM)?",
		},
		"no SASL at a listener with": {
			kafka.Config{Brokers: []string{c.address(t, "sasl_plaintext")}},
			fault.Outage, "does the listener want TLS (KAFKA_TLS) or SASL (KAFKA_SASL_MECHANISM)?",
		},
		"no SASL at a listener with, over TLS": {
			with(c.password(t, "admin", "PLAIN"), func(cfg *kafka.Config) { cfg.SASL = kafka.SASL{} }),
			fault.Outage, "does the listener want SASL (KAFKA_SASL_MECHANISM)?",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			tc.cfg.RequestTimeout, tc.cfg.DialTimeout = 4*time.Second, 4*time.Second
			client := connect(t, tc.cfg)
			err := client.CheckAccess(ctx, acl.Producer())
			t.Log(err)
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, tc.class, fault.ClassOf(err), "%v", err)
			require.NotContains(t, err.Error(), "not-the-password")          // invariant 10
			require.NotContains(t, err.Error(), c.read(t, "admin.password")) // invariant 10

			err = client.RunGroup(ctx, kafka.GroupConfig{ID: "refused", Topics: []string{topic.UserEvents}, OnOutage: func(error) { cancel() }}, nil)
			if tc.class == fault.Misconfiguration {
				require.ErrorContains(t, err, tc.want)
			}
		})
	}
}

// TestRealExpiredCertificate: one that was valid at the start.
func TestRealExpiredCertificate(t *testing.T) {
	c := newCluster(t)
	expires := time.Now().Add(3 * time.Second).Truncate(time.Second)
	cfg := c.certificate(t, "admin")
	cfg.TLS.CertFile, cfg.TLS.KeyFile = c.issue(t, "admin", true, expires)
	client := connect(t, cfg)
	require.Eventually(t, func() bool { return time.Now().After(expires.Add(time.Second)) }, time.Minute, 50*time.Millisecond)
	err := client.CheckAccess(t.Context(), acl.Producer())
	require.ErrorContains(t, err, "the broker refuses the certificate: remote error: tls:")
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
}

// topics makes the topics anew, as the administrator.
func topics(t *testing.T, c *cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var names []string
	for _, spec := range topic.Specs(1, 1) {
		names = append(names, spec.Name)
	}
	res, err := c.admin.DeleteTopics(ctx, &kafkago.DeleteTopicsRequest{Topics: names})
	require.NoError(t, err)
	for _, err := range res.Errors {
		if !errors.Is(err, kafkago.UnknownTopicOrPartition) {
			require.NoError(t, err)
		}
	}
	// Until the broker has let go of them it tells of the old ones, or refuses the new.
	require.NoError(t, process.Until(ctx, func() error {
		return connect(t, c.certificate(t, "admin")).EnsureTopics(ctx, topic.Specs(partitions, 1))
	}))
}

const partitions = 2
