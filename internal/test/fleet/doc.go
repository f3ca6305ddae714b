// Package fleet measures how fast ecssd is, and how many calls it makes, on ten to a thousand hosts. The agents are
// those that are deployed (packages agent, apply, journal, endpoint, record, plan; the journals are real files). Each
// has a simulated Engine, and all share one AWS account with the quotas of Route 53, in virtual time
// (testing/synctest). A seed decides everything: the same seed returns the same figures, to the byte. Hosts that make
// one call an event, as the predecessors of ecssd do, play the same scenes.
//
// All of it is in tests. `go test ./internal/test/fleet` plays small scenes and checks what must hold for them;
// `make fleet` plays all scenes and writes the table and the plot in docs.
//
// These are simulated:
//
//   - Route 53's quotas (developer guide, "Throttling for Amazon Route 53 API requests"): a token bucket for the
//     account and one for each action, 50 tokens and 10 more a second; one of changes for the account, 1,500 and 100
//     more a second, of which an UPSERT takes 2 (second-hand); and the older quota, 5 calls and 5 (the same guide,
//     "Quotas", of 2023)
//   - what a throttled call costs, which AWS does not document: nothing; or what is in the bucket, which is less than
//     one token, so that calls which come more often than tokens keep the bucket empty
//   - PriorRequestNotComplete: a change is refused while another one of the zone is being processed, 30 to 50 ms.
//     Whether Route 53 still does so since it has the quotas above is not documented, so that it can be switched off
//   - latency: 60 to 100 ms a call, half of it on the way; 5 ms for a look at the Engine
//   - 100 records a name and type; zones with a raised quota of records
//
// Not simulated are lost answers, hosts that crash and all other faults (package simulation has those), and the CPU:
// hosts do not slow each other down.
package fleet
