package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Proxies makes proxies that run in this process.
type Proxies struct{ server *toxiproxy.ApiServer }

// NewProxies returns a maker of proxies.
func NewProxies() *Proxies {
	return &Proxies{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.New(io.Discard))}
}

// Proxy stands before a part and gets its connections wrong on demand.
type Proxy struct {
	Name string
	*toxiproxy.Proxy
}

// Start starts a proxy; an empty listen address is any free one.
func (p *Proxies) Start(name, listen, upstream string) (*Proxy, error) {
	if listen == "" {
		var err error
		if listen, err = FreeAddr(); err != nil {
			return nil, err
		}
	}
	proxy := &Proxy{Name: name, Proxy: toxiproxy.NewProxy(p.server, name, listen, upstream)}
	if err := proxy.Proxy.Start(); err != nil {
		return nil, fmt.Errorf("process: proxy %s: %w", name, err)
	}
	return proxy, nil
}

// Cut closes every connection and takes no new one.
func (p *Proxy) Cut() { p.Stop() }

// Mend takes connections again.
func (p *Proxy) Mend() error {
	if err := p.Proxy.Start(); err != nil {
		return fmt.Errorf("process: proxy %s: %w", p.Name, err)
	}
	return nil
}

// Toxic is something that a proxy gets wrong; see toxiproxy's documents for the types and their attributes.
type Toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"` // upstream or downstream
	Toxicity   float32        `json:"toxicity"`
	Attributes map[string]any `json:"attributes"`
}

// Poison adds the toxic; Heal removes all.
func (p *Proxy) Poison(t Toxic) error {
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	if _, err := p.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		return fmt.Errorf("process: proxy %s: %w", p.Name, err)
	}
	return nil
}

// Heal removes all toxics.
func (p *Proxy) Heal(ctx context.Context) { p.Toxics.ResetToxics(ctx) }
