// Package fleet measures how fast and how frugal ecssd is from ten hosts to a thousand: so many agents as they are
// deployed (packages agent, apply, journal, endpoint, record, plan; the journals are real files), each with a simulated
// Engine, share one AWS account with the quotas of Route 53, in virtual time (testing/synctest). A seed decides
// everything: the same seed gives the same figures, to the byte. The same scenes are played by hosts that make one call
// an event, as the predecessors of ecssd do.
//
// It is all in tests. `go test ./internal/test/fleet` plays small scenes and holds them to what has to be true of them;
// `make fleet` plays all scenes and writes the table and the plot in docs.
//
// Modelled are:
//
//   - Route 53's quotas (developer guide, "Throttling for Amazon Route 53 API requests"): a token bucket for the account and
//     one for each action, 50 tokens and 10 more a second; one of changes for the account, 1,500 and 100 more a second, of
//     which an UPSERT takes 2 (second-hand); and the older quota, 5 calls and 5 (the same guide, "Quotas", of 2023)
//   - what a throttled call costs, which AWS does not say: nothing; or a token of calls, by which is meant that it takes what is
//     in the bucket, less than one token, so that calls which come more often than tokens keep the bucket empty
//   - PriorRequestNotComplete: a change is refused while another one of the zone is being processed, 30 to 50 ms. Whether
//     Route 53 still does so since it has the quotas above AWS leaves open, so that it can be switched off
//   - latency: 60 to 100 ms a call, half of it on the way; 5 ms for a look at the Engine
//   - 100 records a name and type; zones with a raised quota of records
//
// Not modelled are lost answers, hosts that crash and all other trouble (package simulation has that), and the CPU:
// hosts do not slow each other down.
package fleet
