package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/config"
	"github.com/ringback/ringback/pkg/fault"
)

// authority issues certificates into files.
type authority struct {
	testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	a := &authority{TB: t, dir: t.TempDir()}
	der, key := a.issue("ca", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	a.write("ca", der, key)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(name string, from, to time.Time) (der []byte, key *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: a.cert == nil, BasicConstraintsValid: true,
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err = x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(a, err)
	if a.cert == nil {
		a.key = key
		a.cert, err = x509.ParseCertificate(der)
		require.NoError(a, err)
	}
	return der, key
}

func (a *authority) write(name string, der []byte, key *ecdsa.PrivateKey) {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a, err)
	a.put(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	a.put(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func (a *authority) put(name, text string) {
	require.NoError(a, os.WriteFile(a.file(name), []byte(text), 0o600))
}

// certificate writes NAME.crt and NAME.key.
func (a *authority) certificate(name string, from, to time.Duration) {
	der, key := a.issue(name, time.Now().Add(from), time.Now().Add(to))
	a.write(name, der, key)
}

func TestSecurityFaultsAreNamedTogether(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.certificate("good", -time.Minute, time.Hour)
	a.certificate("other", -time.Minute, time.Hour)
	a.certificate("expired", -time.Hour, -time.Minute)
	a.certificate("future", time.Minute, time.Hour)
	a.put("junk", "junk")
	a.put("empty", "\n")
	a.put("password", "pencil\r\n")
	a.put("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n")
	withTLS := func(t TLS) Config { t.Enabled = true; return Config{TLS: t} }
	pair := func(cert, key string) Config { return withTLS(TLS{CertFile: a.file(cert), KeyFile: a.file(key)}) }
	for name, tc := range map[string]struct {
		cfg  Config
		want []string // nil: it is sound
	}{
		"nothing":                 {Config{}, nil},
		"TLS":                     {withTLS(TLS{}), nil},
		"an authority of its own": {withTLS(TLS{CAFile: a.file("ca.crt")}), nil},
		"a certificate":           {pair("good.crt", "good.key"), nil},
		"SCRAM":                   {Config{SASL: SASL{Mechanism: "SCRAM-SHA-512", Username: "u", PasswordFile: a.file("password")}}, nil},
		"PLAIN, allowed in the clear": {
			Config{SASL: SASL{Mechanism: "PLAIN", Username: "u", Password: NewSecret("pencil"), AllowCleartext: true}}, nil,
		},
		"PLAIN in the clear": {
			Config{SASL: SASL{Mechanism: "PLAIN", Username: "u", Password: NewSecret("pencil")}}, []string{"KAFKA_SASL_MECHANISM: PLAIN sends the password in the clear"},
		},
		"TLS settings, TLS off": {
			Config{TLS: TLS{CAFile: "a", CertFile: "b", KeyFile: "c", ServerName: "d"}},
			[]string{"KAFKA_TLS_CA_FILE: is given although", "KAFKA_TLS_CERT_FILE: is given although", "KAFKA_TLS_KEY_FILE: is given although", "KAFKA_TLS_SERVER_NAME: is given although"},
		},
		"SASL settings, SASL off": {
			Config{SASL: SASL{Username: "u", Password: NewSecret("pencil"), PasswordFile: "f"}},
			[]string{"KAFKA_SASL_USERNAME: is given although", "KAFKA_SASL_PASSWORD: is given although", "KAFKA_SASL_PASSWORD_FILE: is given although"},
		},
		"all wrong": {
			Config{TLS: TLS{Enabled: true, CAFile: a.file("absent"), CertFile: a.file("absent.crt")}, SASL: SASL{Mechanism: "GSSAPI"}},
			[]string{"KAFKA_BROKERS", "KAFKA_TLS_CA_FILE: open", "KAFKA_TLS_KEY_FILE: is required", `KAFKA_SASL_MECHANISM: "GSSAPI" is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512`, "KAFKA_SASL_USERNAME: is required", "KAFKA_SASL_PASSWORD_FILE: is required"},
		},
		"two passwords":                     {Config{SASL: SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: NewSecret("pencil"), PasswordFile: "f"}}, []string{"KAFKA_SASL_PASSWORD: is given and so is"}},
		"no password in the file":           {Config{SASL: SASL{Mechanism: "SCRAM-SHA-256", Username: "u", PasswordFile: a.file("empty")}}, []string{"empty is empty"}},
		"no password file":                  {Config{SASL: SASL{Mechanism: "SCRAM-SHA-256", Username: "u", PasswordFile: a.file("absent")}}, []string{"KAFKA_SASL_PASSWORD_FILE: open"}},
		"a password that SCRAM forbids":     {Config{SASL: SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: NewSecret("pencil\x01")}}, []string{"characters that SCRAM forbids"}},
		"no certificate among authorities":  {withTLS(TLS{CAFile: a.file("junk")}), []string{"KAFKA_TLS_CA_FILE", "holds no certificate"}},
		"authorities that have all expired": {withTLS(TLS{CAFile: a.file("expired.crt")}), []string{"none of its certificates is valid now"}},
		"key without certificate":           {withTLS(TLS{KeyFile: a.file("good.key")}), []string{"KAFKA_TLS_CERT_FILE: is required"}},
		"files that are absent":             {pair("absent.crt", "absent.key"), []string{"KAFKA_TLS_CERT_FILE: open", "KAFKA_TLS_KEY_FILE: open"}},
		"another certificate's key":         {pair("good.crt", "other.key"), []string{"private key does not match"}},
		"junk for a certificate":            {pair("junk", "good.key"), []string{"KAFKA_TLS_CERT_FILE", "junk"}},
		"junk for a key":                    {pair("good.crt", "junk"), []string{"KAFKA_TLS_KEY_FILE", "junk"}},
		"an encrypted key":                  {pair("good.crt", "encrypted.key"), []string{"KAFKA_TLS_KEY_FILE", "is encrypted"}},
		"an expired certificate":            {pair("expired.crt", "expired.key"), []string{"expired.crt: expired at"}},
		"a certificate of the future":       {pair("future.crt", "future.key"), []string{"not valid before"}},
	} {
		t.Run(name, func(t *testing.T) {
			if len(tc.want) == 0 || tc.want[0] != "KAFKA_BROKERS" {
				tc.cfg.Brokers = []string{"a:1"}
			}
			err := tc.cfg.Validate()
			if tc.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, fault.Misconfiguration, fault.ClassOf(err))
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "pencil") // invariant 10
		})
	}
}

func TestSecurityIsConfiguredByTheEnvironment(t *testing.T) {
	t.Parallel()
	var settings struct {
		Kafka Config `env:", prefix=KAFKA_"`
	}
	err := config.Load(t.Context(), config.Environment{
		"KAFKA_BROKERS": "a:1", "KAFKA_TLS": "true", "KAFKA_TLS_CA_FILE": "ca", "KAFKA_TLS_CERT_FILE": "crt", "KAFKA_TLS_KEY_FILE": "key", "KAFKA_TLS_SERVER_NAME": "name",
		"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "pencil", "KAFKA_SASL_PASSWORD_FILE": "file", "KAFKA_SASL_ALLOW_CLEARTEXT": "true",
	}, []string{"KAFKA_"}, &settings)
	for _, want := range []string{"KAFKA_TLS_CA_FILE: open ca", "KAFKA_TLS_CERT_FILE: open crt", "KAFKA_TLS_KEY_FILE: open key", "KAFKA_SASL_PASSWORD: is given and so is"} {
		require.ErrorContains(t, err, want) // all that it is told is looked at
	}
	require.NotContains(t, err.Error(), "pencil") // invariant 10
	require.Equal(t, TLS{Enabled: true, CAFile: "ca", CertFile: "crt", KeyFile: "key", ServerName: "name"}, settings.Kafka.TLS)
	require.Equal(t, SASL{Mechanism: "PLAIN", Username: "u", Password: NewSecret("pencil"), PasswordFile: "file", AllowCleartext: true}, settings.Kafka.SASL)
}

// A secret is printed nowhere, however it is looked at (invariant 10).
func TestSecretDoesNotPrint(t *testing.T) {
	t.Parallel()
	cfg := Config{Brokers: []string{"127.0.0.1:1"}, SASL: SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: NewSecret("pencil")}}
	client, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	_, err = client.security.sasl.current()
	require.NoError(t, err)
	clear := newSecurity(Config{SASL: SASL{Mechanism: "PLAIN", Username: "u", Password: NewSecret("pencil")}})
	_, err = clear.sasl.current()
	require.NoError(t, err)
	var printed strings.Builder
	for _, v := range []any{clear, clear.sasl, cfg, &cfg, cfg.SASL, cfg.SASL.Password, []Secret{cfg.SASL.Password}, struct{ s Secret }{cfg.SASL.Password}, client.cfg, client.security, client.security.sasl} {
		fmt.Fprintf(&printed, "%v %+v %#v %s %q\n", v, v, v, v, v)
	}
	text, err := json.Marshal(cfg)
	require.NoError(t, err)
	printed.Write(text)
	slog.New(slog.NewJSONHandler(&printed, nil)).InfoContext(context.Background(), "", "cfg", cfg, "password", cfg.SASL.Password)
	slog.New(slog.NewTextHandler(&printed, nil)).InfoContext(context.Background(), "", "cfg", cfg, "password", cfg.SASL.Password)
	require.False(t, strings.Contains(printed.String(), "pencil"), "it is printed")
	require.Equal(t, "pencil", cfg.SASL.Password.Reveal())
	require.Empty(t, Secret{}.Reveal())
}
