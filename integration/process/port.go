package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

var (
	givenMu sync.Mutex
	given   = map[int]bool{}
)

// FreeAddr returns an address of the loopback interface that nothing listens on. It lies below the range from which
// the system takes the ports of outgoing connections, so that it is still free when a process is started again.
func FreeAddr() (string, error) {
	givenMu.Lock()
	defer givenMu.Unlock()
	for range 1000 {
		port := 10000 + rand.IntN(10000)
		if given[port] {
			continue
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return "", fmt.Errorf("process: %w", err)
		}
		given[port] = true
		return addr, nil
	}
	return "", fmt.Errorf("process: no free port from 10000 to 19999")
}
