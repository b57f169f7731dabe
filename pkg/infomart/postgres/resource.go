package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/infomart"
)

// resource finds a virtual queue by its DBID where one is given, else by name. A row
// that had only the name takes the DBID on.
func (d *dimensions) resource(ctx context.Context, r *infomart.Resource) (int64, error) {
	// Held until the transaction ends; taking it again is harmless.
	if _, err := d.tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(resourceLock)); err != nil {
		return 0, err
	}
	if r.DBID == nil {
		// The oldest of the name: newer ones of other DBIDs do not change what it means.
		key, found, err := d.key(ctx, "SELECT RESOURCE_KEY FROM RESOURCE_ WHERE RESOURCE_NAME = $1 AND RESOURCE_KEY > 0 ORDER BY RESOURCE_KEY LIMIT 1", r.Name)
		if err != nil || found {
			return key, err
		}
		return d.insertResource(ctx, r)
	}
	key, found, err := d.key(ctx, "SELECT RESOURCE_KEY FROM RESOURCE_ WHERE RESOURCE_CFG_DBID = $1", *r.DBID)
	if err != nil || found {
		return key, err
	}
	key, found, err = d.key(ctx, "SELECT RESOURCE_KEY FROM RESOURCE_ WHERE RESOURCE_NAME = $1 AND RESOURCE_CFG_DBID IS NULL AND RESOURCE_KEY > 0", r.Name)
	if err != nil {
		return 0, err
	}
	if !found {
		return d.insertResource(ctx, r)
	}
	audit, err := d.auditKey(ctx)
	if err != nil {
		return 0, err
	}
	_, err = d.tx.Exec(ctx, `UPDATE RESOURCE_ SET RESOURCE_CFG_DBID = $1, RESOURCE_CFG_TYPE_ID = COALESCE($2, RESOURCE_CFG_TYPE_ID),
		RESOURCE_CFG_TYPE = COALESCE($3, RESOURCE_CFG_TYPE), UPDATE_AUDIT_KEY = $4 WHERE RESOURCE_KEY = $5`,
		*r.DBID, r.TypeID(), r.Type(), audit, key)
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
