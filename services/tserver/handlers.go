package tserver

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ringback/ringback/pkg/tserverlog"
)

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/user-events", s.post(s.distribute))
	mux.HandleFunc("/v1/calls/{id}/user-data", s.post(s.update))
	mux.HandleFunc("/v1/health", s.health)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusNotFound, "no such path in the T-Server gateway contract", nil)
	})
	return mux
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		writeProblem(w, http.StatusMethodNotAllowed, "only GET", nil)
	case s.faults.Load().Outage:
		writeProblem(w, http.StatusServiceUnavailable, "T-Server is away (simulated outage)", nil)
	default:
		writeJSON(w, http.StatusOK, []byte(`{"status":"ok"}`))
	}
}

// exchange is one request that is being answered.
type exchange struct {
	request
	faults *Faults
	from   tserverlog.Client
	body   bytes.Buffer
	out    []byte
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// post checks what is the same for every request and answers it by handle.
func (s *Server) post(handle func(*exchange, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			writeProblem(w, http.StatusMethodNotAllowed, "only POST", nil)
			return
		}
		if !s.authorized(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="tserver"`)
			writeProblem(w, http.StatusUnauthorized, "no bearer token, or one that is not known", nil)
			return
		}
		if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(media), "application/json") {
			writeProblem(w, http.StatusUnsupportedMediaType, "the body must be application/json", nil)
			return
		}
		x := exchanges.Get().(*exchange)
		defer x.free()
		if _, err := x.body.ReadFrom(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody)); err != nil {
			if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
				writeProblem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit), nil)
				return
			}
			writeProblem(w, http.StatusBadRequest, "the body could not be read to its end", nil)
			return
		}
		x.faults = s.faults.Load()
		if !wait(r, x.faults.Latency) {
			return
		}
		if x.faults.Outage {
			writeProblem(w, http.StatusServiceUnavailable, "T-Server is away (simulated outage)", nil)
			return
		}
		x.from = s.requester
		x.from.Address = r.RemoteAddr
		handle(x, w, r)
	}
}

// free makes x ready for the next request. A large one is left to the garbage collector.
func (x *exchange) free() {
	if x.body.Cap() > 256<<10 {
		return
	}
	clear(x.UserData)
	x.request = request{UserData: x.UserData[:0]}
	x.body.Reset()
	exchanges.Put(x)
}

func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (s *Server) distribute(x *exchange, w http.ResponseWriter, _ *http.Request) {
	if faults := decode(x.body.String(), forUserEvent, &x.request); !faults.none() {
		faults.write(w)
		return
	}
	refusal, refused := x.faults.EventErrors[x.DN]
	var ack uint64
	err := s.journal.write(func(b []byte, seq *uint64) []byte {
		now := s.now().In(s.zone)
		*seq++
		ack = *seq
		b = tserverlog.AppendReceived(b, now, tserverlog.RequestDistributeUserEvent, x.from)
		b = tserverlog.AppendAbsentThisDN(b, x.DN)
		reply := s.message(x, now, ack)
		reply.Action, reply.UserEvent = tserverlog.SendToClient, tserverlog.RequestDistributeUserEvent
		b = s.appendReply(b, x, &reply, refusal, refused)
		if refused {
			return b
		}
		*seq++
		event := s.message(x, now, *seq)
		event.Name, event.Action, event.UserEvent = tserverlog.EventUserEvent, tserverlog.DistributeUserEvent, tserverlog.EventUserEvent
		event.UserData, event.ANI, event.DNIS, event.MediaType = x.UserData, x.ANI, x.DNIS, int64(x.MediaType)
		b = event.Append(b)
		clients := s.clients.on(x.DN)
		for i := range clients {
			b = tserverlog.AppendSent(b, now, event.Name, &clients[i])
		}
		return b
	})
	x.answer(w, err, ack, refusal, refused, http.StatusUnprocessableEntity)
}

func (s *Server) update(x *exchange, w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	faults := decode(x.body.String(), forCall, &x.request)
	if len(id) > maxKey {
		faults.add(pointer{}, "the interaction id of the path has more than %d bytes", maxKey)
	}
	if !faults.none() {
		faults.write(w)
		return
	}
	refusal, refused := x.faults.EventErrors[id]
	status := http.StatusUnprocessableEntity
	if x.faults.gone(id) {
		refusal, refused, status = EventError{callGone, "no such call (simulated)"}, true, http.StatusGone
	}
	var ack uint64
	err := s.journal.write(func(b []byte, seq *uint64) []byte {
		now := s.now().In(s.zone)
		*seq++
		ack = *seq
		b = tserverlog.AppendReceived(b, now, tserverlog.RequestUpdateUserData, x.from)
		reply := s.message(x, now, ack)
		reply.Action, reply.UserEvent, reply.CallUUID = tserverlog.SendToClient, tserverlog.RequestUpdateUserData, id
		b = s.appendReply(b, x, &reply, refusal, refused)
		if refused {
			return b
		}
		*seq++
		event := s.message(x, now, *seq)
		event.Name, event.Action = tserverlog.EventAttachedDataChanged, tserverlog.DistributeUserData
		event.UserData, event.CallUUID = x.UserData, id
		b = event.Append(b)
		for i := range s.clients.everywhere {
			b = tserverlog.AppendSent(b, now, event.Name, &s.clients.everywhere[i])
		}
		return b
	})
	x.answer(w, err, ack, refusal, refused, status)
}

func (s *Server) message(x *exchange, now time.Time, seq uint64) tserverlog.Message {
	m := tserverlog.Message{
		Version:             s.cfg.Version,
		Time:                now,
		EventSequenceNumber: seq,
		ReferenceID:         int64(x.ReferenceID),
		CustomerID:          x.CustomerID,
		ThisDN:              x.DN,
	}
	if m.CustomerID == "" {
		m.CustomerID = s.cfg.CustomerID
	}
	return m
}

func (s *Server) appendReply(b []byte, x *exchange, reply *tserverlog.Message, refusal EventError, refused bool) []byte {
	reply.Name = tserverlog.EventACK
	if refused {
		reply.Name, reply.ErrorCode, reply.ErrorMessage = tserverlog.EventError, int64(refusal.Code), refusal.Message
	}
	b = reply.Append(b)
	return tserverlog.AppendSent(b, reply.Time, reply.Name, &x.from)
}

// answer answers with what the log says, but not before the log has it (invariant 8).
func (x *exchange) answer(w http.ResponseWriter, logged error, seq uint64, refusal EventError, refused bool, status int) {
	if logged != nil {
		writeProblem(w, http.StatusServiceUnavailable, "the log cannot be written", nil)
		return
	}
	b := x.out[:0]
	if refused {
		b = append(b, `{"message":"EventError","errorCode":`...)
		b = strconv.AppendInt(b, int64(refusal.Code), 10)
		b = append(b, `,"errorMessage":`...)
		b = appendJSONString(b, refusal.Message)
	} else {
		status = http.StatusOK
		b = append(b, `{"message":"EventACK"`...)
	}
	b = append(b, `,"referenceId":`...)
	b = strconv.AppendInt(b, int64(x.ReferenceID), 10)
	if x.DN != "" && !refused {
		b = append(b, `,"thisDn":`...)
		b = appendJSONString(b, x.DN)
	}
	b = append(b, `,"eventSequenceNumber":"`...)
	b = fmt.Appendf(b, "%016x", seq)
	b = append(b, `"}`...)
	x.out = b
	writeJSON(w, status, b)
}
