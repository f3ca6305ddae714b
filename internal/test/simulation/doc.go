// Package simulation plays days on which everything goes wrong: the agents of several hosts and the sweeper as they are
// deployed, in virtual time (testing/synctest), among simulated Engines, Route 53, ECS, EC2 and disks that fail in
// every way that they are known to fail. A seed decides everything, so a day that went wrong can be played again. All
// day long the zone is compared with what it should hold. That is computed here once more, from what the simulated
// Engines know, without the product's packages.
//
// All of it is in tests; run_test.go is the entry. Of the product there run agent, apply, journal (on real files),
// endpoint, record, plan and sweep. These are simulated, at the interfaces that agent and sweep declare:
//
//   - Engines: lives of containers; events in order, late or lost; event streams that end or fall silent; listings and
//     inspections that take time, fail or hang, with the cache that package docker keeps; restarts of the Engine in
//     which containers die without an event; clock steps
//   - Route 53: atomic batches, exact removals, one TTL a name, 100 records a name, throttling, answers that are lost
//     before or after the change was made, hanging calls, refusals that name the change and ones that do not, policies
//     that deny all or some changes for a while, A records of others under the names of hosts
//   - hosts: the agent's death at any moment, also between the journal and the call and between the call and the
//     journal; journals that are corrupt, lost, old, of another host, or cannot be written; reboots and terminations;
//     machine images of a host on standby
//   - ECS and EC2, as the sweeper sees them: late, unreadable, without any tasks, or reporting a host as hung
//   - other people: records of other owners, and somebody who edits and deletes records by hand
//
// Not simulated are the wire formats (packages docker, route53, ecs and host have tests against real servers), clock
// steps of the host itself (synctest's clock does not step; the Engine's does), awsvpc, zones that vanish, memory and
// CPU.
package simulation
