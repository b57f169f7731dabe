package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/infomart"
)

// resource finds a virtual queue by its DBID where one is given, else by name. A row
// that had only the name takes the DBID on, and one without a type the type: so that it
// does not matter which of its UserEvents came first.
func (d *dimensions) resource(ctx context.Context, r *infomart.Resource) (int64, error) {
	const of = "SELECT RESOURCE_KEY FROM RESOURCE_ WHERE "
	// Held until the transaction ends; taking it again is harmless.
	if _, err := d.tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(resourceLock)); err != nil {
		return 0, err
	}
	if r.DBID == nil {
		// The oldest of the name: newer ones of other DBIDs do not change what it means.
		key, found, err := d.key(ctx, of+"RESOURCE_NAME = $1 AND RESOURCE_KEY > 0 ORDER BY RESOURCE_KEY LIMIT 1", r.Name)
		return d.completed(ctx, key, found, r, err)
	}
	key, found, err := d.key(ctx, of+"RESOURCE_CFG_DBID = $1", *r.DBID)
	if err == nil && !found {
		key, found, err = d.key(ctx, of+"RESOURCE_NAME = $1 AND RESOURCE_CFG_DBID IS NULL AND RESOURCE_KEY > 0", r.Name)
	}
	return d.completed(ctx, key, found, r, err)
}

// completed gives the row that was found what it lacks, or makes one where none was.
func (d *dimensions) completed(ctx context.Context, key int64, found bool, r *infomart.Resource, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	if !found {
		return d.insertResource(ctx, r)
	}
	_, lacking, err := d.key(ctx, `SELECT RESOURCE_KEY FROM RESOURCE_ WHERE RESOURCE_KEY = $1 AND (RESOURCE_CFG_DBID IS NULL AND $2::integer IS NOT NULL
		OR RESOURCE_CFG_TYPE_ID IS NULL AND $3::integer IS NOT NULL OR RESOURCE_CFG_TYPE IS NULL AND $4::text IS NOT NULL)`, key, r.ID(), r.TypeID(), r.Type())
	if err != nil || !lacking {
		return key, err
	}
	audit, err := d.auditKey(ctx)
	if err != nil {
		return 0, err
	}
	_, err = d.tx.Exec(ctx, `UPDATE RESOURCE_ SET RESOURCE_CFG_DBID = COALESCE(RESOURCE_CFG_DBID, $1), RESOURCE_CFG_TYPE_ID = COALESCE(RESOURCE_CFG_TYPE_ID, $2),
		RESOURCE_CFG_TYPE = COALESCE(RESOURCE_CFG_TYPE, $3), UPDATE_AUDIT_KEY = $4 WHERE RESOURCE_KEY = $5`,
		r.ID(), r.TypeID(), r.Type(), audit, key)
	return key, err
}

func (d *dimensions) insertResource(ctx context.Context, r *infomart.Resource) (int64, error) {
	audit, err := d.auditKey(ctx)
	if err != nil {
		return 0, err
	}
	key, _, err := d.key(ctx, `INSERT INTO RESOURCE_ (RESOURCE_NAME, RESOURCE_CFG_DBID, RESOURCE_CFG_TYPE_ID, RESOURCE_CFG_TYPE, CREATE_AUDIT_KEY)
		VALUES ($1, $2, $3, $4, $5) RETURNING RESOURCE_KEY`, r.Name, r.ID(), r.TypeID(), r.Type(), audit)
	return key, err
}

func (d *dimensions) key(ctx context.Context, query string, args ...any) (key int64, found bool, err error) {
	err = d.tx.QueryRow(ctx, query, args...).Scan(&key)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return key, err == nil, err
}
