package producer_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/services/producer"
)

// Invariant 10: neither answer nor metric repeats a number of the caller, or a token.
func TestNothingPersonalComesBack(t *testing.T) {
	t.Parallel()
	const number = "493012345678"
	b := setup(t, func(c *producer.Config, _ *producer.Deps) {
		c.Auth, c.TokensFile = producer.AuthToken, tokenFile(t, "s3cret\n")
	})
	for _, body := range []string{
		event("e1", `,"data":{"customer_ani":"`+number+`\u0000"}`),
		event("e1", `,"data":{"customer_ani":`+number+`}`),
		event("e1", `,"data":{"`+number+`":1}`),
		event("e1", `,"`+number+`":{}`),
		`"` + number + `"`,
		number,
	} {
		w := httptest.NewRecorder()
		b.server.Handler().ServeHTTP(w, with(post(structured, body), "Authorization", "Bearer s3cret"))
		require.GreaterOrEqual(t, w.Code, 400)
		require.NotContains(t, w.Body.String(), number)
		require.NotContains(t, w.Body.String(), "s3cret")
	}
	families, err := b.metrics.Gather()
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(families), number)
}
