package servertls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/servertls"
)

// issue writes a certificate of that serial number, and its key.
func issue(t *testing.T, cfg servertls.Config, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "ringback"}, NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cfg.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(cfg.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

func files(t *testing.T) servertls.Config {
	dir := t.TempDir()
	return servertls.Config{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
}

// shown is the serial number of the certificate that a server shows.
func shown(t *testing.T, l net.Listener, client net.Conn) int64 {
	t.Helper()
	c := tls.Client(client, &tls.Config{InsecureSkipVerify: true}) // the number tells who it is
	require.NoError(t, c.Handshake())
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// pipe is a listener of connections within the process, as a test with a clock of its own needs.
type pipe chan net.Conn

func (p pipe) Accept() (net.Conn, error) { return <-p, nil }
func (p pipe) Close() error              { return nil }
func (p pipe) Addr() net.Addr            { return &net.TCPAddr{} }

// A new certificate is shown to the next who connects; a bad one is told once, and the former stays.
func TestCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	cfg := files(t)
	issue(t, cfg, 1)
	synctest.Test(t, func(t *testing.T) {
		connections := make(pipe)
		var told []error
		l, err := cfg.Listen(connections, func(err error) { told = append(told, err) })
		require.NoError(t, err)
		connect := func() int64 {
			client, server := net.Pipe()
			defer client.Close()
			go func() {
				connections <- server
			}()
			c, err := l.Accept()
			require.NoError(t, err)
			go func() { _ = c.(*tls.Conn).Handshake(); _ = c.Close() }()
			return shown(t, l, client)
		}
		require.EqualValues(t, 1, connect())
		issue(t, cfg, 2)
		require.EqualValues(t, 1, connect(), "within a second the files are not looked at")
		time.Sleep(time.Second)
		require.EqualValues(t, 2, connect())

		require.NoError(t, os.WriteFile(cfg.KeyFile, []byte("no key"), 0o600))
		for range 3 {
			time.Sleep(time.Second)
			require.EqualValues(t, 2, connect())
		}
		require.Len(t, told, 1)
		require.Equal(t, fault.Misconfiguration, fault.ClassOf(told[0]))
		require.NotContains(t, told[0].Error(), "no key")
		require.NoError(t, os.Remove(cfg.CertFile))
		for range 3 {
			time.Sleep(time.Second)
			require.EqualValues(t, 2, connect())
		}
		require.Len(t, told, 2)
		issue(t, cfg, 3)
		time.Sleep(time.Second)
		require.EqualValues(t, 3, connect())
		require.Len(t, told, 2)
	})
}

func TestOldProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	cfg := files(t)
	issue(t, cfg, 1)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l, err := cfg.Listen(tcp, nil)
	require.NoError(t, err)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })}
	go func() { _ = server.Serve(l) }()
	defer func() { require.NoError(t, server.Close()) }()
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", tcp.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		require.Equal(t, ok, err == nil, "%x", version)
		if err == nil {
			require.NoError(t, c.Close())
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	require.Empty(t, (&servertls.Config{}).Faults("X_"))
	require.EqualError(t, (&servertls.Config{CertFile: "x"}).Faults("X_")[0], "X_TLS_KEY_FILE: is required with the certificate")
	require.EqualError(t, (&servertls.Config{KeyFile: "x"}).Faults("X_")[0], "X_TLS_CERT_FILE: is required with the key")
	cfg := files(t)
	require.ErrorContains(t, cfg.Faults("X_")[0], "X_TLS_CERT_FILE: tls: open")
	issue(t, cfg, 1)
	require.Empty(t, cfg.Faults("X_"))
}
