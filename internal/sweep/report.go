package sweep

import (
	"github.com/ecssd/ecssd/internal/sweep/change"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// Report is the result of a pass. All fields but Seconds count records, unless they say otherwise.
type Report struct {
	DryRun bool `json:"dryRun,omitempty"`

	Seen      int `json:"seen"`      // written by ecssd or the original agent
	Stale     int `json:"stale"`     // to be deleted, including those refused
	Unhealthy int `json:"unhealthy"` // failing their checks
	Refused   int `json:"refused"`   // stale, and kept because too many would be deleted without proof
	Skipped   int `json:"left"`      // something is wrong, but the sweeper does not act

	Deleted   int `json:"deleted"`
	Standby   int `json:"standby"`
	Restored  int `json:"restored"`
	Rewritten int `json:"rewritten"` // names given another TTL
	// Conflicts are changes that were dropped: the record has changed since it was read (or was changed by a call whose
	// answer was lost), or its instance is running again.
	Conflicts int `json:"overtaken"`
	// NotDone are changes for which there was no time, or that failed, and A records of hosts that wait for other
	// records of the host.
	NotDone      int `json:"notDone"`
	TasksStopped int `json:"tasksStopped"`

	// Stuck are containers without runtimeId although their tasks are old, the first maxStops of them.
	Stuck []evidence.Stuck `json:"stuck,omitempty"`

	// Stops are the first maxStops of the tasks that are stopped, or in a dry run would be.
	Stops       []Stop `json:"stops,omitempty"`
	TasksSpared string `json:"tasksSpared,omitempty"` // why no task is stopped although checks fail

	// NegativeTTL is what the zone's SOA record is lowered to, or in a dry run would be, in seconds; 0 where it is not.
	NegativeTTL int64 `json:"negativeTtl,omitempty"`

	// The zone's records of any kind, before the pass, and how many it may have; 0 where the quota could not be read.
	ZoneRecords int64 `json:"zoneRecords,omitempty"`
	ZoneQuota   int64 `json:"zoneQuota,omitempty"`

	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
	// Findings are the records whose verdict is not Keep, the first maxFindings of them.
	Findings []Finding `json:"findings,omitempty"`
}

// Finding is one record whose verdict is not Keep.
type Finding struct {
	Verdict evidence.Verdict `json:"verdict"`
	Name    string           `json:"name"`
	Type    string           `json:"type"`
	SetID   string           `json:"setId"`
	Reason  string           `json:"reason"`
}

const (
	// maxFindings keeps the report below the 256 KB that an asynchronous invocation may carry.
	maxFindings = 500
	// maxSkipped bounds the findings with verdict Skipped. Records of another region's hosts have it in every pass, and
	// would leave no room for others.
	maxSkipped = 250
	// maxStops is how many tasks a report names.
	maxStops = 100
)

// decided counts what was found.
func (r *Report) decided(decisions []decision, checked results) {
	r.Seen = len(decisions)
	for key := range checked {
		if checked.failed(key) != nil {
			r.Unhealthy++
		}
	}
	for _, d := range decisions {
		verdict, reason := d.outcome()
		switch {
		case verdict.Deletes():
			r.Stale++
		case verdict == evidence.Refused:
			r.Stale++
			r.Refused++
		case verdict == evidence.Skipped:
			r.Skipped++
		}
		room := len(r.Findings) < maxFindings && (verdict != evidence.Skipped || r.Skipped <= maxSkipped)
		if verdict != evidence.Keep && room {
			r.Findings = append(r.Findings, Finding{
				Verdict: verdict,
				Name:    d.Name,
				Type:    string(d.Type),
				SetID:   d.SetID,
				Reason:  reason,
			})
		}
	}
}

// changed counts what was changed.
func (r *Report) changed(result change.Result) {
	r.Deleted = result.Done[change.Delete]
	r.Standby = result.Done[change.Standby]
	r.Restored = result.Done[change.Restore]
	r.Rewritten = result.Done[change.TTL]
	r.Conflicts, r.NotDone = result.Conflicts, result.NotDone
}
