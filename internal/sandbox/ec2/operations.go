package ec2

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
)

type filter struct {
	name   string
	values []string
}

func filters(form url.Values) []filter {
	var result []filter
	for n := 1; form.Has(fmt.Sprintf("Filter.%d.Name", n)); n++ {
		prefix := fmt.Sprintf("Filter.%d.", n)
		result = append(result, filter{form.Get(prefix + "Name"), listed(form, prefix+"Value.")})
	}
	return result
}

// maxFilterValues is for all filters of a call together; EC2 answers FilterLimitExceeded beyond it.
const maxFilterValues = 200

// attributes that can be filtered by, of each operation. DescribeInstanceStatus has no filter for the instance ID.
var (
	instanceFilters = map[string]func(account.Instance) string{
		"instance-id":         func(i account.Instance) string { return i.ID },
		"private-dns-name":    func(i account.Instance) string { return shown(i).PrivateDNSName },
		"private-ip-address":  func(i account.Instance) string { return shown(i).PrivateIP },
		"instance-state-name": func(i account.Instance) string { return i.State },
		"instance-state-code": func(i account.Instance) string { return strconv.Itoa(stateCodes[i.State]) },
		"vpc-id":              func(i account.Instance) string { return shown(i).VPC },
		"availability-zone":   func(i account.Instance) string { return i.AvailabilityZone },
	}
	statusFilters = map[string]func(account.Instance) string{
		"instance-state-name":    func(i account.Instance) string { return i.State },
		"instance-state-code":    func(i account.Instance) string { return strconv.Itoa(stateCodes[i.State]) },
		"instance-status.status": func(i account.Instance) string { return check(i, i.InstanceStatus).Status },
		"system-status.status":   func(i account.Instance) string { return check(i, i.SystemStatus).Status },
		"availability-zone":      func(i account.Instance) string { return i.AvailabilityZone },
	}
	stateCodes = map[string]int{
		"pending":       0,
		"running":       16,
		"shutting-down": 32,
		"terminated":    48,
		"stopping":      64,
		"stopped":       80,
	}
)

var instanceID = regexp.MustCompile(`^i-[0-9a-f]{8}([0-9a-f]{9})?$`)

// find returns the instances that a call asks for, and the token of the next page. What keep drops counts for no page.
func (h *Handler) find(
	form url.Values,
	known map[string]func(account.Instance) string,
	keep func(account.Instance) bool,
) (
	[]account.Instance, string, *gate.Failure) {
	v := h.store.EC2()
	if form.Get("DryRun") == "true" {
		return nil, "", gate.Refuse(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	wanted, f := matcher(filters(form), known)
	if f != nil {
		return nil, "", f
	}
	ids := listed(form, "InstanceId.")
	limit, f := h.limit(form, len(ids) > 0)
	if f != nil {
		return nil, "", f
	}
	if len(ids) > 0 {
		if f := exist(v, ids); f != nil {
			return nil, "", f
		}
	} else {
		ids = slices.Collect(maps.Keys(v.Instances))
	}
	if f := reachable(v, ids, filters(form)); f != nil {
		return nil, "", f
	}
	var keys []string
	for _, id := range ids {
		if i := v.Instances[id]; keep(i) && wanted(i) {
			keys = append(keys, id)
		}
	}
	slices.Sort(keys)
	page, next, ok := account.Page(slices.Compact(keys), form.Get("Action")+listing(form), form.Get("NextToken"), limit)
	if !ok {
		return nil, "", gate.Refuse(400, "InvalidParameterValue", "The NextToken is invalid.")
	}
	var result []account.Instance
	for _, id := range page {
		result = append(result, v.Instances[id])
	}
	return result, next, nil
}

// listing identifies a listing: all that was asked for but the page.
func listing(form url.Values) string {
	form = maps.Clone(form)
	form.Del("NextToken")
	form.Del("MaxResults")
	return form.Encode()
}

// limit reads the page size.
func (h *Handler) limit(form url.Values, byID bool) (int, *gate.Failure) {
	most := 1000
	h.mu.Lock()
	if h.page > 0 {
		most = min(most, h.page)
	}
	h.mu.Unlock()
	s := form.Get("MaxResults")
	n, err := strconv.Atoi(s)
	invalid := func(expecting string) *gate.Failure {
		return gate.Refuse(400, "InvalidParameterValue",
			"Value ( %s ) for parameter maxResults is invalid. Expecting a value %s.", s, expecting)
	}
	switch {
	case byID && (s != "" || form.Get("NextToken") != ""):
		return 0, gate.Refuse(400, "InvalidParameterCombination",
			"The parameter instancesSet cannot be used with the parameter maxResults")
	case byID:
		return 1000, nil
	case s == "":
		return most, nil
	case err != nil || n < 5:
		return 0, invalid("greater than 5")
	case n > 1000:
		return 0, invalid("less than 1000")
	}
	return min(n, most), nil
}

// exist refuses a call whole for one ID that is not there.
func exist(v *account.View, ids []string) *gate.Failure {
	var missing []string
	for _, id := range ids {
		if _, ok := v.Instances[id]; ok {
			continue
		}
		if !instanceID.MatchString(id) {
			return gate.Refuse(400, "InvalidInstanceID.Malformed", "Invalid id: %q", id)
		}
		missing = append(missing, id)
	}
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return gate.Refuse(400, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", missing[0])
	}
	return gate.Refuse(
		400,
		"InvalidInstanceID.NotFound",
		"The instance IDs '%s' do not exist",
		strings.Join(missing, ", "),
	)
}

// matcher reports whether an instance passes all filters: each by one of its values, in which * and ? are wildcards.
func matcher(
	filters []filter,
	known map[string]func(account.Instance) string,
) (func(account.Instance) bool, *gate.Failure) {
	type test struct {
		attribute func(account.Instance) string
		values    map[string]bool
		patterns  []*regexp.Regexp
	}
	var tests []test
	total := 0
	for _, f := range filters {
		attribute, ok := known[f.name]
		if key, isTag := strings.CutPrefix(f.name, "tag:"); isTag && known["private-dns-name"] != nil {
			attribute, ok = func(i account.Instance) string { return i.Tags[key] }, true
		}
		if !ok {
			return nil, gate.Refuse(400, "InvalidParameterValue", "The filter '%s' is invalid", f.name)
		}
		if len(f.values) == 0 {
			return nil, gate.Refuse(400, "InvalidParameterValue", "The filter '%s' has no value", f.name)
		}
		t := test{attribute, map[string]bool{}, nil}
		for _, v := range f.values {
			t.values[v] = true
			if strings.ContainsAny(v, "*?") {
				p := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(v))
				t.patterns = append(t.patterns, regexp.MustCompile("^"+p+"$")) // quoted, so it compiles
			}
		}
		total += len(f.values)
		tests = append(tests, t)
	}
	if total > maxFilterValues {
		return nil, gate.Refuse(400, "FilterLimitExceeded",
			"The maximum number of filter values specified on a single call is %d", maxFilterValues)
	}
	return func(i account.Instance) bool {
		for _, t := range tests {
			value := t.attribute(i)
			if !t.values[value] &&
				!slices.ContainsFunc(t.patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) }) {
				return false
			}
		}
		return true
	}, nil
}

// shown is what EC2 shows of an instance in its state: no name before it runs, no address after its end.
func shown(i account.Instance) account.Instance {
	switch i.State {
	case "pending":
		i.PrivateDNSName = ""
	case "terminated":
		i.PrivateDNSName, i.PrivateIP, i.VPC = "", "", ""
	}
	return i
}

type state struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

type instance struct {
	ID         string          `xml:"instanceId"`
	State      state           `xml:"instanceState"`
	DNSName    string          `xml:"privateDnsName"`
	Address    string          `xml:"privateIpAddress,omitempty"`
	VPC        string          `xml:"vpcId,omitempty"`
	Type       string          `xml:"instanceType"`
	LaunchTime string          `xml:"launchTime"`
	Zone       string          `xml:"placement>availabilityZone"`
	Metadata   metadataOptions `xml:"metadataOptions"`
	Tags       *set[tag]       `xml:"tagSet"`
}

type tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// tags returns the tags of an instance in the order of their keys; nil for none.
func tags(i account.Instance) *set[tag] {
	if len(i.Tags) == 0 {
		return nil
	}
	all := &set[tag]{}
	for _, key := range slices.Sorted(maps.Keys(i.Tags)) {
		all.Items = append(all.Items, tag{key, i.Tags[key]})
	}
	return all
}

type metadataOptions struct {
	State    string `xml:"state"`
	Tokens   string `xml:"httpTokens"`
	HopLimit int    `xml:"httpPutResponseHopLimit"`
	Endpoint string `xml:"httpEndpoint"`
}

type reservation struct {
	ID        string     `xml:"reservationId"`
	Owner     string     `xml:"ownerId"`
	Instances []instance `xml:"instancesSet>item"`
}

type set[T any] struct {
	Items []T `xml:"item"`
}

func (h *Handler) describeInstances(form url.Values, requestID string) (gate.Answer, *gate.Failure) {
	found, next, f := h.find(form, instanceFilters, func(account.Instance) bool { return true })
	if f != nil {
		return gate.Answer{}, f
	}
	reservations := []reservation{}
	at := map[string]int{}
	for _, i := range found {
		n, ok := at[i.Reservation]
		if !ok {
			n = len(reservations)
			at[i.Reservation] = n
			reservations = append(reservations, reservation{ID: i.Reservation, Owner: h.store.Account})
		}
		s := shown(i)
		reservations[n].Instances = append(reservations[n].Instances, instance{
			ID:         i.ID,
			State:      state{stateCodes[i.State], i.State},
			DNSName:    s.PrivateDNSName,
			Address:    s.PrivateIP,
			VPC:        s.VPC,
			Type:       "t3.small",
			LaunchTime: i.Launched.UTC().Format("2006-01-02T15:04:05.000Z"),
			Zone:       i.AvailabilityZone,
			Metadata:   metadataOptions{"applied", i.MetadataTokens, i.MetadataHopLimit, "enabled"},
			Tags:       tags(i),
		})
	}
	return answer(200, xml.Name{Space: ec2XML, Local: "DescribeInstancesResponse"}, struct {
		RequestID    string           `xml:"requestId"`
		Reservations set[reservation] `xml:"reservationSet"`
		Next         string           `xml:"nextToken,omitempty"`
	}{requestID, set[reservation]{reservations}, next}), nil
}

type summary struct {
	Status  string   `xml:"status"`
	Details []detail `xml:"details>item"`
}

type detail struct {
	Name   string `xml:"name"`
	Status string `xml:"status"`
}

// check is a status check as it shows: there is none of an instance that does not run.
func check(i account.Instance, status string) summary {
	if i.State != "running" {
		return summary{Status: "not-applicable"}
	}
	reachability := map[string]string{
		"ok":                "passed",
		"impaired":          "failed",
		"initializing":      "initializing",
		"insufficient-data": "insufficient-data",
	}
	if r := reachability[status]; r != "" {
		return summary{status, []detail{{"reachability", r}}}
	}
	return summary{Status: status}
}

type instanceStatus struct {
	ID       string  `xml:"instanceId"`
	Zone     string  `xml:"availabilityZone"`
	State    state   `xml:"instanceState"`
	System   summary `xml:"systemStatus"`
	Instance summary `xml:"instanceStatus"`
}

// describeInstanceStatus returns running instances only, also where others are named, unless all are asked for.
func (h *Handler) describeInstanceStatus(form url.Values, requestID string) (gate.Answer, *gate.Failure) {
	const most = 100 // IDs
	if n := len(listed(form, "InstanceId.")); n > most {
		return gate.Answer{}, gate.Refuse(
			400,
			"InvalidRequest",
			"%d exceeds the maximum number of instance IDs that can be "+
				"specified (%d). Please specify fewer than %d instance IDs.",
			n,
			most,
			most,
		)
	}
	all := form.Get("IncludeAllInstances") == "true"
	found, next, f := h.find(form, statusFilters, func(i account.Instance) bool { return all || i.State == "running" })
	if f != nil {
		return gate.Answer{}, f
	}
	statuses := []instanceStatus{}
	for _, i := range found {
		statuses = append(statuses, instanceStatus{i.ID, i.AvailabilityZone, state{stateCodes[i.State], i.State},
			check(i, i.SystemStatus), check(i, i.InstanceStatus)})
	}
	return answer(200, xml.Name{Space: ec2XML, Local: "DescribeInstanceStatusResponse"}, struct {
		RequestID string              `xml:"requestId"`
		Statuses  set[instanceStatus] `xml:"instanceStatusSet"`
		Next      string              `xml:"nextToken,omitempty"`
	}{requestID, set[instanceStatus]{statuses}, next}), nil
}

// describeVPCAttribute knows the VPCs that were put, those of the instances, and the one that DNS is asked from.
func (h *Handler) describeVPCAttribute(form url.Values, requestID string) (gate.Answer, *gate.Failure) {
	v, id, attribute := h.store.EC2(), form.Get("VpcId"), form.Get("Attribute")
	vpc, known := v.VPCs[id]
	for _, i := range v.Instances {
		known = known || i.VPC == id
	}
	if !known && id != h.store.VPC {
		return gate.Answer{}, gate.Refuse(400, "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
	}
	type value struct {
		Value bool `xml:"value"`
	}
	document := struct {
		RequestID string `xml:"requestId"`
		ID        string `xml:"vpcId"`
		Support   *value `xml:"enableDnsSupport,omitempty"`
		Hostnames *value `xml:"enableDnsHostnames,omitempty"`
	}{RequestID: requestID, ID: id}
	switch attribute {
	case "enableDnsSupport":
		document.Support = &value{!vpc.NoDNSSupport}
	case "enableDnsHostnames":
		document.Hostnames = &value{!vpc.NoDNSHostnames}
	default:
		return gate.Answer{}, gate.Refuse(
			400,
			"InvalidParameterValue",
			"The sandbox does not imitate the attribute %q of a VPC",
			attribute,
		)
	}
	return answer(200, xml.Name{Space: ec2XML, Local: "DescribeVpcAttributeResponse"}, document), nil
}
