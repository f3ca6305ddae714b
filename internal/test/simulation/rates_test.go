package simulation

// failureRates are how often Route 53 fails, in percent of the calls.
type failureRates struct {
	name                                               string
	throttle, prior, internal, lost, reset, hang, slow int
	unnamed                                            int // refusals that do not name the change
}

var allFailureRates = []failureRates{
	{name: "fair"},
	{name: "throttled", throttle: 60, prior: 15},
	{name: "prior changes", prior: 50},
	{
		name:     "storm",
		internal: 30,
		lost:     20,
		reset:    20,
		hang:     10,
		slow:     20,
	},
	{name: "lossy", lost: 40, reset: 10},
	{name: "outage", internal: 80, hang: 20},
	{
		name:     "drizzle",
		throttle: 5,
		internal: 5,
		lost:     5,
		reset:    5,
		slow:     10,
		unnamed:  50,
	},
	{name: "slow", slow: 70, unnamed: 20},
}
