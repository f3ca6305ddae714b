package outcome_test

import (
	"fmt"

	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func Example() {
	web := record.Record{
		Name:   "web.servicediscovery.internal",
		Type:   record.SRV,
		SetID:  "i-1:ecs:c0ffee:80/tcp",
		Weight: 1,
		Value:  "1 1 32768 ip-10-0-0-1.servicediscovery.internal",
	}
	r := outcome.NewReporter(func(o outcome.Outcome) { fmt.Println(o.Kind, o.Record.Name) }, plan.Current{})
	r.Update(plan.Current{web.Key(): {Record: web, Unconfirmed: true}}) // not reported: it may not be in the zone
	r.Update(plan.Current{web.Key(): {Record: web}})
	standby := web
	standby.Weight = 0
	r.Update(plan.Current{web.Key(): {Record: standby}})
	r.Update(plan.Current{})
	// Output:
	// registered web.servicediscovery.internal
	// standby web.servicediscovery.internal
	// deregistered web.servicediscovery.internal
}
