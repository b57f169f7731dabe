//go:build realkafka

package security

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"os"
	"path/filepath"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
	"github.com/ringback/ringback/pkg/topic"
)

// TestRealPasswordChange: a password that is changed at the cluster is an outage for whom it has let
// in, and over once the file has it.
func TestRealPasswordChange(t *testing.T) {
	c := newCluster(t)
	topics(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const user = "sink-infomart"
	needed := rights(t, user)
	c.grant(ctx, t, user, needed...)
	t.Cleanup(func() { c.strip(context.Background(), t, user) })

	former := c.read(t, user+".password")
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(former), 0o600))
	cfg := c.password(t, user, "SCRAM-SHA-512")
	cfg.SASL.PasswordFile = file
	client := connect(t, cfg)
	require.NoError(t, client.CheckAccess(ctx, needed))

	c.setPassword(ctx, t, user, "another")
	t.Cleanup(func() { c.setPassword(context.Background(), t, user, former) })
	refused := make(chan error, 1)
	joined := make(chan struct{})
	ended := make(chan error, 1)
	joining, leave := context.WithCancel(ctx)
	go func() {
		ended <- client.RunGroup(joining, kafka.GroupConfig{
			ID: "ringback-infomart", Topics: []string{topic.UserEvents}, JoinBackoff: 50 * time.Millisecond,
			OnJoin: func(int) { close(joined) },
			OnOutage: func(err error) {
				select {
				case refused <- err:
				default:
				}
			},
		}, func(ctx context.Context, _ kafka.Generation, _ string, _ int32) error { return nil })
	}()
	select {
	case err := <-refused:
		require.ErrorContains(t, err, "not let in as User:"+user+": SASL SCRAM-SHA-512: the broker refuses user or password")
		require.Equal(t, fault.Outage, fault.ClassOf(err))
	case err := <-ended:
		t.Fatal(err)
	}
	require.NoError(t, os.WriteFile(file, []byte("another\n"), 0o600))
	select {
	case <-joined:
	case <-ctx.Done():
		t.Fatal("the new password is not taken")
	}
	leave()
	require.NoError(t, <-ended)
}

// setPassword sets a SCRAM-SHA-512 password, as an administrator.
func (c *cluster) setPassword(ctx context.Context, t *testing.T, user, password string) {
	t.Helper()
	salt := []byte("a salt of its own")
	const iterations = 4096
	salted, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	require.NoError(t, err)
	res, err := c.admin.AlterUserScramCredentials(ctx, &kafkago.AlterUserScramCredentialsRequest{
		Upsertions: []kafkago.UserScramCredentialsUpsertion{{
			Name: user, Mechanism: kafkago.ScramMechanismSha512, Iterations: iterations, Salt: salt, SaltedPassword: salted,
		}},
	})
	require.NoError(t, err)
	for _, r := range res.Results {
		require.NoError(t, r.Error)
	}
}

// TestRealCertificateChange: the next connection shows the certificate that the files hold then.
func TestRealCertificateChange(t *testing.T) {
	c := newCluster(t)
	topics(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const group = "certificate-change"
	read := acl.Right{Operation: acl.Read, Resource: acl.Topic, Name: topic.UserEvents}
	c.grant(ctx, t, "operator", read)
	c.grant(ctx, t, "sink-infomart", read, acl.Right{Operation: acl.Read, Resource: acl.Group, Name: group})
	t.Cleanup(func() {
		c.strip(context.Background(), t, "operator")
		c.strip(context.Background(), t, "sink-infomart")
	})
	dir := t.TempDir()
	cfg := c.certificate(t, "operator")
	cfg.TLS.CertFile, cfg.TLS.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	show := func(user string) {
		require.NoError(t, os.WriteFile(cfg.TLS.CertFile, []byte(c.read(t, user+".crt")), 0o600))
		require.NoError(t, os.WriteFile(cfg.TLS.KeyFile, []byte(c.read(t, user+".key")), 0o600))
	}
	show("operator")
	client := connect(t, cfg)
	joining, leave := context.WithCancel(ctx)
	join := func() error {
		return client.RunGroup(joining, kafka.GroupConfig{
			ID: group, Topics: []string{topic.UserEvents}, OnJoin: func(int) { leave() }, OnOutage: func(err error) { t.Error(err) },
		}, func(ctx context.Context, _ kafka.Generation, _ string, _ int32) error { return nil })
	}
	err := join()
	require.ErrorContains(t, err, "not authorized: READ on group "+group+" (principal User:CN=operator,O=Ringback)")
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
	show("sink-infomart")
	require.NoError(t, join())
	require.Error(t, joining.Err(), "it has joined")
}
