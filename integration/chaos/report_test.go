//go:build realcluster

package chaos_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tell prints what came of the run, writes the report, and fails where anything differs.
func (o *outcome) tell(t *testing.T) {
	t.Helper()
	findings := o.findings.List()
	report := o.report(len(findings))
	t.Log("\n" + report)
	if o.settings.report != "" && len(findings) == 0 && !t.Failed() {
		require.NoError(t, os.WriteFile(o.settings.report, []byte(report), 0o644))
	}
	for _, finding := range findings {
		t.Errorf("%s", finding)
	}
	if len(findings) > 0 {
		t.Errorf("seed %d; the logs are kept in %s", o.seed, o.dir)
	}
}

func (o *outcome) report(findings int) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Chaos run of %s", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	line("")
	line("Written by `scripts/chaos`; the package `integration/chaos` says how it works. 3 brokers (Apache Kafka, replication 3,")
	line("min.insync.replicas 2), PostgreSQL, a schema registry, a simulated T-Server; 2 each of producer, enricher, sink infomart and")
	line("sink tserver as processes; a proxy that injects faults before each broker, the database, the registry and T-Server.")
	line("")
	line("| | |")
	line("|---|---|")
	line("| seed | %d |", o.seed)
	line("| result | %s |", map[bool]string{true: "nothing differs", false: fmt.Sprintf("%d findings", findings)}[findings == 0])
	line("| duration | %s, of which %s under fire |", o.took.Round(time.Second), o.fire().Round(time.Second))
	line("| SIGKILLs | %d |", o.d.killed())
	in := o.feed.Injected()
	line("| events accepted | %d, among them %d conflicts, %d late ones and %d sessions without mandatory KVPs, on purpose |", o.client.Count(), in.Conflicts, in.Late, in.Lacking)
	var read, applied, already, dead, ticks int64
	for _, p := range o.positions {
		read, applied, already, dead, ticks = read+p.Read, applied+p.Applied, already+p.AlreadyApplied, dead+p.DeadLettered, ticks+p.Ticks
	}
	line("| lifecycle records | %d = %d applied + %d already applied + %d dead-lettered + %d ticks; %d were garbage |", read, applied, already, dead, ticks, o.garbage)
	line("| UserEvents, attached data | %d, %d, each byte for byte what a replay of the log gives |", o.userEvents.Records(), o.attached.Records())
	line("| sessions | %d; the last UserEvent of %d that have ended is what the reference implementation folds (%d pending, %d go on) |",
		o.folded.Sessions, o.folded.Checked, o.folded.Pending, o.folded.Open)
	line("| store | %d facts, equal to those of an undisturbed store filled once from the same UserEvents |", o.facts)
	line("| changelog | compaction removed %d records meanwhile |", o.compacted)
	line("| T-Server | %d messages owed, %d distributed, each as its record has it; %d of them repeated, each announced again by the ledger because of a fault (%d from a former owner, after a freeze or a cut) |",
		o.sends.Ledger, o.sends.Distributed, o.sends.Repeated, o.sends.Former)
	line("")
	table := func(head, column string, counts map[string]int) {
		line("| %s | %s |", head, column)
		line("|---|---|")
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			line("| %s | %d |", name, counts[name])
		}
		line("")
	}
	table("victim", "SIGKILLs", o.d.kills)
	table("other fault", "times", o.d.faults)
	table("answer to an event", "times", o.client.Statuses())
	table("dead letters", "number", o.dead.ByReason)
	line("| check | differs |")
	line("|---|---|")
	names, counts := o.findings.Checks()
	for _, name := range names {
		line("| %s | %d |", name, counts[name])
	}
	return b.String()
}

// fire is how long things were being killed.
func (o *outcome) fire() time.Duration {
	for _, l := range o.d.log {
		var at float64
		if strings.Contains(l, "nothing more is killed") {
			if _, err := fmt.Sscanf(strings.TrimSpace(l), "%fs", &at); err == nil {
				return time.Duration(at * float64(time.Second))
			}
		}
	}
	return 0
}
