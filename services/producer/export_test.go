package producer

import "context"

// WatchTokens is Run's watch of the token file alone.
func (s *Server) WatchTokens(ctx context.Context) { s.watchTokens(ctx) }
