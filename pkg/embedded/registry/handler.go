package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const contentType = "application/vnd.schemaregistry.v1+json"

// The error codes of the Confluent API.
const (
	codeSubjectNotFound       = 40401
	codeVersionNotFound       = 40402
	codeSchemaNotFound        = 40403
	codeSubjectSoftDeleted    = 40404
	codeSubjectNotSoftDeleted = 40405
	codeVersionSoftDeleted    = 40406
	codeVersionNotSoftDeleted = 40407
	codeNoSubjectConfig       = 40408
	codeNoSubjectMode         = 40409
	codeIncompatible          = 409
	codeInvalidSchema         = 42201
	codeInvalidVersion        = 42202
	codeInvalidCompatibility  = 42203
	codeInvalidMode           = 42204
	codeNotPermitted          = 42205
	codeInvalidSubject        = 42208
	codeTooLarge              = 42209
	codeStore                 = 50001
)

// apiError is an answer that is not 2xx.
type apiError struct {
	status  int
	code    int
	message string
}

func (e *apiError) Error() string { return e.message }

func refuse(status, code int, format string, args ...any) error {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func notFound(code int, format string, args ...any) error {
	return refuse(http.StatusNotFound, code, format, args...)
}

func unprocessable(code int, format string, args ...any) error {
	return refuse(http.StatusUnprocessableEntity, code, format, args...)
}

// Handler serves the registry's API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, h func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
			v, err := h(r)
			answer(w, v, err)
		})
	}
	route("GET /{$}", func(*http.Request) (any, error) { return struct{}{}, nil })
	route("GET /contexts", func(*http.Request) (any, error) { return []string{"."}, nil })
	route("GET /schemas/types", func(*http.Request) (any, error) { return []string{"AVRO"}, nil })
	route("GET /schemas", s.schemas)
	route("GET /schemas/ids/{id}", s.schemaByID)
	route("GET /schemas/ids/{id}/schema", s.schemaTextByID)
	route("GET /schemas/ids/{id}/versions", s.versionsByID)
	route("GET /schemas/ids/{id}/subjects", s.subjectsByID)
	route("GET /subjects", s.subjects)
	route("POST /subjects/{subject}", s.lookup)
	route("DELETE /subjects/{subject}", s.deleteSubject)
	route("GET /subjects/{subject}/versions", s.versions)
	route("POST /subjects/{subject}/versions", s.register)
	route("GET /subjects/{subject}/versions/{version}", s.version)
	route("GET /subjects/{subject}/versions/{version}/schema", s.versionText)
	route("GET /subjects/{subject}/versions/{version}/referencedby", s.referencedBy)
	route("DELETE /subjects/{subject}/versions/{version}", s.deleteVersion)
	route("POST /compatibility/subjects/{subject}/versions", s.checkCompatibility)
	route("POST /compatibility/subjects/{subject}/versions/{version}", s.checkCompatibility)
	for _, path := range []string{"/config", "/config/{subject}"} {
		route("GET "+path, s.config)
		route("PUT "+path, s.setConfig)
		route("DELETE "+path, s.resetConfig)
	}
	for _, path := range []string{"/mode", "/mode/{subject}"} {
		route("GET "+path, s.mode)
		route("PUT "+path, s.setMode)
		route("DELETE "+path, s.resetMode)
	}
	route("/", func(*http.Request) (any, error) {
		return nil, notFound(http.StatusNotFound, "HTTP 404 Not Found")
	})
	return mux
}

// raw is an answer that is JSON text already.
type raw string

func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", contentType)
	status := http.StatusOK
	if err != nil {
		var e *apiError
		if !errors.As(err, &e) {
			e = &apiError{http.StatusInternalServerError, http.StatusInternalServerError, err.Error()}
		}
		status = e.status
		v = map[string]any{"error_code": e.code, "message": e.message}
	}
	body, isText := v.(raw)
	if !isText {
		out, err := json.Marshal(v)
		if err != nil {
			status, out = http.StatusInternalServerError, []byte(`{"error_code":500,"message":"the answer cannot be encoded"}`)
		}
		body = raw(out)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, string(body)) // a client that has gone needs no answer
}

// decode reads the JSON body of a request.
func decode(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return unprocessable(codeTooLarge, "The body is larger than %d bytes.", MaxBody)
		}
		return refuse(http.StatusBadRequest, http.StatusBadRequest, "The body could not be read.")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, http.StatusBadRequest, "The body is not the JSON of this request: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, http.StatusBadRequest, "The body holds more than one JSON value.")
	}
	return nil
}

// flag reads a boolean query parameter; absent is false.
func flag(r *http.Request, name string) bool {
	b, _ := strconv.ParseBool(r.URL.Query().Get(name))
	return b
}
