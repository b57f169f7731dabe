package tserverlog_test

import (
	"fmt"
	"os"

	"github.com/ringback/ringback/pkg/tserverlog"
)

// The guide's first check: do the user events reach T-Server?
func ExampleUserEvents() {
	log, err := os.Open("testdata/layout.log")
	if err != nil {
		panic(err)
	}
	defer log.Close()
	for m, err := range tserverlog.UserEvents(log) {
		if err != nil {
			panic(err)
		}
		available, _ := m.Value("gms_AgentAvailable")
		fmt.Printf("%016x %s %d: agent available at %s, sent to %s\n", m.EventSequenceNumber, m.ThisDN, m.ReferenceID, available, m.SentTo[0].Name)
	}
	// Output: 0000000000000ef9 REPORTING 431: agent available at 1348817660755, sent to Icon_Voice
}
