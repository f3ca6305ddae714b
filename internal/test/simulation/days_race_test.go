//go:build race

package simulation

// days is how many are played with the race detector, with which a day takes several times as long. What breaks a rule
// does so without it, too; here they are for the races, and goroutines meet in the same ways every day.
const days = 300
