package zone

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// Set is a resource record set.
type Set struct {
	Name          string   `json:"name"` // stored lower case, escaped, with the final dot; read in any form
	Type          string   `json:"type"`
	SetIdentifier string   `json:"setIdentifier,omitempty"`
	Weight        *int64   `json:"weight,omitempty"` // 0 to 255; nil unless weighted
	TTL           int64    `json:"ttl"`              // seconds
	Values        []string `json:"values,omitempty"`

	// The rest is held, listed and compared, so that foreign records survive; DNS hardly heeds it.
	Alias         *Alias `json:"alias,omitempty"`
	Region        string `json:"region,omitempty"`
	Failover      string `json:"failover,omitempty"`
	MultiValue    bool   `json:"multiValue,omitempty"`
	HealthCheckID string `json:"healthCheckId,omitempty"`
}

// Alias is the target of an alias record set, which has no TTL and no values.
type Alias struct {
	HostedZoneID         string `json:"hostedZoneId"`
	DNSName              string `json:"dnsName"`
	EvaluateTargetHealth bool   `json:"evaluateTargetHealth"`
}

// policy names the routing policy of a set; sets of one name and type must share it.
func (s *Set) policy() string {
	switch {
	case s.Weight != nil:
		return "weighted"
	case s.Region != "":
		return "latency"
	case s.Failover != "":
		return "failover"
	case s.MultiValue:
		return "multivalue"
	}
	return "simple"
}

// malformed returns what keeps a set from being one. Through the API nothing such comes this far; in code it may.
func (s *Set) malformed() string {
	switch {
	case !KnownType(s.Type):
		return "unknown type " + s.Type
	case (s.policy() == "simple") != (s.SetIdentifier == ""):
		return "a set identifier and a routing policy such as a weight go together"
	case utf8.RuneCountInString(s.SetIdentifier) > 128:
		return "the set identifier is longer than 128 characters"
	case s.Weight != nil && (*s.Weight < 0 || *s.Weight > 255):
		return "the weight is not from 0 to 255"
	case s.TTL < 0 || s.TTL > 2147483647:
		return "the TTL is not from 0 to 2147483647"
	case (s.Alias == nil) == (len(s.Values) == 0):
		return "it has either values or an alias target"
	}
	return ""
}

// matches reports whether a DELETE that gives want may delete s. The order of values does not matter.
func (s *Set) matches(want *Set) bool {
	equal := func(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }
	sameAlias := s.Alias == want.Alias || s.Alias != nil && want.Alias != nil && *s.Alias == *want.Alias
	return s.TTL == want.TTL && equal(s.Weight, want.Weight) && sameAlias && s.Region == want.Region &&
		s.Failover == want.Failover && s.MultiValue == want.MultiValue && s.HealthCheckID == want.HealthCheckID &&
		slices.Equal(slices.Sorted(slices.Values(s.Values)), slices.Sorted(slices.Values(want.Values)))
}

// clone copies what a caller could otherwise change under the store, or the store under a caller.
func (s Set) clone() Set {
	s.Values = slices.Clone(s.Values)
	if s.Weight != nil {
		s.Weight = new(*s.Weight)
	}
	if s.Alias != nil {
		s.Alias = new(*s.Alias)
	}
	return s
}

// key is the place of a set in Route 53's order: name by reversed labels, then type, then set identifier.
type key struct{ order, typ, id string }

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.order, o.order), cmp.Compare(k.typ, o.typ), cmp.Compare(k.id, o.id))
}

// rrset is a stored set; it is never changed, only replaced.
type rrset struct {
	Set
	key key
}

// sorted holds the sets of a zone in Route 53's order. Ten thousand pointers move within microseconds, so a slice does.
type sorted []*rrset

func (s sorted) find(k key) (int, bool) {
	return slices.BinarySearchFunc(s, k, func(r *rrset, k key) int { return r.key.compare(k) })
}

func (s sorted) get(k key) *rrset {
	if i, ok := s.find(k); ok {
		return s[i]
	}
	return nil
}

// put inserts or replaces.
func (s *sorted) put(r *rrset) {
	i, ok := s.find(r.key)
	if ok {
		(*s)[i] = r
		return
	}
	*s = slices.Insert(*s, i, r)
}

func (s *sorted) remove(k key) {
	if i, ok := s.find(k); ok {
		*s = slices.Delete(*s, i, i+1)
	}
}

// at returns the sets of one name, in order.
func (s sorted) at(order string) sorted {
	from, _ := s.find(key{order: order})
	to := from
	for to < len(s) && s[to].key.order == order {
		to++
	}
	return s[from:to]
}
