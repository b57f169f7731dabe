package tserverlog

import (
	"time"

	"github.com/ringback/ringback/pkg/kvlist"
)

// The messages that are written and known by name. A reader yields the others too.
const (
	RequestDistributeUserEvent = "RequestDistributeUserEvent"
	RequestUpdateUserData      = "RequestUpdateUserData"

	EventACK                 = "EventACK"
	EventError               = "EventError"
	EventUserEvent           = "EventUserEvent"
	EventAttachedDataChanged = "EventAttachedDataChanged"
)

// What a message's first line says is done with it.
const (
	SendToClient        = "send to client"
	DistributeUserEvent = "distribute user event"
	DistributeUserData  = "distribute user data"
)

// Message is one message of the log. A field that is empty, or 0 where so documented, is not in the log.
type Message struct {
	Name    string // such as EventUserEvent
	Action  string // such as DistributeUserEvent
	Version string // T-Server's version
	Clock   string // wall clock of the first line, 15:04:05.0000; set by a reader only
	Line    int    // line on which it begins, from 1; set by a reader only

	// Time is TimeinSecs and TimeinuSecs, to the microsecond; its location gives the wall clock that is written. A
	// reader gives UTC.
	Time                time.Time
	EventSequenceNumber uint64
	ReferenceID         int64
	CustomerID          string
	ThisDN              string
	ANI                 string
	DNIS                string
	MediaType           int64  // of an EventUserEvent; 0, which is voice, is not in the log
	CallUUID            string // of EventAttachedDataChanged and the replies to its request
	UserEvent           string // the request that a reply answers; EventUserEvent in an EventUserEvent
	ErrorCode           int64  // of EventError
	ErrorMessage        string // of EventError

	UserData []kvlist.Pair
	// Size and Pairs are what the line of AttributeUserData says of the user data; set by a reader only.
	Size, Pairs int

	SentTo []Client // set by a reader only
}

// Complete reports whether the user data is whole: as many pairs as its first line says. A log that ends in the
// middle of a message, as after a crash, has one that is not.
func (m *Message) Complete() bool { return len(m.UserData) == m.Pairs }

// Value returns the value of the first pair with that key as text, and whether there is one. An integer is in
// decimal; a list is empty, as ICON ignores it.
func (m *Message) Value(key string) (string, bool) {
	for i := range m.UserData {
		if p := &m.UserData[i]; p.Key == key {
			return p.Text(), true
		}
	}
	return "", false
}

// Client is an application that is connected to T-Server.
type Client struct {
	Name    string // application name, such as Icon_Voice
	Socket  int
	ID      uint32
	Address string // host:port
}
