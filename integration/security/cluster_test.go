//go:build realkafka

package security

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/kafka"
	"github.com/ringback/ringback/pkg/kafka/acl"
)

// cluster is the secured broker, as its administrator has it.
type cluster struct {
	dir   string
	admin *kafkago.Client
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	dir := os.Getenv("RINGBACK_KAFKA_SECURE")
	if dir == "" {
		t.Fatal("RINGBACK_KAFKA_SECURE is not set: start the broker with scripts/kafka-secure-up")
	}
	c := &cluster{dir: dir}
	cert, err := tls.LoadX509KeyPair(c.file("admin.crt"), c.file("admin.key"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(c.read(t, "ca.crt"))))
	transport := &kafkago.Transport{TLS: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	c.admin = &kafkago.Client{Addr: kafkago.TCP(c.address(t, "ssl")), Transport: transport, Timeout: 20 * time.Second}
	return c
}

func (c *cluster) file(name string) string { return filepath.Join(c.dir, name) }

func (c *cluster) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(c.file(name))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

func (c *cluster) address(t *testing.T, listener string) string { return c.read(t, listener) }

// password is how a user logs in over TLS by a mechanism.
func (c *cluster) password(t *testing.T, user, mechanism string) kafka.Config {
	t.Helper()
	return kafka.Config{
		Brokers: []string{c.address(t, "sasl_ssl")},
		TLS:     kafka.TLS{Enabled: true, CAFile: c.file("ca.crt")},
		SASL:    kafka.SASL{Mechanism: mechanism, Username: user, PasswordFile: c.file(user + ".password")},
	}
}

// certificate is how a user shows a certificate.
func (c *cluster) certificate(t *testing.T, user string) kafka.Config {
	t.Helper()
	return kafka.Config{
		Brokers: []string{c.address(t, "ssl")},
		TLS:     kafka.TLS{Enabled: true, CAFile: c.file("ca.crt"), CertFile: c.file(user + ".crt"), KeyFile: c.file(user + ".key")},
	}
}

func connect(t *testing.T, cfg kafka.Config) *kafka.Client {
	t.Helper()
	client, err := kafka.New(cfg)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// grant gives a user rights.
func (c *cluster) grant(ctx context.Context, t *testing.T, user string, rights ...acl.Right) {
	t.Helper()
	req := &kafkago.CreateACLsRequest{}
	for _, r := range rights {
		req.ACLs = append(req.ACLs, kafkago.ACLEntry{
			ResourceType: kafkago.ResourceType(r.Resource), ResourceName: r.Name, ResourcePatternType: pattern(r),
			Principal: "User:" + user, Host: "*", Operation: kafkago.ACLOperationType(r.Operation), PermissionType: kafkago.ACLPermissionTypeAllow,
		})
	}
	res, err := c.admin.CreateACLs(ctx, req)
	require.NoError(t, err)
	for _, err := range res.Errors {
		require.NoError(t, err)
	}
}

// revoke takes rights away, and requires that they were there.
func (c *cluster) revoke(ctx context.Context, t *testing.T, user string, rights ...acl.Right) {
	t.Helper()
	for _, r := range rights {
		require.Equal(t, 1, c.remove(ctx, t, kafkago.DeleteACLsFilter{
			ResourceTypeFilter: kafkago.ResourceType(r.Resource), ResourceNameFilter: r.Name, ResourcePatternTypeFilter: pattern(r),
			PrincipalFilter: "User:" + user, Operation: kafkago.ACLOperationType(r.Operation), PermissionType: kafkago.ACLPermissionTypeAllow,
		}), "%v", r)
	}
}

// strip takes all rights of a user away.
func (c *cluster) strip(ctx context.Context, t *testing.T, user string) {
	t.Helper()
	c.remove(ctx, t, kafkago.DeleteACLsFilter{
		ResourceTypeFilter: kafkago.ResourceTypeAny, ResourcePatternTypeFilter: kafkago.PatternTypeAny,
		PrincipalFilter: "User:" + user, Operation: kafkago.ACLOperationTypeAny, PermissionType: kafkago.ACLPermissionTypeAny,
	})
}

func (c *cluster) remove(ctx context.Context, t *testing.T, filter kafkago.DeleteACLsFilter) int {
	t.Helper()
	res, err := c.admin.DeleteACLs(ctx, &kafkago.DeleteACLsRequest{Filters: []kafkago.DeleteACLsFilter{filter}})
	require.NoError(t, err)
	n := 0
	for _, r := range res.Results {
		require.NoError(t, r.Error)
		n += len(r.MatchingACLs)
	}
	return n
}

func pattern(r acl.Right) kafkago.PatternType {
	if r.Prefix {
		return kafkago.PatternTypePrefixed
	}
	return kafkago.PatternTypeLiteral
}

// issue writes a certificate of the cluster's authority, or of one that nobody knows, and its key.
func (c *cluster) issue(t *testing.T, name string, known bool, notAfter time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{Organization: []string{"Ringback"}, CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: notAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	signer, parent := any(key), template
	if known {
		pair, err := tls.LoadX509KeyPair(c.file("ca.crt"), c.file("ca.key"))
		require.NoError(t, err)
		signer, parent = pair.PrivateKey, pair.Leaf
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return certFile, keyFile
}
