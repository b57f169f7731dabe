package oracle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Reached says which partition of a topic a group has not read up to there, less so many offsets.
func Reached(ctx context.Context, client *kgo.Client, group, name string, ends []int64, behind int64) error {
	committed, err := Committed(ctx, client, group, name, len(ends))
	if err != nil {
		return err
	}
	for n, end := range ends {
		if committed[n] < end-behind {
			return fmt.Errorf("%s is at %d of %d in %s/%d", group, committed[n], end, name, n)
		}
	}
	return nil
}

// Applied says in which partition of a topic the position that the store holds for a sink's group is further from the
// end than so many offsets.
func Applied(ctx context.Context, client *kgo.Client, conn *pgx.Conn, group, name string, partitions int, behind int64) error {
	ends, err := Ends(ctx, client, name, partitions)
	if err != nil {
		return err
	}
	stored, err := Stored(ctx, conn, group, name, partitions)
	if err != nil {
		return err
	}
	for n, end := range ends {
		if stored[n] < end-behind {
			return fmt.Errorf("%s is at %d of %d in %s/%d", group, stored[n], end, name, n)
		}
	}
	return nil
}

// Stored are the positions that the store holds for a sink's group; 0 where there is none.
func Stored(ctx context.Context, conn *pgx.Conn, group, name string, partitions int) ([]int64, error) {
	next := make([]int64, partitions)
	for n := range next {
		err := conn.QueryRow(ctx, "SELECT coalesce(max(NEXT_OFFSET), 0) FROM dbo.RINGBACK_POSITION WHERE CONSUMER_GROUP = $1 AND TOPIC = $2 AND PARTITION_ID = $3", group, name, n).Scan(&next[n])
		if err != nil {
			return nil, fmt.Errorf("oracle: position of %s in %s/%d: %w", group, name, n, err)
		}
	}
	return next, nil
}

// Logs finds what no service may ever print in the logs of a directory, which has some.
func (f *Findings) Logs(dir string) error {
	bad := f.Check("no panic and no data race")
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no logs in %s", dir)
	}
	if err != nil {
		return fmt.Errorf("oracle: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("oracle: %w", err)
		}
		for _, sign := range []string{"panic:", "DATA RACE", "fatal error:"} {
			if at := strings.Index(string(text), sign); at >= 0 {
				bad("%s:\n%s", file, text[at:min(at+2000, len(text))])
			}
		}
	}
	return nil
}
