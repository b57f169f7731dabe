package registry

import (
	"context"
	"errors"
	"net/http"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/ringback/ringback/pkg/fault"
)

// FullTransitive is the compatibility level that Ringback's subjects need: every version of a schema
// reads what every other wrote.
const FullTransitive = "FULL_TRANSITIVE"

// Compatibility returns the level that holds for a subject: its own, else the registry's.
func (c *Client) Compatibility(ctx context.Context, subject string) (string, error) {
	level, err := c.compatibility(ctx, subject)
	var re *sr.ResponseError
	if errors.As(err, &re) && re.StatusCode == http.StatusNotFound {
		// Some answer so, with codes of their own, where they do not know the subject.
		return c.compatibility(ctx, sr.GlobalSubject)
	}
	return level, err
}

func (c *Client) compatibility(ctx context.Context, subject string) (level string, err error) {
	err = c.ask(ctx, func(at *sr.Client) error {
		// Without this some say NONE where the registry's own level holds.
		res := at.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), subject)[0]
		var re *sr.ResponseError
		switch {
		case errors.As(res.Err, &re) && re.StatusCode == http.StatusNotFound && subject != sr.GlobalSubject:
			return res.Err // the subject has none
		case res.Err != nil:
			return classify(res.Err, "compatibility of "+named(subject))
		}
		level = res.Level.String()
		return nil
	})
	return level, err
}

// SetCompatibility gives a subject a level of its own.
func (c *Client) SetCompatibility(ctx context.Context, subject, level string) error {
	var l sr.CompatibilityLevel
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return fault.Misconfigf("registry: compatibility: %w", err)
	}
	return c.ask(ctx, func(at *sr.Client) error {
		if res := at.SetCompatibility(ctx, sr.SetCompatibility{Level: l}, subject)[0]; res.Err != nil {
			return classify(res.Err, "set the compatibility of "+subject)
		}
		return nil
	})
}

func named(subject string) string {
	if subject == sr.GlobalSubject {
		return "all subjects"
	}
	return subject
}
