package producer_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/servertls"
	"github.com/ringback/ringback/services/producer"
)

func certificate(t *testing.T) (servertls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	cfg := servertls.Config{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(cfg.CertFile, text, 0o600))
	require.NoError(t, os.WriteFile(cfg.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(text))
	return cfg, pool
}

// running runs the server until the test ends.
func running(t *testing.T, change func(*producer.Config, *producer.Deps)) *bundle {
	t.Helper()
	b := setup(t, change)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- b.server.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-ran) })
	return b
}

func TestEventsOverTLS(t *testing.T) {
	t.Parallel()
	files, pool := certificate(t)
	b := running(t, func(c *producer.Config, _ *producer.Deps) { c.TLS = files })
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Post("https://"+b.server.Addr().String()+"/v1/events", structured, strings.NewReader(event("e1", "")))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	require.Equal(t, 2, res.ProtoMajor)
	plain, err := send(t, b, event("e2", ""))
	if err == nil { // the library answers who speaks no TLS in plain text
		require.Equal(t, http.StatusBadRequest, plain.StatusCode)
	}
	require.Equal(t, []string{"e1"}, b.publisher.ids())
}

// Whoever sends slowly, or without end, holds a connection for the bounds that are set, and no longer.
func TestSlowAndEndlessRequestsAreCutOff(t *testing.T) {
	t.Parallel()
	b := running(t, func(c *producer.Config, _ *producer.Deps) {
		c.ReadHeaderTimeout, c.ReadTimeout, c.IdleTimeout, c.MaxHeader = 50*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond, 4096
		c.AckTimeout, c.WriteTimeout, c.MaxBody = time.Second, 2*time.Second, 1000
	})
	const line = "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: " + structured + "\r\n"
	for name, c := range map[string]struct {
		sent string
		want string // the status; empty: the connection ends without an answer
	}{
		"no header":                 {"", ""},
		"half a header":             {line, ""},
		"an endless header":         {line + "X-Long: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431"},
		"half a body":               {line + "Content-Length: 100\r\n\r\n{", "400"},
		"a body that is announced":  {line + fmt.Sprintf("Content-Length: %d\r\n\r\n", 1<<40), "413"},
		"a body without an end":     {line + "Transfer-Encoding: chunked\r\n\r\n400\r\n" + strings.Repeat("x", 1024) + "\r\n", "413"},
		"two lengths":               {line + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", "400"},
		"a length and chunks":       {line + "Content-Length: 2\r\nTransfer-Encoding: gzip\r\n\r\n{}", "501"},
		"a request after the first": {line + "Content-Length: 1\r\n\r\nx", "400"},
	} {
		conn, err := net.Dial("tcp", b.server.Addr().String())
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		go func() { _, _ = io.WriteString(conn, c.sent) }() // the server may end the connection before it has read all
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if c.want == "" {
			require.Error(t, err, name)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, name)
		} else {
			require.NoError(t, err, name)
			require.Equal(t, c.want, fmt.Sprint(answer.StatusCode), name)
			_, err = io.Copy(io.Discard, answer.Body)
			require.NoError(t, err, name)
			_, err = conn.Read(make([]byte, 1))
			require.Error(t, err, name)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, name)
		}
		require.NoError(t, conn.Close())
	}
	require.Empty(t, b.publisher.ids())
}
