package sweep

// Report says what a pass has found and done. All but Seconds count records, if not said otherwise.
type Report struct {
	DryRun bool `json:"dryRun,omitempty"`

	Seen      int `json:"seen"`      // of ecssd and the original agent
	Stale     int `json:"stale"`     // to be deleted, those refused included
	Unhealthy int `json:"unhealthy"` // failing their checks
	Refused   int `json:"refused"`   // stale, and not deleted because too many would go without proof
	Skipped   int `json:"left"`      // out of order, and not the sweeper's to mend

	Deleted   int `json:"deleted"`
	Standby   int `json:"standby"`
	Restored  int `json:"restored"`
	Rewritten int `json:"rewritten"` // names given another TTL
	// changes not made because the record has changed since it was read, or was changed so by a call whose answer was
	// lost, or because its instance runs again
	Conflicts int `json:"overtaken"`
	// changes there was no time for, or that failed, and hosts' own records that wait for others of the host
	NotDone      int `json:"notDone"`
	TasksStopped int `json:"tasksStopped"`

	// Stuck are containers of which ECS knows no Engine's ID although their tasks are old, the first maxStops of them.
	Stuck []Stuck `json:"stuck,omitempty"`

	// the first maxStops of the tasks that are stopped, or in a dry run would be
	Stops       []Stop `json:"stops,omitempty"`
	TasksSpared string `json:"tasksSpared,omitempty"` // why none is, although checks fail for which one would be

	// NegativeTTL is what the zone's SOA record is lowered to, or in a dry run would be, in seconds; 0 where it stays.
	NegativeTTL int64 `json:"negativeTtl,omitempty"`

	// The zone's records of any kind, before the pass, and how many it may have; 0 where that was not to be learnt.
	ZoneRecords int64 `json:"zoneRecords,omitempty"`
	ZoneQuota   int64 `json:"zoneQuota,omitempty"`

	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
	// Findings are the records that are not as they should be, the first maxFindings of them.
	Findings []Finding `json:"findings,omitempty"`
}

// Finding is one record that is not as it should be.
type Finding struct {
	Verdict Verdict `json:"verdict"`
	Name    string  `json:"name"`
	Type    string  `json:"type"`
	SetID   string  `json:"setId"`
	Reason  string  `json:"reason"`
}

const (
	// maxFindings keeps the report below the 256 KB that an asynchronous invocation may carry.
	maxFindings = 500
	// maxLeft of them are left, as every record of another region's hosts is in every pass: they hide nothing else.
	maxLeft = 250
	// maxStops do for a person to see what is going on.
	maxStops = 100
)

func (r *Report) count(judgements []Judgement, checked results) {
	r.Seen = len(judgements)
	for key := range checked {
		if checked.failed(key) != nil {
			r.Unhealthy++
		}
	}
	for _, j := range judgements {
		switch {
		case j.Verdict.deletes():
			r.Stale++
		case j.Verdict == Refused:
			r.Stale++
			r.Refused++
		case j.Verdict == Skipped:
			r.Skipped++
		}
		if j.Verdict != Keep && len(r.Findings) < maxFindings && (j.Verdict != Skipped || r.Skipped <= maxLeft) {
			r.Findings = append(r.Findings, Finding{
				j.Verdict,
				j.Record.Name,
				string(j.Record.Type),
				j.Record.SetID,
				j.Reason,
			})
		}
	}
}

// done counts a change that was made.
func (r *Report) done(verdict Verdict) {
	switch {
	case verdict.deletes():
		r.Deleted++
	case verdict == Standby:
		r.Standby++
	case verdict == Restore:
		r.Restored++
	case verdict == rewrite:
		r.Rewritten++
	}
}
