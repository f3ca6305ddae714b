package simulation

import (
	"math/rand/v2"
	"strings"
	"time"
)

// failureMode is one way in which things go wrong. A day has some of them, so that one does not hide what another would
// show.
type failureMode string

const (
	agentCrashes       failureMode = "crashes"   // the agent is killed at any point
	introspectionFails failureMode = "mute"      // the ECS agent does not answer some of the calls
	clockSteps         failureMode = "clocks"    // the Engine's clock steps
	manualEdits        failureMode = "people"    // somebody edits and deletes records by hand
	inventoryFails     failureMode = "blind"     // some calls of ECS and EC2 fail
	streamsEnd         failureMode = "cuts"      // event streams end
	streamsSilent      failureMode = "deafness"  // event streams stay open and carry no event
	eventsLate         failureMode = "lateness"  // events arrive late
	engineRestarts     failureMode = "engines"   // the Engine restarts
	engineRefuses      failureMode = "refusals"  // the Engine refuses calls
	route53Fails       failureMode = "storms"    // Route 53 throttles, fails, loses answers
	diskFails          failureMode = "disks"     // the disk cannot be written, or the journal is damaged
	hostReboots        failureMode = "reboots"   // the host reboots
	hostDies           failureMode = "deaths"    // the host dies for good
	sweeperRuns        failureMode = "sweeper"   // the sweeper makes passes
	sharedNames        failureMode = "company"   // others have records of the same names, with another TTL
	fullNames          failureMode = "crowds"    // a name has as many records as Route 53 allows
	crashLoops         failureMode = "loops"     // containers crash again and again
	hostNotices        failureMode = "leavings"  // the host gets a notice that it is about to be terminated
	stopIgnored        failureMode = "survivors" // containers run on after their stop signal
	inventoryEmpty     failureMode = "amnesia"   // ECS lists no tasks
	hostHangs          failureMode = "hangs"     // EC2 and ECS report the host as hung
	inspectHangs       failureMode = "stuck"     // inspections of some containers hang; listings and events go on
	diskRestored       failureMode = "restores"  // the host's disk is restored from a snapshot
	clonedImages       failureMode = "images"    // the host starts from a machine image of a host on standby
	permissionsChange  failureMode = "permits"   // IAM denies changes: all, or some types or names
	addressIsTaken     failureMode = "squats"    // others have A records under the names of hosts
)

// firstModes are drawn first. Modes that came later are drawn from generators of their own, so that the days of known
// seeds stay as they were.
var firstModes = []failureMode{
	agentCrashes,
	introspectionFails,
	clockSteps,
	manualEdits,
	inventoryFails,
	streamsEnd,
	streamsSilent,
	eventsLate,
	engineRestarts,
	engineRefuses,
	route53Fails,
	diskFails,
	hostReboots,
	hostDies,
	inventoryEmpty,
	hostHangs,
	sweeperRuns,
	sharedNames,
	fullNames,
	crashLoops,
	hostNotices,
	stopIgnored,
}

// hostFault are the modes that strike one host at one moment.
var hostFault = map[failureMode]bool{
	agentCrashes:   true,
	streamsEnd:     true,
	streamsSilent:  true,
	eventsLate:     true,
	clockSteps:     true,
	engineRestarts: true,
	engineRefuses:  true,
	diskFails:      true,
	hostReboots:    true,
	hostDies:       true,
	hostNotices:    true,
	hostHangs:      true,
	inspectHangs:   true,
}

// drawModes draws the day's failure modes, and returns their names. first and later are the generators, which others
// use after it.
func (w *world) drawModes(first, later *rand.Rand) string {
	var names []string
	draw := func(mode failureMode, r *rand.Rand, oneIn int, also bool) {
		if r.IntN(oneIn) > 0 && !also {
			return
		}
		w.modes[mode] = true
		names = append(names, string(mode))
		if hostFault[mode] {
			w.hostFaults = append(w.hostFaults, mode)
		}
	}
	for _, mode := range firstModes {
		// These modes matter only where the sweeper runs.
		needed := mode == sweeperRuns &&
			(w.on(inventoryFails) || w.on(hostDies) || w.on(inventoryEmpty) || w.on(hostHangs))
		draw(mode, first, 3, needed)
	}
	for _, mode := range []failureMode{diskRestored, clonedImages, inspectHangs} {
		draw(mode, later, 4, false)
	}
	own := rand.New(rand.NewPCG(w.seed, 2))
	for _, mode := range []failureMode{permissionsChange, addressIsTaken} {
		draw(mode, own, 6, false)
	}
	return strings.Join(names, ", ")
}

// setIntervals derives limits and intervals from the failure modes.
func (w *world) setIntervals(r *rand.Rand) {
	w.checksContainers = rand.New(rand.NewPCG(w.seed, 301)).IntN(3) == 0
	w.bound = bound
	if w.on(permissionsChange) || w.on(addressIsTaken) || w.on(fullNames) {
		w.bound = probeBound
	}
	w.resync = time.Minute
	if w.on(streamsSilent) {
		w.resync = 10 * time.Second // only a listing finds a change without an event, and has to within the bound
	}
	w.verifyEvery = []time.Duration{15 * time.Minute, 15 * time.Minute, 15 * time.Second}[r.IntN(3)]
	if w.on(manualEdits) || w.on(inventoryEmpty) {
		w.verifyEvery = 15 * time.Second // only verification finds what others have changed
	}
}

// on reports whether a failure mode is among those of this day and still active.
func (w *world) on(mode failureMode) bool { return w.modes[mode] }
