package registry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config says where the registry is. The tags are go-envconfig's.
type Config struct {
	// URL is the address below which /subjects lies; several are separated by commas, and asked in turn.
	URL string `env:"URL, default=http://localhost:8081"`
	// Username is who the client is, by HTTP basic authentication.
	Username string `env:"USERNAME" empty:"no authentication"`
	// PasswordFile holds the password of [Username] and nothing else; the line's end does not count.
	PasswordFile string `env:"PASSWORD_FILE" empty:"refused with [Username]"`
	// CAFile holds the authorities that the registry's certificate may come from, in PEM.
	CAFile string `env:"CA_FILE" empty:"the system's authorities"`
	// Timeout bounds one request to one address.
	Timeout time.Duration `env:"TIMEOUT, default=5s"`
}

// Faults returns all faults of the configuration; each names its variable.
func (cfg Config) Faults() []error {
	_, faults := cfg.addresses()
	if _, err := cfg.authorities(); err != nil {
		faults = append(faults, err)
	}
	switch {
	case cfg.Username == "" && cfg.PasswordFile != "":
		faults = append(faults, errors.New("REGISTRY_PASSWORD_FILE: is given without REGISTRY_USERNAME: it would not be used"))
	case cfg.Username != "" && cfg.PasswordFile == "":
		faults = append(faults, errors.New("REGISTRY_PASSWORD_FILE: is required with REGISTRY_USERNAME"))
	case cfg.Username != "":
		if _, err := cfg.password(); err != nil {
			faults = append(faults, err)
		}
	}
	if cfg.Timeout < 0 {
		faults = append(faults, fmt.Errorf("REGISTRY_TIMEOUT: must not be negative, is %s", cfg.Timeout))
	}
	return faults
}

// addresses reads the list of URLs. One that could never be asked is told now: later it would look like
// an outage.
func (cfg Config) addresses() (urls []string, faults []error) {
	for text := range strings.SplitSeq(cfg.URL, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		// sr would print it in the text of every failure (invariant 10).
		if strings.ContainsRune(text, '@') {
			faults = append(faults, errors.New("REGISTRY_URL: credentials do not belong into it: use REGISTRY_USERNAME and REGISTRY_PASSWORD_FILE"))
			continue
		}
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			faults = append(faults, fmt.Errorf("REGISTRY_URL: %q is not of the form http://host:port", text))
			continue
		}
		urls = append(urls, text)
	}
	if len(urls) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("REGISTRY_URL: no address given"))
	}
	return urls, faults
}

// authorities is whom to trust; nil is the system's.
func (cfg Config) authorities() (*x509.CertPool, error) {
	if cfg.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("REGISTRY_CA_FILE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("REGISTRY_CA_FILE: %s holds no certificate in PEM", cfg.CAFile)
	}
	return pool, nil
}

func (cfg Config) password() (string, error) {
	text, err := os.ReadFile(cfg.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("REGISTRY_PASSWORD_FILE: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("REGISTRY_PASSWORD_FILE: %s is empty", cfg.PasswordFile)
	}
	return password, nil
}
