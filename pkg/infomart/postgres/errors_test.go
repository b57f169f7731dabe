package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/ringback/ringback/pkg/fault"
	"github.com/ringback/ringback/pkg/infomart"
)

// TestClassify: invariant 7.
func TestClassify(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]fault.Class{
		"08006": fault.Outage, "57P01": fault.Outage, "53300": fault.Outage, "53100": fault.Outage, "40P01": fault.Outage,
		"25006": fault.Outage, "XX000": fault.Outage, "55P03": fault.Outage, "54000": fault.Outage,
		"28P01": fault.Misconfiguration, "28000": fault.Misconfiguration, "3D000": fault.Misconfiguration,
		"3F000": fault.Misconfiguration, "42P01": fault.Misconfiguration, "42501": fault.Misconfiguration,
		"22001": fault.Bug, "23505": fault.Bug, // they are found before; see refusal
	} {
		err := fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code, Message: "text"})
		require.Equal(t, want, fault.ClassOf(classify(t.Context(), "test", err)), code)
	}
	require.Equal(t, fault.Outage, fault.ClassOf(classify(t.Context(), "test", io.ErrUnexpectedEOF)))
	require.ErrorIs(t, classify(t.Context(), "test", infomart.ErrPositionMoved), infomart.ErrPositionMoved)
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(classify(t.Context(), "test", fault.Misconfigf("x"))))
	require.NoError(t, classify(t.Context(), "test", nil))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := classify(ctx, "test", errors.New("the connection was closed because of the context"))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, fault.Bug, fault.ClassOf(err), "an end that was asked for is no outage")
}

// TestRefusalRepeatsNoValue: invariant 10.
func TestRefusalRepeatsNoValue(t *testing.T) {
	t.Parallel()
	err := &pgconn.PgError{Code: "22001", Message: "+442079460958 is bad", Detail: "+442079460958", TableName: "callback_fact", ColumnName: "customer_ani", ConstraintName: "c"}
	require.True(t, isData(fmt.Errorf("wrapped: %w", err)))
	require.Equal(t, "the database refused the row: SQLSTATE 22001, table callback_fact, column customer_ani, constraint c", refusal(err))
	require.NotContains(t, classify(t.Context(), "test", err).Error(), "442079460958")
	raised := &pgconn.PgError{Code: "P0001", Message: "trigger: +442079460958 is bad"} // by someone's trigger
	require.NotContains(t, classify(t.Context(), "test", raised).Error(), "442079460958")
	require.Equal(t, fault.Outage, fault.ClassOf(classify(t.Context(), "test", raised)))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NotContains(t, classify(ended, "test", err).Error(), "442079460958")
	encode := errors.New(`unable to encode "+442079460958" into binary format for int4`)
	require.NotContains(t, classify(t.Context(), "test", encode).Error(), "442079460958")
	require.False(t, isData(&pgconn.PgError{Code: "40001"}))
	require.False(t, isData(&pgconn.PgError{Code: wrongBinary}), "a column of another type is no fault of the data")
	require.Equal(t, fault.Misconfiguration, fault.ClassOf(classify(t.Context(), "test", &pgconn.PgError{Code: wrongBinary})))
	taken := &pgconn.PgError{Code: "23505", ConstraintName: "callback_fact_pkey"}
	require.False(t, isData(taken), "it is held against the fact that is there, never rejected unseen")
	require.Equal(t, fault.Outage, fault.ClassOf(classify(t.Context(), "test", taken)))
	require.True(t, isRetriable(&pgconn.PgError{Code: "40001"}))
}
