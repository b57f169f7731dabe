package tserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/gateway"
	"github.com/ringback/ringback/pkg/kvlist"
	"github.com/ringback/ringback/pkg/servertls"
	"github.com/ringback/ringback/services/tserver"
)

// certificate is one of its own authority, which the file is besides.
func certificate(t *testing.T) (cfg servertls.Config, authority string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	cfg = servertls.Config{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	require.NoError(t, os.WriteFile(cfg.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(cfg.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return cfg, cfg.CertFile
}

// The gateway is met over TLS, with a token, by the client of the sink; without the authority it is not trusted, and
// nothing is sent to it.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	pair, authority := certificate(t)
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("secret\n"), 0o600))
	s := start(t, tserver.Config{Addr: "127.0.0.1:0", Log: filepath.Join(t.TempDir(), "tserver.log"), TokenFile: token, TLS: pair})
	send := func(cfg gateway.Config) error {
		cfg.URL = s.URL()
		require.Contains(t, cfg.URL, "https://")
		client, err := gateway.New(cfg)
		require.NoError(t, err)
		defer client.Close()
		_, err = client.Distribute(t.Context(), gateway.UserEvent{Switch: "S", DN: "REPORTING", ReferenceID: 1, UserData: []kvlist.Pair{kvlist.Str("_CB_SERVICE_ID", "S-1")}})
		return err
	}
	require.NoError(t, send(gateway.Config{CAFile: authority, TokenFile: token}))
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(send(gateway.Config{CAFile: authority})), "no token")
	err := send(gateway.Config{TokenFile: token})
	require.ErrorContains(t, err, "certificate")
	require.Equal(t, fault.Outage, fault.ClassOf(err))
}
