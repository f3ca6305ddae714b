// Package simulation plays days on which everything goes wrong: the agents of several hosts and the sweeper as they are
// deployed, in virtual time (testing/synctest), among simulated Engines, Route 53, ECS, EC2 and disks that fail in
// every way that they are known to fail. A seed decides everything, so that a day that went wrong can be played again;
// invariants are checked all day long against what the simulated Engines know, which is computed here once more and not
// asked of the product.
//
// It is all in tests: run_test.go is the way in. Of the product there run agent, apply, journal (on real files),
// endpoint, record, plan and sweep. Modelled are, at the interfaces that agent and sweep declare:
//
//   - Engines: lives of containers, events in order, late or lost, streams that are cut or deaf, snapshots that take time and
//     of which unchanged parts come from a cache, containers that it does not tell of for a while, restarts of the Engine in which
//     containers die unseen, clock steps
//   - Route 53: atomic batches, exact removals, one TTL a name, 100 records a name, throttles, answers that are lost before or
//     after the change was made, hanging calls, refusals that name the change and ones that do not, policies that deny all or some
//     changes for a while, A records of others under the names of hosts
//   - hosts: the agent's death at any moment, also between the journal and the call and between the call and the journal;
//     journals that are corrupt, lost, old, of another host, or cannot be written; reboots, and deaths for good; machine images
//     of a host on standby
//   - ECS and EC2, as the sweeper sees them: late, unreadable, wrong about all tasks, or taking a host for hung
//   - other people: records of other owners, and somebody who edits and deletes records by hand
//
// Not modelled are the wire formats (packages docker, route53, ecs and host have tests against real servers), clock
// steps of the host itself (synctest's clock does not step; the Engine's does), awsvpc, the HTTP checks of the sweeper,
// zones that vanish, memory and CPU.
package simulation
