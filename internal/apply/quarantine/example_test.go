package quarantine_test

import (
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// One change is refused. It waits, and the other gets through.
func Example() {
	change := func(name string) plan.Change {
		r := record.Record{Name: name, Type: record.SRV, SetID: "i-1:ecs:c0ffee:80/tcp"}
		return plan.Change{Action: plan.Create, Record: r}
	}
	bad, good := change("bad.servicediscovery.internal"), change("good.servicediscovery.internal")
	changes := []plan.Change{bad, good}
	q := quarantine.New(quarantine.Config{
		Adds:    func(plan.Change) bool { return true },
		Changes: func() []plan.Change { return changes },
		OnHold:  func(h quarantine.Held) { fmt.Println("held back:", h.Change.Record.Name, h.Reason) },
		Jitter:  func() float64 { return 0 },
	})
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	q.Hold(bad, plan.NameFull, "Exceeded limit on number of weighted records", true, now)
	q.Update(changes, now)
	admitted, due := q.Admit(changes, now)
	for _, c := range admitted {
		fmt.Println("sent:", c.Record.Name)
	}
	fmt.Println("tried again:", due.After(now))
	// Output:
	// held back: bad.servicediscovery.internal name full
	// sent: good.servicediscovery.internal
	// tried again: true
}
