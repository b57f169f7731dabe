package admin

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/servertls"
)

// Config says who may do what on the admin port. Probes and metrics are for whoever reaches it.
type Config struct {
	// TokensFile holds the bearer tokens of /admin/accept (scope admin:accept) and /debug/pprof/ (scope
	// admin:profile), one a line: token [name] scopes=admin:accept. It is read again when it changes.
	TokensFile string `env:"TOKENS_FILE" empty:"/admin/accept is for nobody"`
	// Profile serves profiles of the process below /debug/pprof/. It needs the tokens.
	Profile bool `env:"PROFILE, default=false"`
	TLS     servertls.Config
}

// Faults returns every fault; each begins with the name of its variable behind the prefix.
func (c *Config) Faults(prefix string) []error {
	var faults []error
	if c.TokensFile != "" {
		if _, err := auth.OpenTokens(c.TokensFile); err != nil {
			faults = append(faults, fmt.Errorf("%sTOKENS_FILE: %w", prefix, err))
		}
	} else if c.Profile {
		faults = append(faults, fmt.Errorf("%[1]sPROFILE: needs %[1]sTOKENS_FILE: profiles are not for whoever reaches the port", prefix))
	}
	return append(faults, c.TLS.Faults(prefix)...)
}

// Surface is all that the admin port serves.
type Surface struct {
	Probes  Probes
	Metrics prometheus.Gatherer
	// Accept lets a paused partition go on; nil: there is none to pause.
	Accept func(topic string, partition int32, upTo int64) error
	Logger *slog.Logger
}

// handler serves the surface as the configuration says.
func (c *Config) handler(s Surface) (http.Handler, error) {
	guard := func(_ string, next http.Handler) http.Handler { return next }
	if c.TokensFile != "" {
		tokens, err := auth.OpenTokens(c.TokensFile)
		if err != nil {
			return nil, fmt.Errorf("admin: %w", err)
		}
		fresh := &fresh{tokens: tokens, logger: s.Logger}
		guard = func(scope string, next http.Handler) http.Handler {
			guarded := auth.Guard(tokens, scope, next)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fresh.look()
				guarded.ServeHTTP(w, r)
			})
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", Handler(s.Probes, s.Metrics))
	switch {
	case s.Accept == nil:
	case c.TokensFile == "":
		// Invariant 7: what is accepted leaves the partition for good, so that it takes an operator, not whoever reaches the port.
		mux.HandleFunc(AcceptPath, nobody)
	default:
		mux.Handle(AcceptPath, guard(auth.AdminAccept, AcceptHandler(s.Accept)))
	}
	if c.Profile {
		profiles := http.NewServeMux()
		// Not the command line, which is nobody's business and no profile.
		profiles.HandleFunc("GET /debug/pprof/", pprof.Index)
		profiles.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		profiles.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		profiles.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.Handle("/debug/pprof/", guard(auth.AdminProfile, profiles))
	}
	return mux, nil
}

// nobody refuses to accept where there are no tokens to tell an operator by.
func nobody(w http.ResponseWriter, _ *http.Request) {
	problem(w, http.StatusForbidden, "there are no tokens of operators: set ENRICHER_ADMIN_TOKENS_FILE, of a sink SINK_ADMIN_TOKENS_FILE, to a file with one that has the scope admin:accept")
}

// fresh has the token file read again where it has changed, with the requests that it is for: they are few.
type fresh struct {
	mu     sync.Mutex
	tokens *auth.Tokens
	looked time.Time
	logger *slog.Logger
}

func (f *fresh) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.looked) >= time.Second {
		f.looked = now
		if _, err := f.tokens.Reload(); err != nil && f.logger != nil {
			f.logger.Error("the token file of the admin port cannot be used; the former tokens stay", "error", err)
		}
	}
}
