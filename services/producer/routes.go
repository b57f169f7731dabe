package producer

import (
	"encoding/json"
	"net/http"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/ringback/ringback/schemas/openapi"
)

// Handler serves the intake: events and the OpenAPI document.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/events", s.events)
	mux.HandleFunc("/openapi.yaml", document("application/yaml", func() []byte { return openapi.Producer }))
	mux.HandleFunc("/openapi.json", document("application/json", documentJSON))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		newProblem(http.StatusNotFound, codeNotFound, "There is nothing here. Events are taken by POST /v1/events; /openapi.yaml says how.").write(w, 0)
	})
	return mux
}

func document(mediaType string, text func() []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			newProblem(http.StatusMethodNotAllowed, codeMethodNotAllowed, "The document is read by GET.").write(w, 0)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(text())
	}
}

// documentJSON is the OpenAPI document as JSON.
var documentJSON = sync.OnceValue(func() []byte {
	var document any
	if err := yaml.Unmarshal(openapi.Producer, &document); err != nil {
		panic("producer: the embedded OpenAPI document: " + err.Error())
	}
	text, err := json.Marshal(document)
	if err != nil {
		panic("producer: the embedded OpenAPI document: " + err.Error())
	}
	return text
})
