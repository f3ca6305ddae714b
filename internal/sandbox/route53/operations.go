package route53

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ecssd/ecssd/internal/sandbox/gate"
	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// call is one request that has been understood.
type call struct {
	operation string
	zoneID    string // bare; empty where the operation has none
	id        string // of a change, or the type of a limit
	query     url.Values
	changes   []zone.Change
	comment   string
	create    createRequest
}

// segmentsOf returns the path of a request below the version. IDs keep working with their prefix, even unescaped.
func segmentsOf(r *http.Request) []string {
	segments := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.EscapedPath(), "/2013-04-01"), "/"), "/")
	for i, s := range segments {
		if u, err := url.PathUnescape(s); err == nil {
			segments[i] = trimID(u)
		}
	}
	if len(segments) > 3 && segments[1] == "" { // hostedzone//hostedzone/Z
		segments = append(segments[:1], segments[3:]...)
	}
	return segments
}

// route finds the operation that a method and a path mean.
func route(r *http.Request) (*call, bool) {
	segments := segmentsOf(r)
	c := &call{query: r.URL.Query()}
	if len(segments) > 1 {
		c.zoneID = segments[1]
	}
	switch r.Method + " " + segments[0] + "/" + strconv.Itoa(len(segments)) {
	case "POST hostedzone/1":
		c.operation = "CreateHostedZone"
	case "GET hostedzone/1":
		c.operation = "ListHostedZones"
	case "GET hostedzonesbyname/1":
		c.operation = "ListHostedZonesByName"
	case "GET hostedzonesbyvpc/1":
		c.operation = "ListHostedZonesByVPC"
	case "GET hostedzonecount/1":
		c.operation = "GetHostedZoneCount"
	case "GET hostedzone/2":
		c.operation = "GetHostedZone"
	case "DELETE hostedzone/2":
		c.operation = "DeleteHostedZone"
	case "POST hostedzone/3":
		c.operation = "ChangeResourceRecordSets"
		return c, segments[2] == "rrset"
	case "GET hostedzone/3":
		c.operation = "ListResourceRecordSets"
		return c, segments[2] == "rrset"
	case "GET hostedzonelimit/3":
		c.operation, c.id = "GetHostedZoneLimit", segments[2]
	case "GET change/2":
		c.operation, c.id, c.zoneID = "GetChange", segments[1], ""
	default:
		return c, false
	}
	return c, true
}

// perform carries a call out.
func (h *Handler) perform(c *call) (answer, *gate.Failure) {
	if len(c.zoneID) > 32 {
		return answer{}, length("ResourceId", c.zoneID, 0, 32)
	}
	switch c.operation {
	case "ChangeResourceRecordSets":
		return h.change(c)
	case "ListResourceRecordSets":
		return h.listSets(c)
	case "ListHostedZonesByName":
		return h.listByName(c)
	case "ListHostedZones":
		return h.listZones(c)
	case "ListHostedZonesByVPC":
		return h.listByVPC(c)
	case "GetHostedZone":
		return h.getZone(c)
	case "CreateHostedZone":
		return h.createZone(c)
	case "DeleteHostedZone":
		info, err := h.store.Delete(c.zoneID)
		return reply("DeleteHostedZoneResponse", struct {
			ChangeInfo changeInfo
		}{toChangeInfo(info)}, err)
	case "GetChange":
		info, err := h.store.ChangeInfo(c.id)
		return reply("GetChangeResponse", struct {
			ChangeInfo changeInfo
		}{toChangeInfo(info)}, err)
	case "GetHostedZoneCount":
		return reply("GetHostedZoneCountResponse", struct {
			HostedZoneCount int
		}{len(h.store.Zones())}, nil)
	default:
		return h.zoneLimit(c)
	}
}

// reply turns a result of the store into a response.
func reply(root string, document any, err error) (answer, *gate.Failure) {
	var refused *zone.Error
	switch {
	case errors.As(err, &refused):
		status := 400
		switch refused.Code {
		case zone.NoSuchHostedZone, zone.NoSuchChange:
			status = 404
		case zone.HostedZoneAlreadyExists:
			status = 409
		}
		return answer{}, &gate.Failure{
			Status:  status,
			Code:    string(refused.Code),
			Message: refused.Text(),
			List:    refused.Messages,
		}
	case err != nil:
		return answer{}, gate.Refuse(500, "InternalFailure", "%s", err)
	}
	return answer{status: 200, root: root, document: document}, nil
}

func (h *Handler) change(c *call) (answer, *gate.Failure) {
	if z, err := h.store.Get(c.zoneID); err == nil && z.CloudMap {
		return answer{}, gate.Refuse(403, "AccessDenied",
			"The resource hostedzone/%s can only be managed through AWS Cloud Map (%s)", c.zoneID, h.cloudMapARN())
	}
	h.mu.Lock() // from the look at busy until the change is made
	defer h.mu.Unlock()
	if h.gate.Now().Before(h.busy[c.zoneID]) {
		return answer{}, gate.Known("PriorRequestNotComplete")
	}
	info, err := h.store.Change(c.zoneID, c.changes, c.comment)
	if err == nil && h.behaviour.PriorRequestWindow > 0 {
		h.busy[c.zoneID] = h.gate.Now().Add(h.behaviour.PriorRequestWindow)
	}
	return reply("ChangeResourceRecordSetsResponse", struct {
		ChangeInfo changeInfo
	}{toChangeInfo(info)}, err)
}

// maxItems reads the page size: what is asked for, up to the most that the operation gives.
func (c *call) maxItems(most int) (int, *gate.Failure) {
	s := c.query.Get("maxitems")
	if s == "" {
		return most, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, invalidInput("Invalid value for maxitems: %s", s)
	}
	return min(n, most), nil
}

func (h *Handler) listSets(c *call) (answer, *gate.Failure) {
	from := zone.Position{
		Name:          c.query.Get("name"),
		Type:          c.query.Get("type"),
		SetIdentifier: c.query.Get("identifier"),
	}
	most, f := c.maxItems(300)
	switch {
	case f != nil:
		return answer{}, f
	case from.Type != "" && from.Name == "":
		return answer{}, invalidInput("The input is not valid: a record type was given without a record name")
	case from.SetIdentifier != "" && from.Type == "":
		return answer{}, invalidInput("The input is not valid: a set identifier was given without a record type")
	case from.Type != "" && !zone.KnownType(from.Type):
		return answer{}, invalidInput("Invalid value for type: %s", from.Type)
	}
	page, err := h.store.List(c.zoneID, from, most)
	document := struct {
		Sets      []recordSet `xml:"ResourceRecordSets>ResourceRecordSet"`
		Truncated bool        `xml:"IsTruncated"`
		NextName  string      `xml:"NextRecordName,omitempty"`
		NextType  string      `xml:"NextRecordType,omitempty"`
		NextID    string      `xml:"NextRecordIdentifier,omitempty"`
		MaxItems  int         `xml:"MaxItems"`
	}{Truncated: page.Next != nil, MaxItems: most}
	if next := page.Next; next != nil {
		document.NextName, document.NextType, document.NextID = next.Name, next.Type, next.SetIdentifier
	}
	for _, s := range page.Sets {
		document.Sets = append(document.Sets, fromSet(s))
	}
	return reply("ListResourceRecordSetsResponse", document, err)
}

func (h *Handler) listByName(c *call) (answer, *gate.Failure) {
	most, f := c.maxItems(100)
	if f != nil {
		return answer{}, f
	}
	dnsName, id := c.query.Get("dnsname"), trimID(c.query.Get("hostedzoneid"))
	if id != "" && dnsName == "" {
		return answer{}, invalidInput("The input is not valid: a hosted zone ID was given without a DNS name")
	}
	var from zone.Name
	if dnsName != "" {
		name, err := zone.ParseName(dnsName)
		if err != nil {
			return answer{}, gate.Refuse(400, "InvalidDomainName", "%s", err)
		}
		from = name
	}
	zones := h.store.ZonesFrom(from, id)
	document := struct {
		Zones     []hostedZone `xml:"HostedZones>HostedZone"`
		DNSName   string       `xml:"DNSName,omitempty"`
		ZoneID    string       `xml:"HostedZoneId,omitempty"`
		Truncated bool         `xml:"IsTruncated"`
		NextName  string       `xml:"NextDNSName,omitempty"`
		NextID    string       `xml:"NextHostedZoneId,omitempty"`
		MaxItems  int          `xml:"MaxItems"`
	}{DNSName: dnsName, ZoneID: id, MaxItems: most}
	if len(zones) > most {
		document.Truncated, document.NextName, document.NextID = true, zones[most].Name, zones[most].ID
		zones = zones[:most]
	}
	document.Zones = h.toHostedZones(zones)
	return reply("ListHostedZonesByNameResponse", document, nil)
}

func (h *Handler) listZones(c *call) (answer, *gate.Failure) {
	most, f := c.maxItems(100)
	if f != nil {
		return answer{}, f
	}
	marker, kind := trimID(c.query.Get("marker")), c.query.Get("hostedzonetype")
	if kind != "" && kind != "PrivateHostedZone" {
		return answer{}, invalidInput("Invalid value for hostedzonetype: %s", kind)
	}
	var zones []zone.Zone
	found := marker == ""
	for _, z := range h.store.Zones() {
		if found = found || z.ID == marker; found && (kind == "" || z.Private) {
			zones = append(zones, z)
		}
	}
	if !found {
		return answer{}, invalidInput("The marker %s is not valid", marker)
	}
	document := struct {
		Zones     []hostedZone `xml:"HostedZones>HostedZone"`
		Marker    string       `xml:"Marker"`
		Truncated bool         `xml:"IsTruncated"`
		Next      string       `xml:"NextMarker,omitempty"`
		MaxItems  int          `xml:"MaxItems"`
	}{Marker: marker, MaxItems: most}
	if len(zones) > most {
		document.Truncated, document.Next = true, zones[most].ID
		zones = zones[:most]
	}
	document.Zones = h.toHostedZones(zones)
	return reply("ListHostedZonesResponse", document, nil)
}

func (h *Handler) listByVPC(c *call) (answer, *gate.Failure) {
	most, f := c.maxItems(100)
	if f != nil {
		return answer{}, f
	}
	vpcID, region, token := c.query.Get("vpcid"), c.query.Get("vpcregion"), c.query.Get("nexttoken")
	if vpcID == "" || region == "" {
		return answer{}, invalidInput("The input is not valid: vpcid and vpcregion are needed")
	}
	type owner struct {
		Account string `xml:"OwningAccount,omitempty"`
		Service string `xml:"OwningService,omitempty"`
	}
	type summary struct {
		ID    string `xml:"HostedZoneId"`
		Name  string `xml:"Name"`
		Owner owner  `xml:"Owner"`
	}
	document := struct {
		Zones    []summary `xml:"HostedZoneSummaries>HostedZoneSummary"`
		MaxItems int       `xml:"MaxItems"`
		Next     string    `xml:"NextToken,omitempty"`
	}{MaxItems: most}
	started := token == ""
	for _, z := range h.store.Zones() {
		if started = started || z.ID == token; !started {
			continue
		}
		for _, v := range z.VPCs {
			if v != (zone.VPC{ID: vpcID, Region: region}) {
				continue
			}
			if len(document.Zones) == most {
				document.Next = z.ID
				return reply("ListHostedZonesByVPCResponse", document, nil)
			}
			s := summary{z.ID, z.Name, owner{Account: h.account}}
			if z.CloudMap {
				s.Owner = owner{Service: cloudMap}
			}
			document.Zones = append(document.Zones, s)
		}
	}
	if !started {
		return answer{}, gate.Refuse(
			400,
			"InvalidPaginationToken",
			"The value that you specified to get the second or "+
				"subsequent page of results is invalid.",
		)
	}
	return reply("ListHostedZonesByVPCResponse", document, nil)
}

func (h *Handler) getZone(c *call) (answer, *gate.Failure) {
	z, err := h.store.Get(c.zoneID)
	return reply("GetHostedZoneResponse", struct {
		HostedZone    hostedZone
		DelegationSet *delegationSet
		VPCs          *vpcList
	}{h.toHostedZone(z), toDelegationSet(z), toVPCs(z.VPCs)}, err)
}

func (h *Handler) createZone(c *call) (answer, *gate.Failure) {
	r := c.create
	z := zone.Zone{Name: r.Name, CallerReference: r.CallerReference}
	if r.Config != nil {
		z.Comment, z.Private = r.Config.Comment, r.Config.Private
	}
	if r.VPC != nil {
		z.Private, z.VPCs = true, []zone.VPC{{ID: r.VPC.ID, Region: r.VPC.Region}}
	}
	switch {
	case r.CallerReference == "":
		return answer{}, invalidInput("The input is not valid: CallerReference is needed")
	case z.Private && len(z.VPCs) == 0:
		return answer{}, invalidInput("When you're creating a private hosted zone, you must specify a VPC")
	case r.VPC != nil && (r.VPC.ID == "" || r.VPC.Region == ""):
		return answer{}, gate.Refuse(
			400,
			"InvalidVPCId",
			"The VPC ID that you specified either isn't a valid ID or the "+
				"current account is not authorized to access this VPC.",
		)
	}
	z, info, err := h.store.Create(z)
	a, f := reply("CreateHostedZoneResponse", struct {
		HostedZone    hostedZone
		ChangeInfo    changeInfo
		DelegationSet *delegationSet
		VPC           *vpc
	}{h.toHostedZone(z), toChangeInfo(info), toDelegationSet(z), r.VPC}, err)
	a.status = 201
	a.header = http.Header{"Location": {"https://route53.amazonaws.com/2013-04-01/hostedzone/" + z.ID}}
	return a, f
}

func (h *Handler) zoneLimit(c *call) (answer, *gate.Failure) {
	z, err := h.store.Get(c.zoneID)
	type limit struct {
		Type  string
		Value int
	}
	document := struct {
		Limit limit
		Count int
	}{limit{c.id, h.store.Rules().MaxSets}, z.Sets}
	switch c.id {
	case "MAX_RRSETS_BY_ZONE":
	case "MAX_VPCS_ASSOCIATED_BY_ZONE":
		document.Limit.Value, document.Count = 300, len(z.VPCs)
	default:
		return answer{}, invalidInput("Invalid value for the type of limit: %s", c.id)
	}
	return reply("GetHostedZoneLimitResponse", document, err)
}
