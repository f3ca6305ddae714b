package verify_test

import (
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/apply/verify"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// The first reading begins with the host's own address. Its page shows all that the host has, so it is read each time.
func Example() {
	host := record.Record{Name: "ip-10-0-0-1.servicediscovery.internal", Type: record.A, SetID: "i-1:host:-"}
	web := record.Record{Name: "web.servicediscovery.internal", Type: record.SRV, SetID: "i-1:ecs:c0ffee:80/tcp"}
	own := verify.OwnOf(plan.Current{host.Key(): {Record: host}, web.Key(): {Record: web}})
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

	s := verify.New(15*time.Minute, func() float64 { return 0.5 })
	reading, due := s.Begin(own, now)
	fmt.Println(reading.First.Name, due)
	s.Covered(host.Group())
	s.Covered(web.Group())
	s.Done(reading, func(string, record.Type) bool { return true }, 0, now)
	fmt.Println("next later:", s.Next(now).After(now))
	// Output:
	// ip-10-0-0-1.servicediscovery.internal true
	// next later: true
}
