package plan

import "github.com/ecssd/ecssd/internal/record"

// Desired is a record that a host should have in the zone.
type Desired struct {
	Record record.Record
	// Run identifies the present run and health state of the container that the record is for. A record that was
	// written for this run stays on standby if the sweeper has put it there since.
	Run string
	// IfKnown keeps the record right where the host has it, and creates none where it has not.
	IfKnown bool
}

// KeepsMark reports whether the sweeper's standby mark stays on the record of e. The mark belongs to what the sweeper
// judged: that run of the container, at that address and port. A record that is to be on standby anyway does not keep
// it, or the sweeper would restore its weight.
func (e Entry) KeepsMark(d Desired) bool {
	return e.Record.Marked() && e.Run != "" && e.Run == d.Run && d.Record.Weight > 0 && e.Record.SameTarget(d.Record)
}

// FromEarlierRun reports whether the record of e was written for an earlier run of its container and would not change
// for the present one. It is written once more then: the sweeper may have marked it for the earlier run, and a mark
// found later is for this one.
func (e Entry) FromEarlierRun(d Desired) bool {
	return e.Run != "" && d.Run != "" && e.Run != d.Run && d.Record.Type == record.SRV && d.Record.Weight > 0
}
