package producer

import (
	"context"
	"strings"
	"time"

	"github.com/ringback/ringback/pkg/auth"
	"github.com/ringback/ringback/pkg/auth/oidc"
	"github.com/ringback/ringback/pkg/fault"
)

// openVerifier makes what tells tokens, as PRODUCER_AUTH says.
func (s *Server) openVerifier(now func() time.Time) (err error) {
	if s.cfg.withTokens() {
		if s.tokens, err = auth.OpenTokens(s.cfg.TokensFile); err != nil {
			return fault.Misconfigf("producer: %w", err)
		}
		s.verifier = s.tokens
	}
	if s.cfg.withOIDC() {
		if s.oidc, err = oidc.New(s.cfg.OIDC, now); err != nil {
			return err
		}
		s.verifier = s.oidc
	}
	if s.cfg.Auth == AuthBoth {
		s.verifier = either{file: s.tokens, provider: s.oidc}
	}
	return nil
}

func (s *Server) closeVerifier() {
	if s.oidc != nil {
		s.oidc.Close()
	}
}

// either asks the token file, and the provider for what has the form of its tokens and is not in the file.
type either struct{ file, provider auth.Verifier }

func (e either) Verify(ctx context.Context, token string) (*auth.Grant, error) {
	g, err := e.file.Verify(ctx, token)
	if err != nil && strings.Count(token, ".") == 2 { // a JWT has three parts
		return e.provider.Verify(ctx, token)
	}
	return g, err
}
