package tserver

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ringback/ringback/pkg/tserverlog"
)

// Client is an application that is connected to the simulated T-Server. As configuration it is
// name@socket/id/address/dn+dn, the id in hexadecimal; what is left out from the right is empty.
type Client struct {
	Name    string // one word, such as Icon_Voice
	Socket  int
	ID      uint32
	Address string   // host:port
	DNs     []string // it is registered on; empty: on every DN
}

// Clients is a list of clients; as configuration they are separated by commas.
type Clients []Client

// EnvDecode implements envconfig.Decoder. An empty value leaves the default.
func (c *Client) EnvDecode(value string) error {
	if value == "" {
		return nil
	}
	name, rest, ok := strings.Cut(strings.TrimSpace(value), "@")
	if !ok {
		return fmt.Errorf("client %q: must be name@socket/id/address/dn+dn", value)
	}
	parts := strings.SplitN(rest, "/", 4)
	parts = append(parts, make([]string, 4-len(parts))...)
	socket, err := strconv.Atoi(parts[0])
	if err != nil {
		return fmt.Errorf("client %q: the socket must be a number", name)
	}
	parsed := Client{Name: name, Socket: socket, Address: parts[2]}
	if parts[1] != "" {
		id, err := strconv.ParseUint(parts[1], 16, 32)
		if err != nil {
			return fmt.Errorf("client %q: the id must have at most 8 hexadecimal digits", name)
		}
		parsed.ID = uint32(id)
	}
	if parts[3] != "" {
		parsed.DNs = strings.Split(parts[3], "+")
	}
	*c = parsed
	return nil
}

// EnvDecode implements envconfig.Decoder. An empty value leaves the default; "none" is no client at all.
func (c *Clients) EnvDecode(value string) error {
	if value == "" {
		return nil
	}
	parsed := Clients{}
	if value != "none" {
		for one := range strings.SplitSeq(value, ",") {
			var client Client
			if err := client.EnvDecode(one); err != nil {
				return err
			}
			parsed = append(parsed, client)
		}
	}
	*c = parsed
	return nil
}

func (c *Client) check() error {
	switch {
	case !isWord(c.Name):
		return errors.New("a client's name must be one word of letters, digits and ._-")
	case c.Socket < 0:
		return fmt.Errorf("client %s: the socket must not be negative", c.Name)
	case strings.ContainsAny(c.Address, " ()\t\r\n"):
		return fmt.Errorf("client %s: the address must be host:port", c.Name)
	case slices.Contains(c.DNs, ""):
		return fmt.Errorf("client %s: a DN is empty", c.Name)
	}
	return nil
}

func (c *Client) logged() tserverlog.Client {
	return tserverlog.Client{Name: c.Name, Socket: c.Socket, ID: c.ID, Address: c.Address}
}

// registry knows which clients are registered on a DN.
type registry struct {
	everywhere []tserverlog.Client
	byDN       map[string][]tserverlog.Client // with those of everywhere, in the order of the configuration
}

func newRegistry(clients Clients) *registry {
	r := &registry{byDN: make(map[string][]tserverlog.Client)}
	for i := range clients {
		for _, dn := range clients[i].DNs {
			r.byDN[dn] = nil
		}
	}
	for i := range clients {
		c := &clients[i]
		if len(c.DNs) == 0 {
			r.everywhere = append(r.everywhere, c.logged())
		}
		for dn := range r.byDN {
			if len(c.DNs) == 0 || slices.Contains(c.DNs, dn) {
				r.byDN[dn] = append(r.byDN[dn], c.logged())
			}
		}
	}
	return r
}

func (r *registry) on(dn string) []tserverlog.Client {
	if clients, ok := r.byDN[dn]; ok {
		return clients
	}
	return r.everywhere
}
