package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/infomart"
	"github.com/ringback/ringback/pkg/infomart/postgres"
)

// benchSchema holds the tables that are measured on.
const benchSchema = "bench"

// table is one that the sink copies facts or custom data into.
type table struct{ name, columns string }

var tables = func() []table {
	var fact []string
	for _, c := range infomart.FactColumns() {
		fact = append(fact, c.Name)
	}
	return []table{
		{"CALLBACK_FACT", strings.Join(fact, ", ")},
		{"G_CUSTOM_DATA_S", "ID, TenantID, KeyName, Value, Added_ts, GSYS_SEQ"}, // Added is generated
	}
}()

// copied is what the sink's batches wrote, batch by batch, as the bytes of a binary COPY.
type copied struct {
	batches [][][]byte // by batch and table
	rows    []int64    // by table
}

// recordCopies reads the tables as a run of the sink left them.
func (env *environment) recordCopies(ctx context.Context) (c copied, err error) {
	conn, err := env.connect(ctx)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	type batch struct{ audit, first, last int64 }
	rows, err := conn.Query(ctx, "SELECT AUDIT_KEY::bigint, COALESCE(MIN_CUSTOM_DATA_ID, 0), COALESCE(MAX_CUSTOM_DATA_ID, -1) FROM CTL_AUDIT_LOG WHERE JOB_ID = $1 ORDER BY 1", infomart.JobFacts)
	if err != nil {
		return c, err
	}
	batches, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b batch, err error) {
		err = row.Scan(&b.audit, &b.first, &b.last)
		return b, err
	})
	if err != nil {
		return c, err
	}
	c.rows = make([]int64, len(tables))
	for _, b := range batches {
		var of [][]byte
		for i, where := range []string{
			fmt.Sprintf("CREATE_AUDIT_KEY = %d", b.audit), fmt.Sprintf("ID BETWEEN %d AND %d", b.first, b.last),
		} {
			var out bytes.Buffer
			tag, err := conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT "+tables[i].columns+" FROM "+tables[i].name+" WHERE "+where+") TO STDOUT (FORMAT binary)")
			if err != nil {
				return c, err
			}
			c.rows[i] += tag.RowsAffected()
			of = append(of, out.Bytes())
		}
		c.batches = append(c.batches, of)
	}
	return c, nil
}

// connect opens a session whose tables are those that are measured on.
func (env *environment) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(env.postgres)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["search_path"] = benchSchema
	return pgx.ConnectConfig(ctx, config)
}

// fresh makes the tables anew and empty.
func (env *environment) fresh(ctx context.Context) error {
	if err := env.drop(ctx, benchSchema); err != nil {
		return err
	}
	store, err := postgres.Open(ctx, postgres.Config{URL: postgres.Secret(env.postgres), Schema: benchSchema})
	if err != nil {
		return err
	}
	return store.Close()
}

// clear empties the tables and leaves the database nothing to do from before. The rows of
// dimensions stay: a combination is new once in the life of a store, not with each batch.
func (env *environment) clear(ctx context.Context) error {
	var names []string
	for _, name := range []string{"CALLBACK_FACT", "G_CUSTOM_DATA_S", "CTL_AUDIT_LOG", "STG_TRANSFORM_DISCARDS", "RINGBACK_POSITION"} {
		names = append(names, benchSchema+"."+name)
	}
	if err := env.exec(ctx, "TRUNCATE "+strings.Join(names, ", ")); err != nil {
		return err
	}
	return env.exec(ctx, "CHECKPOINT")
}

// bareCopy copies the rows into the same tables: one COPY a table, one transaction a batch, one
// session, from bytes that are ready to be sent.
func (env *environment) bareCopy(ctx context.Context, c *copied) (s sample, err error) {
	if err := env.clear(ctx); err != nil {
		return s, err
	}
	conn, err := env.connect(ctx)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	session := int(conn.PgConn().PID())
	before, err := cpuOf(session)
	if err != nil {
		return s, err
	}
	own, started := ownCPU(), time.Now()
	for _, batch := range c.batches {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for i, t := range tables {
				if c.rows[i] == 0 {
					continue
				}
				if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(batch[i]), "COPY "+t.name+" ("+t.columns+") FROM STDIN (FORMAT binary)"); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return s, err
		}
	}
	s.elapsed = time.Since(started)
	after, err := cpuOf(session)
	if err != nil {
		return s, err
	}
	s.cpu = cpu{service: ownCPU() - own, database: after - before}
	s.units, err = env.counted(ctx, c.rows)
	return s, err
}

// counted holds the rows that are there against what they must be, and returns the facts.
func (env *environment) counted(ctx context.Context, want []int64) (facts int64, err error) {
	for i, t := range tables {
		n, err := env.count(ctx, "SELECT COUNT(*) FROM "+benchSchema+"."+t.name)
		if err != nil {
			return 0, err
		}
		if n != want[i] {
			return 0, fmt.Errorf("%d rows in %s, not %d", n, t.name, want[i])
		}
	}
	return want[0], nil
}
