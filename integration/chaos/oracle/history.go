package oracle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ringback/ringback/pkg/infomart"
)

// History is what became of each line of T-Server's ledger and when, and what was done to the parts meanwhile.
type History struct {
	Announced map[string][]time.Time // by ID: when the line was written as SENDING, each time
	Ended     map[string]time.Time   // when it ended
	Faults    []Fault
}

// Fault is something that was done to T-Server, to one of its sinks, or to what they work with.
type Fault struct {
	What     string // such as "kill simulator"
	From, To time.Time
	// Former: it may leave a sink behind that still sends though its partition has another owner, or a request that
	// still arrives. What was frozen or cut off does; what was killed is gone.
	Former bool
}

// Rest is how long a fault has consequences after its end. A member of a group that was held up or cut off is thrown
// out within the session timeout (10 s), learns of it with the next heartbeat (1 s), and sees the batch that is under
// way through for TSERVER_DRAIN (10 s) at most.
const Rest = 21 * time.Second

// meets tells whether one of the faults, of the kind that leaves a former owner behind or of any, has consequences
// between two instants.
func (h *History) meets(from, to time.Time, former bool) bool {
	return slices.ContainsFunc(h.Faults, func(f Fault) bool {
		return (f.Former || !former) && !f.From.After(to) && !from.After(f.To.Add(Rest))
	})
}

// killed is how often a part was killed.
func (h *History) killed(name string) (n int) {
	for _, f := range h.Faults {
		if f.What == "kill "+name {
			n++
		}
	}
	return n
}

// announcedBy is how often a line had been written as SENDING by then.
func (h *History) announcedBy(id string, at time.Time) int {
	n := 0
	for _, t := range h.Announced[id] {
		if !t.After(at) {
			n++
		}
	}
	return n
}

// announcedBetween tells whether a line was written as SENDING between two instants.
func (h *History) announcedBetween(id string, from, to time.Time) bool {
	return slices.ContainsFunc(h.Announced[id], func(t time.Time) bool { return !t.Before(from) && !t.After(to) })
}

// KeepHistory has the database remember every change of the ledger, in the transaction of the change. The clock is
// read before the line is committed, and a sink sends only after that.
func KeepHistory(ctx context.Context, url string) error {
	return connected(ctx, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `CREATE TABLE dbo.LEDGER_HISTORY (ID text, STATE text, AT timestamptz);
			CREATE FUNCTION dbo.REMEMBER() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				INSERT INTO dbo.LEDGER_HISTORY VALUES (NEW.ID, NEW.STATE, clock_timestamp());
				RETURN NULL;
			END $$;
			CREATE TRIGGER REMEMBER AFTER INSERT OR UPDATE ON dbo.RINGBACK_TSERVER_LEDGER FOR EACH ROW EXECUTE FUNCTION dbo.REMEMBER()`)
		return err
	})
}

// ReadHistory reads what KeepHistory has had remembered.
func ReadHistory(ctx context.Context, url string, faults []Fault) (*History, error) {
	h := &History{Announced: map[string][]time.Time{}, Ended: map[string]time.Time{}, Faults: faults}
	return h, connected(ctx, url, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT ID, STATE, AT FROM dbo.LEDGER_HISTORY ORDER BY AT")
		if err != nil {
			return err
		}
		var id, state string
		var at time.Time
		_, err = pgx.ForEachRow(rows, []any{&id, &state, &at}, func() error {
			if state == string(infomart.StateSending) {
				h.Announced[id] = append(h.Announced[id], at)
			} else if _, ended := h.Ended[id]; !ended {
				h.Ended[id] = at
			}
			return nil
		})
		return err
	})
}

func connected(ctx context.Context, url string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		defer conn.Close(ctx) //nolint:errcheck // what it was opened for is done
		err = do(conn)
	}
	if err != nil {
		return fmt.Errorf("oracle: history of the ledger: %w", err)
	}
	return nil
}
