package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// part is one container and the variable that tells where it is.
type part struct {
	name, variable string
	port           string // in the container
	request        testcontainers.ContainerRequest
	// prepare is given the container's address before it starts; begun afterwards.
	prepare func(r *testcontainers.ContainerRequest, addr string)
	begun   func(ctx context.Context, addr string) error
	value   func(addr string) string
}

func image(variable, otherwise string) string { return cmp.Or(os.Getenv(variable), otherwise) }

func parts() []part {
	return []part{kafka(), postgres(), registry()}
}

// kafka has the settings of scripts/kafka-up, and a listener for itself: the transaction coordinator sends its markers to
// the broker's advertised address, and the one for clients cannot be reached from within the container.
func kafka() part {
	return part{
		name: "Apache Kafka", variable: "RINGBACK_KAFKA_BROKERS", port: "9092",
		request: testcontainers.ContainerRequest{
			Image: image("RINGBACK_KAFKA_IMAGE", "apache/kafka:4.4.0"),
			Env: map[string]string{
				"KAFKA_NODE_ID": "1", "KAFKA_PROCESS_ROLES": "broker,controller",
				"KAFKA_LISTENERS":                 "PLAINTEXT://:9092,INTERNAL://:9094,CONTROLLER://:9093",
				"KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER", "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
				"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,PLAINTEXT:PLAINTEXT",
				"KAFKA_CONTROLLER_QUORUM_VOTERS":       "1@localhost:9093", "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
				"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
				"KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
				"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
				"KAFKA_LOG_CLEANER_BACKOFF_MS": "500", "KAFKA_LOG_CLEANER_DEDUPE_BUFFER_SIZE": "16777216",
			},
			WaitingFor: wait.ForLog("Kafka Server started").WithStartupTimeout(2 * time.Minute),
		},
		prepare: func(r *testcontainers.ContainerRequest, addr string) {
			r.Env["KAFKA_ADVERTISED_LISTENERS"] = "PLAINTEXT://" + addr + ",INTERNAL://localhost:9094"
		},
		value: func(addr string) string { return addr },
	}
}

func postgres() part {
	return part{
		name: "PostgreSQL", variable: "RINGBACK_POSTGRES_URL", port: "5432",
		request: testcontainers.ContainerRequest{
			Image: image("RINGBACK_POSTGRES_IMAGE", "postgres:17"),
			Cmd:   []string{"-c", "max_connections=200"},
			Env:   map[string]string{"POSTGRES_USER": "ringback", "POSTGRES_DB": "ringback", "POSTGRES_HOST_AUTH_METHOD": "trust"},
			// The image starts the server twice: first to make the database.
			WaitingFor: wait.ForLog("database system is ready to accept connections").WithOccurrence(2).WithStartupTimeout(2 * time.Minute),
		},
		value: func(addr string) string { return "postgres://ringback@" + addr + "/ringback?sslmode=disable" },
	}
}

// registry is the version of scripts/registry-up.
func registry() part {
	url := func(addr string) string { return "http://" + addr + "/apis/ccompat/v7" }
	return part{
		name: "schema registry", variable: "RINGBACK_REGISTRY_URL", port: "8080",
		request: testcontainers.ContainerRequest{
			Image:      image("RINGBACK_REGISTRY_IMAGE", "apicurio/apicurio-registry:3.0.9"),
			WaitingFor: wait.ForHTTP("/apis/ccompat/v7/subjects").WithPort("8080/tcp").WithStartupTimeout(2 * time.Minute),
		},
		begun: func(ctx context.Context, addr string) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, url(addr)+"/config", bytes.NewReader([]byte(`{"compatibility":"FULL_TRANSITIVE"}`)))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				why, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // the status says enough
				return fmt.Errorf("PUT /config: %s: %s", res.Status, why)
			}
			return nil
		},
		value: url,
	}
}

// start starts the container, and returns it in any case where there is one.
func (p *part) start(ctx context.Context) (testcontainers.Container, string, error) {
	// A broker must know its address before it starts, so the port is chosen here.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return nil, "", err
	}
	host := "127.0.0.1"
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	inside := network.MustParsePort(p.port + "/tcp")
	p.request.ExposedPorts = []string{inside.String()}
	p.request.HostConfigModifier = func(c *container.HostConfig) {
		c.PortBindings = network.PortMap{inside: []network.PortBinding{{HostIP: netip.MustParseAddr(host), HostPort: strconv.Itoa(port)}}}
	}
	if p.prepare != nil {
		p.prepare(&p.request, addr)
	}
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{ContainerRequest: p.request, Started: true})
	if err == nil && p.begun != nil {
		err = p.begun(ctx, addr)
	}
	if c == nil {
		return nil, "", err
	}
	return c, p.value(addr), err
}
