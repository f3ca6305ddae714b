package journal

import (
	"maps"
	"slices"

	"github.com/ecssd/ecssd/internal/plan"
)

// Methods of before, until their users use State, Update and Flush.

func (j *Journal) ZoneID(name string) string { return j.State().Zones[name] }

func (j *Journal) SetZoneID(name, id string) error {
	if j.ZoneID(name) == id {
		return j.Err()
	}
	j.Update(func(s *State) {
		s.Zones = map[string]string{}
		if id != "" {
			s.Zones[name] = id
		}
	})
	return j.Flush()
}

func (j *Journal) ZonesWithRecords() []string { return slices.Sorted(maps.Keys(j.State().Records)) }

func (j *Journal) Records(zone string) plan.Current { return maps.Clone(j.State().Records[zone]) }

func (j *Journal) SetRecords(zone string, known plan.Current) error {
	j.Update(func(s *State) { s.SetRecords(zone, known) })
	return j.Flush()
}

func (j *Journal) Stops() []Stop { return j.State().Stops }

func (j *Journal) SetStops(stops []Stop) {
	stops = slices.Clone(stops)
	j.Update(func(s *State) { s.Stops = stops })
}

func (j *Journal) ListingDue() bool { return j.State().ListingDue }

func (j *Journal) Listed() error {
	j.Update(func(s *State) { s.ListingDue = false })
	return j.Flush()
}
