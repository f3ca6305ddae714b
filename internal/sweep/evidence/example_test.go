package evidence_test

import (
	"fmt"
	"strings"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// EC2 reports that the instance of the first record is gone. The second record is somebody else's: there is no evidence
// on it, so that nobody touches it.
func Example() {
	const instance = "i-0123456789abcdef0"
	container := strings.Repeat("c0ffee00", 8)
	entries := evidence.Parse([]record.Record{
		{Name: "web.servicediscovery.internal", Type: record.SRV, SetID: instance + ":ecs:" + container + ":80/tcp"},
		{Name: "web.servicediscovery.internal", Type: record.SRV, SetID: "blue"},
	})
	fmt.Println("instances to ask EC2 for:", evidence.Instances(entries))
	fleet := evidence.Fleet{Instances: map[string]evidence.Instance{instance: {State: evidence.Gone}}}
	for _, e := range evidence.Judge(entries, fleet) {
		fmt.Println(e.Verdict, e.Reason)
	}
	// Output:
	// instances to ask EC2 for: [i-0123456789abcdef0]
	// dead EC2 reports instance i-0123456789abcdef0 as stopped or terminated
}
