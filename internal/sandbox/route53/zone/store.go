// Package zone keeps hosted zones in memory and changes them by Route 53's rules: names, order, paging, atomic change
// batches, limits, and the wording of what it refuses. It knows no HTTP, no XML and no DNS packets.
//
// Facts and wordings come from the Route 53 developer guide and API reference, and from error messages that people have
// published. Where those disagree or are silent, Rules chooses the behaviour.
package zone

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Rules are the quotas that AWS may raise, and the behaviours that are documented in two ways or not at all. The zero
// value of a quota stands for AWS's default.
type Rules struct {
	MaxSets     int `json:"maxSets"`     // of one zone; 10,000
	MaxWeighted int `json:"maxWeighted"` // of one name and type; 100

	// LastTTLWins makes a weighted set's new TTL that of its whole group (developer guide,
	// resource-record-sets-values-weighted) instead of refusing the change (which is what people report).
	LastTTLWins bool `json:"lastTtlWins"`
	// UnclosedIdentifier leaves out the closing quote after a set identifier in messages, as was seen in 2013.
	UnclosedIdentifier bool `json:"unclosedIdentifier"`
	// NormalizeValues stores and compares targets in lower case with a final dot, and numbers without leading zeros.
	// Otherwise values are kept as they were sent.
	NormalizeValues bool `json:"normalizeValues"`
	// Propagation is how long DNS takes to see a change, and GetChange returns PENDING. Listing sees it at once.
	Propagation time.Duration `json:"-"`
}

func (r Rules) withDefaults() Rules {
	r.MaxSets = cmp.Or(r.MaxSets, 10000)
	r.MaxWeighted = cmp.Or(r.MaxWeighted, 100)
	return r
}

// VPC that a private hosted zone is associated with.
type VPC struct {
	ID     string `json:"id"`
	Region string `json:"region"`
}

// Zone describes a hosted zone.
type Zone struct {
	ID              string `json:"id"`   // without /hostedzone/
	Name            string `json:"name"` // escaped, with the final dot
	Private         bool   `json:"private"`
	VPCs            []VPC  `json:"vpcs,omitempty"`
	Comment         string `json:"comment,omitempty"`
	CallerReference string `json:"callerReference"`
	// CloudMap marks a zone that AWS Cloud Map owns: nobody else may change its record sets.
	CloudMap    bool     `json:"cloudMap,omitempty"`
	NameServers []string `json:"nameServers,omitempty"`
	Sets        int      `json:"sets"` // how many record sets it has
}

// In reports whether resolvers of a VPC see the zone as a private one of theirs.
func (z Zone) in(vpc string) bool {
	return z.Private && slices.ContainsFunc(z.VPCs, func(v VPC) bool { return v.ID == vpc })
}

type hostedZone struct {
	id       string
	name     Name
	info     Zone
	current  sorted   // what the API lists
	visible  sorted   // what DNS answers: current, once the commits have propagated
	commits  []commit // not yet visible, in order of time
	sequence int      // order of creation
}

type commit struct {
	visible time.Time
	ops     []op
}

// ChangeInfo is the receipt for an accepted change.
type ChangeInfo struct {
	ID        string // without /change/
	Submitted time.Time
	Pending   bool
	Comment   string
}

// Event is one record set's appearance in, change in, or disappearance from DNS.
type Event struct {
	Time   time.Time `json:"time"` // when DNS begins to show it; with Rules.Propagation this may lie ahead
	ZoneID string    `json:"zoneId"`
	Before *Set      `json:"before,omitempty"` // nil: it appeared
	After  *Set      `json:"after,omitempty"`  // nil: it disappeared
}

// maxEvents bounds the log of events; the oldest go first.
const maxEvents = 200_000

// Store is all hosted zones of one account.
type Store struct {
	now func() time.Time

	mu      sync.Mutex
	random  *rand.Rand
	rules   Rules
	zones   map[string]*hostedZone
	changes map[string]receipt
	events  []Event
	created int
}

type receipt struct {
	info    ChangeInfo
	visible time.Time
}

// New makes an empty store. The random numbers make IDs.
func New(now func() time.Time, random *rand.Rand, rules Rules) *Store {
	return &Store{
		now:     now,
		random:  random,
		rules:   rules.withDefaults(),
		zones:   map[string]*hostedZone{},
		changes: map[string]receipt{},
	}
}

// SetRules changes the rules from now on; what is stored stays.
func (s *Store) SetRules(rules Rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = rules.withDefaults()
}

// Rules in force, with all defaults filled in.
func (s *Store) Rules() Rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules
}

// id makes an ID as AWS's look; s.mu must be held.
func (s *Store) id(prefix string) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	b := make([]byte, 20)
	for i := range b {
		b[i] = alphabet[s.random.IntN(len(alphabet))]
	}
	return prefix + string(b)
}

// Create makes a hosted zone with its SOA and NS record sets. Of the Zone given, Name, Private, VPCs, Comment,
// CallerReference and CloudMap count, and ID where it is set.
func (s *Store) Create(z Zone) (Zone, ChangeInfo, error) {
	name, err := ParseName(z.Name)
	if err != nil {
		return Zone{}, ChangeInfo{}, refuse(InvalidDomainName, "%s", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if z.CallerReference == "" {
		z.CallerReference = s.id("")
	}
	if z.ID == "" {
		z.ID = s.id("Z")
	}
	if err := s.conflict(z, name); err != nil {
		return Zone{}, ChangeInfo{}, err
	}
	z.Name, z.VPCs = name.text, slices.Clone(z.VPCs)
	servers := s.nameServers(z.Private)
	if !z.Private {
		for _, ns := range servers {
			z.NameServers = append(z.NameServers, ns[:len(ns)-1])
		}
	}
	s.created++
	h := &hostedZone{
		id:       z.ID,
		name:     name,
		info:     z,
		sequence: s.created,
	}
	s.zones[z.ID] = h
	info := s.commit(h, []op{
		h.apex("NS", 172800, servers...),
		h.apex("SOA", 900, servers[0]+" awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"),
	}, "")
	return h.describe(), info, nil
}

// conflict returns why a zone cannot be beside the others, if it cannot.
func (s *Store) conflict(z Zone, name Name) error {
	for _, o := range s.zones {
		if o.info.CallerReference == z.CallerReference {
			return refuse(
				HostedZoneAlreadyExists,
				"A hosted zone has already been created with the specified caller reference.",
			)
		}
		for _, v := range z.VPCs {
			if o.name == name && o.info.in(v.ID) {
				return refuse(
					ConflictingDomainExists,
					"The VPC %s in region %s has already been associated with the hosted zone %s "+
						"with the same domain name.",
					v.ID,
					v.Region,
					o.id,
				)
			}
		}
	}
	if _, taken := s.zones[z.ID]; taken {
		return refuse(HostedZoneAlreadyExists, "hosted zone %s exists", z.ID)
	}
	return nil
}

// nameServers returns four name servers. Those of private zones are the same everywhere.
func (s *Store) nameServers(private bool) (servers []string) {
	if private {
		return []string{
			"ns-1536.awsdns-00.co.uk.",
			"ns-0.awsdns-00.com.",
			"ns-1024.awsdns-00.org.",
			"ns-512.awsdns-00.net.",
		}
	}
	for _, tld := range []string{"com", "net", "org", "co.uk"} {
		servers = append(servers, fmt.Sprintf("ns-%d.awsdns-%02d.%s.", s.random.IntN(2048), s.random.IntN(64), tld))
	}
	return servers
}

func (h *hostedZone) apex(typ string, ttl int64, values ...string) op {
	k := key{h.name.order, typ, ""}
	return op{k, &rrset{Set{
		Name:   h.name.text,
		Type:   typ,
		TTL:    ttl,
		Values: values,
	}, k}}
}

func (h *hostedZone) describe() Zone {
	z := h.info
	z.VPCs, z.NameServers = slices.Clone(z.VPCs), slices.Clone(z.NameServers)
	z.Sets = len(h.current)
	return z
}

// Delete removes a zone that has no record sets but SOA and NS.
func (s *Store) Delete(zoneID string) (ChangeInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.zone(zoneID)
	if err != nil {
		return ChangeInfo{}, err
	}
	needed := func(r *rrset) bool { return r.Name == h.name.text && (r.Type == "NS" || r.Type == "SOA") }
	if slices.ContainsFunc(h.current, func(r *rrset) bool { return !needed(r) }) {
		return ChangeInfo{}, refuse(HostedZoneNotEmpty,
			"The specified hosted zone contains non-required resource record sets and so cannot be deleted.")
	}
	delete(s.zones, zoneID)
	return s.receipt(""), nil
}

// Remove removes a zone whatever is in it, as nobody can through the API.
func (s *Store) Remove(zoneID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.zones, zoneID)
}

// zone by ID; s.mu must be held.
func (s *Store) zone(id string) (*hostedZone, error) {
	if h, ok := s.zones[id]; ok {
		return h, nil
	}
	return nil, refuse(NoSuchHostedZone, "No hosted zone found with ID: %s", id)
}

// Get describes a zone.
func (s *Store) Get(zoneID string) (Zone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.zone(zoneID)
	if err != nil {
		return Zone{}, err
	}
	return h.describe(), nil
}

// Zones describes all zones, oldest first.
func (s *Store) Zones() []Zone {
	s.mu.Lock()
	defer s.mu.Unlock()
	zones := slices.SortedFunc(maps.Values(s.zones), func(a, b *hostedZone) int { return a.sequence - b.sequence })
	return describeAll(zones)
}

// ZonesFrom describes the zones from a name and an ID on, by reversed labels and then ID.
func (s *Store) ZonesFrom(name Name, zoneID string) []Zone {
	s.mu.Lock()
	defer s.mu.Unlock()
	compare := func(a, b *hostedZone) int {
		return cmp.Or(cmp.Compare(a.name.order, b.name.order), cmp.Compare(a.id, b.id))
	}
	zones := slices.SortedFunc(maps.Values(s.zones), compare)
	from := &hostedZone{name: name, id: zoneID}
	return describeAll(slices.DeleteFunc(zones, func(h *hostedZone) bool { return compare(h, from) < 0 }))
}

func describeAll(zones []*hostedZone) []Zone {
	result := make([]Zone, 0, len(zones))
	for _, h := range zones {
		result = append(result, h.describe())
	}
	return result
}

// Change applies a change batch, all of it or nothing.
func (s *Store) Change(zoneID string, changes []Change, comment string) (ChangeInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.zone(zoneID)
	if err != nil {
		return ChangeInfo{}, err
	}
	ops, messages := h.prepare(changes, s.rules)
	if len(messages) > 0 {
		return ChangeInfo{}, &Error{Code: InvalidChangeBatch, Messages: messages}
	}
	return s.commit(h, ops, comment), nil
}

// commit carries out accepted steps; s.mu must be held.
func (s *Store) commit(h *hostedZone, ops []op, comment string) ChangeInfo {
	info := s.receipt(comment)
	visible := s.changes[info.ID].visible
	for _, o := range ops {
		e := Event{Time: visible, ZoneID: h.id}
		if old := h.current.get(o.key); old != nil {
			e.Before = &old.Set
		}
		if o.set != nil {
			h.current.put(o.set)
			e.After = &o.set.Set
		} else {
			h.current.remove(o.key)
		}
		if e.Before != nil || e.After != nil {
			s.events = append(s.events, e)
		}
	}
	if over := len(s.events) - maxEvents; over > 0 {
		s.events = slices.Delete(s.events, 0, over+maxEvents/10)
	}
	h.commits = append(h.commits, commit{visible, ops})
	h.propagate(s.now())
	return info
}

// propagate shows DNS the commits whose time has come.
func (h *hostedZone) propagate(now time.Time) {
	for len(h.commits) > 0 && !h.commits[0].visible.After(now) {
		for _, o := range h.commits[0].ops {
			if o.set != nil {
				h.visible.put(o.set)
			} else {
				h.visible.remove(o.key)
			}
		}
		h.commits = h.commits[1:]
	}
}

func (s *Store) receipt(comment string) ChangeInfo {
	info := ChangeInfo{
		ID:        s.id("C"),
		Submitted: s.now(),
		Pending:   true,
		Comment:   comment,
	}
	s.changes[info.ID] = receipt{info, info.Submitted.Add(s.rules.Propagation)}
	return info
}

// ChangeInfo returns whether a change is in DNS.
func (s *Store) ChangeInfo(id string) (ChangeInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.changes[id]
	if !ok {
		return ChangeInfo{}, refuse(NoSuchChange, "A change with the specified change ID does not exist: %s", id)
	}
	r.info.Pending = s.now().Before(r.visible)
	return r.info, nil
}

// Events returns the log of what DNS came to show, oldest first.
func (s *Store) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Forget empties that log and drops the receipts of past changes, of which GetChange knows nothing any more.
func (s *Store) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.changes = nil, map[string]receipt{}
}

// ClearEvents empties that log.
func (s *Store) ClearEvents() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = nil
}
