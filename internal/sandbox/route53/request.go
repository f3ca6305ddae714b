package route53

import (
	"encoding/xml"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ecssd/ecssd/internal/sandbox/gate"
	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// namespace of every document, in either direction.
const namespace = "https://route53.amazonaws.com/doc/2013-04-01/"

// unknown catches elements that the schema does not have; Route 53 refuses them.
type unknown struct{ XMLName xml.Name }

// The elements of a request stand in any order: the SDKs send them by the alphabet, the schema lists them otherwise.

type changeRequest struct {
	XMLName xml.Name
	Batch   *struct {
		Comment string `xml:"Comment"`
		Changes *struct {
			Change []change  `xml:"Change"`
			Other  []unknown `xml:",any"`
		} `xml:"Changes"`
		Other []unknown `xml:",any"`
	} `xml:"ChangeBatch"`
	Other []unknown `xml:",any"`
}

type change struct {
	Action string     `xml:"Action"`
	Set    *recordSet `xml:"ResourceRecordSet"`
	Other  []unknown  `xml:",any"`
}

// recordSet is ResourceRecordSet in both directions. Geolocation, geoproximity, CIDR routing and traffic policies are
// not imitated; the elements fall into Other and are refused.
type recordSet struct {
	Name             string       `xml:"Name"`
	Type             string       `xml:"Type"`
	SetIdentifier    *string      `xml:"SetIdentifier"`
	Weight           *int64       `xml:"Weight"`
	Region           string       `xml:"Region,omitempty"`
	Failover         string       `xml:"Failover,omitempty"`
	MultiValueAnswer bool         `xml:"MultiValueAnswer,omitempty"`
	TTL              *int64       `xml:"TTL"`
	Records          *records     `xml:"ResourceRecords"`
	AliasTarget      *aliasTarget `xml:"AliasTarget"`
	HealthCheckID    string       `xml:"HealthCheckId,omitempty"`
	Other            []unknown    `xml:",any"`
}

type records struct {
	Record []record `xml:"ResourceRecord"`
}

type record struct {
	Value string `xml:"Value"`
}

type aliasTarget struct {
	HostedZoneID         string `xml:"HostedZoneId"`
	DNSName              string `xml:"DNSName"`
	EvaluateTargetHealth bool   `xml:"EvaluateTargetHealth"`
}

type createRequest struct {
	XMLName         xml.Name
	CallerReference string    `xml:"CallerReference"`
	DelegationSetID string    `xml:"DelegationSetId"`
	Name            string    `xml:"Name"`
	VPC             *vpc      `xml:"VPC"`
	Config          *config   `xml:"HostedZoneConfig"`
	Other           []unknown `xml:",any"`
}

type vpc struct {
	Region string `xml:"VPCRegion"`
	ID     string `xml:"VPCId"`
}

type config struct {
	Comment string `xml:"Comment,omitempty"`
	Private bool   `xml:"PrivateZone"`
}

// decode reads a request document whose root element has the given name.
func decode(body []byte, into any, root *xml.Name, want string) *gate.Failure {
	if err := xml.Unmarshal(body, into); err != nil {
		return invalidInput("Invalid XML ; %s", err)
	}
	if root.Local != want {
		return gate.Refuse(400, "MalformedInput", "%s is not valid, expected %s", root.Local, want)
	}
	if root.Space != namespace {
		return invalidInput("Invalid XML ; cvc-elt.1: Cannot find the declaration of element '%s'.", root.Local)
	}
	return nil
}

func unexpected(others ...[]unknown) *gate.Failure {
	for _, o := range slices.Concat(others...) {
		return invalidInput(
			"Invalid XML ; cvc-complex-type.2.4.a: Invalid content was found starting with element '%s'.",
			o.XMLName.Local,
		)
	}
	return nil
}

// decodeChanges reads a change batch as far as its form goes; what it would do to a zone is package zone's to judge.
func decodeChanges(body []byte) ([]zone.Change, string, *gate.Failure) {
	var request changeRequest
	if f := decode(body, &request, &request.XMLName, "ChangeResourceRecordSetsRequest"); f != nil {
		return nil, "", f
	}
	incomplete := func(element, wants string) *gate.Failure {
		return invalidInput(
			"Invalid XML ; cvc-complex-type.2.4.b: The content of element '%s' is not complete. One of "+
				"'{\"%s\":%s}' is expected.",
			element,
			namespace,
			wants,
		)
	}
	switch {
	case request.Batch == nil:
		return nil, "", incomplete("ChangeResourceRecordSetsRequest", "ChangeBatch")
	case request.Batch.Changes == nil:
		return nil, "", incomplete("ChangeBatch", "Changes")
	case len(request.Batch.Changes.Change) == 0:
		return nil, "", incomplete("Changes", "Change")
	}
	batch := request.Batch
	if f := unexpected(request.Other, batch.Other, batch.Changes.Other); f != nil {
		return nil, "", f
	}
	if f := length("ResourceDescription", batch.Comment, 0, 256); f != nil {
		return nil, "", f
	}
	changes := make([]zone.Change, 0, len(batch.Changes.Change))
	for _, c := range batch.Changes.Change {
		if c.Set == nil {
			return nil, "", incomplete("Change", "ResourceRecordSet")
		}
		if f := unexpected(c.Other, c.Set.Other); f != nil {
			return nil, "", f
		}
		if f := c.check(); f != nil {
			return nil, "", f
		}
		changes = append(changes, zone.Change{Action: zone.Action(c.Action), Set: c.Set.toSet()})
	}
	return changes, batch.Comment, nil
}

func length(typ, value string, least, most int) *gate.Failure {
	n := utf8.RuneCountInString(value)
	if n < least {
		return invalidInput(
			"Invalid XML ; cvc-minLength-valid: Value '%s' with length = '%d' is not facet-valid with respect "+
				"to minLength '%d' for type '%s'.",
			value,
			n,
			least,
			typ,
		)
	}
	if n > most {
		return invalidInput(
			"Invalid XML ; cvc-maxLength-valid: Value '%s' with length = '%d' is not facet-valid with respect "+
				"to maxLength '%d' for type '%s'.",
			value,
			n,
			most,
			typ,
		)
	}
	return nil
}

func within(typ string, value *int64, most int64) *gate.Failure {
	if value != nil && *value < 0 {
		return invalidInput("Invalid XML ; cvc-minInclusive-valid: Value '%d' is not facet-valid with respect to "+
			"minInclusive '0' for type '%s'.", *value, typ)
	}
	if value != nil && *value > most {
		return invalidInput("Invalid XML ; cvc-maxInclusive-valid: Value '%d' is not facet-valid with respect to "+
			"maxInclusive '%d' for type '%s'.", *value, most, typ)
	}
	return nil
}

// check checks a change against the schema (bounds as in the API reference, ResourceRecordSet) and against the rules
// for which elements go together.
func (c *change) check() *gate.Failure {
	set := c.Set
	if a := zone.Action(c.Action); a != zone.Create && a != zone.Delete && a != zone.Upsert {
		return invalidInput(
			"Invalid XML ; cvc-enumeration-valid: Value '%s' is not facet-valid with respect to enumeration "+
				"'[CREATE, DELETE, UPSERT]'. It must be a value from the enumeration.",
			c.Action,
		)
	}
	if !zone.KnownType(set.Type) {
		return invalidInput("Invalid XML ; cvc-enumeration-valid: Value '%s' is not facet-valid with respect to the "+
			"enumeration of type 'RRType'. It must be a value from the enumeration.", set.Type)
	}
	checks := []*gate.Failure{
		length("DNSName", set.Name, 1, 1024),
		within("ResourceRecordSetWeight", set.Weight, 255),
		within("TTL", set.TTL, 2147483647),
	}
	if set.SetIdentifier != nil {
		checks = append(checks, length("ResourceRecordSetIdentifier", *set.SetIdentifier, 1, 128))
	}
	if set.Records != nil {
		for _, r := range set.Records.Record {
			checks = append(checks, length("RData", r.Value, 1, 4000))
		}
	}
	for _, f := range checks {
		if f != nil {
			return f
		}
	}
	return c.combination()
}

// combination checks which elements go together.
func (c *change) combination() *gate.Failure {
	set := c.Set
	wrong := set.mismatch()
	if wrong == "" {
		return nil
	}
	name, id := set.Name, "null"
	if n, err := zone.ParseName(name); err == nil {
		name = n.String()
	}
	if set.SetIdentifier != nil {
		id = *set.SetIdentifier
	}
	return invalidInput("Invalid request: %s in Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=%s]",
		wrong, c.Action, name, set.Type, id)
}

// mismatch returns in Route 53's words which elements of a set do not go together; empty where all do.
func (r *recordSet) mismatch() string {
	const targets = "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or " +
		"TrafficPolicyInstanceId], but found "
	const policies = "Expected exactly one of [Weight, Region, Failover, GeoLocation, or MultiValueAnswer], but found "
	routed := 0
	for _, has := range []bool{r.Weight != nil, r.Region != "", r.Failover != "", r.MultiValueAnswer} {
		if has {
			routed++
		}
	}
	hasRecords := r.Records != nil && len(r.Records.Record) > 0
	switch {
	case r.AliasTarget != nil && (r.TTL != nil || hasRecords):
		return targets + "more than one"
	case r.AliasTarget == nil && (r.TTL == nil || !hasRecords):
		return targets + "none"
	case routed > 0 && r.SetIdentifier == nil:
		return "Missing field 'SetIdentifier'"
	case routed == 0 && r.SetIdentifier != nil:
		return policies + "none"
	case routed > 1:
		return policies + "more than one"
	}
	return ""
}

func (r *recordSet) toSet() zone.Set {
	set := zone.Set{
		Name:          r.Name,
		Type:          r.Type,
		Weight:        r.Weight,
		Region:        r.Region,
		Failover:      r.Failover,
		MultiValue:    r.MultiValueAnswer,
		HealthCheckID: r.HealthCheckID,
	}
	if r.SetIdentifier != nil {
		set.SetIdentifier = *r.SetIdentifier
	}
	if r.TTL != nil {
		set.TTL = *r.TTL
	}
	if r.Records != nil {
		for _, v := range r.Records.Record {
			set.Values = append(set.Values, v.Value)
		}
	}
	if a := r.AliasTarget; a != nil {
		set.Alias = &zone.Alias{
			HostedZoneID:         a.HostedZoneID,
			DNSName:              a.DNSName,
			EvaluateTargetHealth: a.EvaluateTargetHealth,
		}
	}
	return set
}

func fromSet(s zone.Set) recordSet {
	r := recordSet{
		Name:             s.Name,
		Type:             s.Type,
		Weight:           s.Weight,
		Region:           s.Region,
		Failover:         s.Failover,
		MultiValueAnswer: s.MultiValue,
		HealthCheckID:    s.HealthCheckID,
	}
	if s.SetIdentifier != "" {
		r.SetIdentifier = &s.SetIdentifier
	}
	if s.Alias != nil {
		r.AliasTarget = &aliasTarget{s.Alias.HostedZoneID, s.Alias.DNSName, s.Alias.EvaluateTargetHealth}
		return r
	}
	r.TTL, r.Records = &s.TTL, &records{}
	for _, v := range s.Values {
		r.Records.Record = append(r.Records.Record, record{v})
	}
	return r
}

func invalidInput(format string, args ...any) *gate.Failure {
	return gate.Refuse(400, "InvalidInput", format, args...)
}

// trimID accepts IDs with or without the prefix that responses give them.
func trimID(id string) string {
	for _, prefix := range []string{"/hostedzone/", "hostedzone/", "/change/", "change/"} {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			return rest
		}
	}
	return id
}
