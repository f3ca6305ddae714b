package simulation

// feature is a kind of trouble. Each seed has some of them, so that one does not hide what another would show.
type feature string

const (
	crashes  feature = "crashes"   // of agents, at any point
	mute     feature = "mute"      // the ECS agent does not answer at times
	clocks   feature = "clocks"    // the Engine's clock steps
	people   feature = "people"    // edit and delete records by hand
	blind    feature = "blind"     // ECS and EC2 cannot be read at times
	cuts     feature = "cuts"      // streams of events end
	deafness feature = "deafness"  // streams of events go on and tell nothing
	lateness feature = "lateness"  // of events
	engines  feature = "engines"   // restart
	refusals feature = "refusals"  // Engines that refuse calls
	storms   feature = "storms"    // Route 53 fails
	disks    feature = "disks"     // fail, and journals are lost
	reboots  feature = "reboots"   // of hosts
	deaths   feature = "deaths"    // of hosts, for good
	sweeper  feature = "sweeper"   // makes passes
	company  feature = "company"   // others have records of the same names, with a TTL of their own
	crowds   feature = "crowds"    // names are full
	loops    feature = "loops"     // containers that crash again and again
	leavings feature = "leavings"  // hosts are told that they are about to go
	survivor feature = "survivors" // containers that outlive their stop signal
	amnesia  feature = "amnesia"   // ECS says that it has no tasks
	hangs    feature = "hangs"     // of hosts, as EC2 and ECS see it
	stuck    feature = "stuck"     // containers that the Engine does not tell of, while it lists all and sends events
	// Those below are drawn apart, so that the days that were known before they were have not changed.
	restores feature = "restores" // of hosts' disks from snapshots
	images   feature = "images"   // of hosts on standby, of which hosts are made
	permits  feature = "permits"  // Route 53 denies changes at times: all, or by type or name
	squats   feature = "squats"   // others have A records under the names of hosts
)

var allFeatures = []feature{
	crashes,
	mute,
	clocks,
	people,
	blind,
	cuts,
	deafness,
	lateness,
	engines,
	refusals,
	storms,
	disks,
	reboots,
	deaths,
	amnesia,
	hangs,
	sweeper,
	company,
	crowds,
	loops,
	leavings,
	survivor,
}

// befalling are the kinds of trouble that come upon a host at some moment.
var befalling = map[feature]bool{
	crashes: true, cuts: true, deafness: true, lateness: true, clocks: true, engines: true, refusals: true, disks: true, reboots: true,
	deaths: true, leavings: true, hangs: true, stuck: true,
}
