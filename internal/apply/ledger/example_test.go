package ledger_test

import (
	"fmt"

	"github.com/ecssd/ecssd/internal/apply/ledger"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// A record is unconfirmed from before the call until its outcome is known, and is written once more where the answer is
// lost.
func Example() {
	web := record.Record{Name: "web.servicediscovery.internal", Type: record.SRV, SetID: "i-1:ecs:c0ffee:80/tcp"}
	l := ledger.New(plan.Current{})
	l.SetDesired([]plan.Desired{{Record: web}})
	none := func(record.Record) bool { return false }

	batch := l.Changes(none)
	call := l.Begin(batch)
	fmt.Println("sent:", batch[0].Action, "unconfirmed:", l.Current()[web.Key()].Unconfirmed)
	call.Unconfirmed() // the answer was lost

	batch = l.Changes(none)
	l.Begin(batch).Commit()
	fmt.Println("sent:", batch[0].Action, "unconfirmed:", l.Current()[web.Key()].Unconfirmed)
	fmt.Println("left to do:", len(l.Changes(none)))
	// Output:
	// sent: CREATE unconfirmed: true
	// sent: UPSERT unconfirmed: false
	// left to do: 0
}
