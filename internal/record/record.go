// Package record knows the records that one host owns in a hosted zone: how they are made from endpoints, and the set
// identifiers that say whose they are. It reads and writes nothing.
package record

import "cmp"

// Type is a DNS record type.
type Type string

// The two types that ecssd writes.
const (
	SRV Type = "SRV"
	A   Type = "A"
)

// Record is one weighted record set. Two are the same exactly when they are equal by ==.
type Record struct {
	Name   string // fully qualified, lower case, no final dot, unescaped: web.servicediscovery.internal
	Type   Type
	SetID  string // set identifier, 1 to 128 characters
	TTL    int64  // seconds
	Weight int64  // 0 to 255; Route 53 answers with weight 0 only while all records of the name and type have it
	Value  string // the one value; the values one a line where somebody else wrote several
}

// Key is what makes a weighted record set unique within its hosted zone.
type Key struct {
	Name  string
	Type  Type
	SetID string
}

// Key of the record.
func (r Record) Key() Key { return Key{Name: r.Name, Type: r.Type, SetID: r.SetID} }

// Compare orders keys by name, type and set identifier.
func (k Key) Compare(other Key) int {
	return cmp.Or(
		cmp.Compare(k.Name, other.Name),
		cmp.Compare(k.Type, other.Type),
		cmp.Compare(k.SetID, other.SetID),
	)
}

// Group is all weighted record sets of one name and type. They share one TTL, and Route 53 limits their number.
type Group struct {
	Name string
	Type Type
}

// Group returns the group to which the record belongs.
func (r Record) Group() Group { return Group{Name: r.Name, Type: r.Type} }

// Group returns the group to which the record of the key belongs.
func (k Key) Group() Group { return Group{Name: k.Name, Type: k.Type} }
