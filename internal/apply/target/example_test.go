package target_test

import (
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/apply/ledger"
	"github.com/ecssd/ecssd/internal/apply/quarantine"
	"github.com/ecssd/ecssd/internal/apply/target"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// A stranger's A record has the host's name, and leads elsewhere: the SRV record that points to it waits.
func Example() {
	host := record.Record{
		Name:  "ip-10-0-0-1.servicediscovery.internal",
		Type:  record.A,
		SetID: "i-1:host:-",
		Value: "10.0.0.1",
	}
	web := record.Record{
		Name:  "web.servicediscovery.internal",
		Type:  record.SRV,
		SetID: "i-1:ecs:c0ffee:80/tcp",
		Value: "1 1 32768 ip-10-0-0-1.servicediscovery.internal",
	}
	l := ledger.New(plan.Current{})
	l.SetDesired([]plan.Desired{{Record: host}, {Record: web}})
	changes := l.Changes(func(record.Record) bool { return false })
	q := quarantine.New(quarantine.Config{
		Adds:    l.Adds,
		Changes: func() []plan.Change { return changes },
		OnHold:  func(quarantine.Held) {},
		Jitter:  func() float64 { return 0 },
	})
	rule := target.New(l, q)
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range changes {
		if c.Record == host {
			q.Hold(c, plan.Conflict, "", true, now)
		}
	}
	rule.DesiredChanged()
	stranger := record.Record{Name: host.Name, Type: record.A, Value: "10.9.9.9"}
	rule.Read(host, []record.Record{stranger}, now)
	fmt.Println("points to", target.Of(web))
	fmt.Println("waits:", rule.Waiting()[web.Key()] != nil)
	// Output:
	// points to ip-10-0-0-1.servicediscovery.internal
	// waits: true
}
