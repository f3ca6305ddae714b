//go:build !race

package simulation

// days is how many are played where nothing else is asked for: as many as bite takes to find each of the faults in
// testdata/faults.
const days = 2000
