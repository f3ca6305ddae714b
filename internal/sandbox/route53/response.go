package route53

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// answer is a success response; document is marshalled under the root element.
type answer struct {
	status   int
	root     string
	document any
	header   http.Header
}

type changeInfo struct {
	ID          string `xml:"Id"`
	Status      string `xml:"Status"`
	SubmittedAt string `xml:"SubmittedAt"`
	Comment     string `xml:"Comment,omitempty"`
}

func toChangeInfo(c zone.ChangeInfo) changeInfo {
	info := changeInfo{
		ID:          "/change/" + c.ID,
		Status:      "INSYNC",
		Comment:     c.Comment,
		SubmittedAt: c.Submitted.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if c.Pending {
		info.Status = "PENDING"
	}
	return info
}

type hostedZone struct {
	ID              string         `xml:"Id"`
	Name            string         `xml:"Name"`
	CallerReference string         `xml:"CallerReference"`
	Config          config         `xml:"Config"`
	Count           int            `xml:"ResourceRecordSetCount"`
	LinkedService   *linkedService `xml:"LinkedService"`
}

type linkedService struct {
	Description      string `xml:"Description"`
	ServicePrincipal string `xml:"ServicePrincipal"`
}

func (h *Handler) toHostedZone(z zone.Zone) hostedZone {
	hosted := hostedZone{
		ID:              "/hostedzone/" + z.ID,
		Name:            z.Name,
		CallerReference: z.CallerReference,
		Config:          config{z.Comment, z.Private},
		Count:           z.Sets,
	}
	if z.CloudMap {
		hosted.LinkedService = &linkedService{h.cloudMapARN(), cloudMap}
	}
	return hosted
}

func (h *Handler) toHostedZones(zones []zone.Zone) []hostedZone {
	result := make([]hostedZone, 0, len(zones))
	for _, z := range zones {
		result = append(result, h.toHostedZone(z))
	}
	return result
}

type vpcList struct {
	VPC []vpc `xml:"VPC"`
}

func toVPCs(vpcs []zone.VPC) *vpcList {
	if len(vpcs) == 0 {
		return nil
	}
	result := vpcList{}
	for _, v := range vpcs {
		result.VPC = append(result.VPC, vpc{v.Region, v.ID})
	}
	return &result
}

type delegationSet struct {
	NameServers []string `xml:"NameServers>NameServer"`
}

func toDelegationSet(z zone.Zone) *delegationSet {
	if z.Private {
		return nil
	}
	return &delegationSet{z.NameServers}
}

// cloudMap owns some hosted zones, as ListHostedZonesByVPC and LinkedService name it.
const cloudMap = "servicediscovery.amazonaws.com"

func (h *Handler) cloudMapARN() string {
	return "arn:aws:servicediscovery:eu-central-1:" + h.account + ":namespace/ns-sandbox"
}

// marshal returns a document as Route 53 writes it.
func marshal(root string, document any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0"?>` + "\n")
	err := xml.NewEncoder(&b).EncodeElement(document, xml.StartElement{Name: xml.Name{Space: namespace, Local: root}})
	return b.Bytes(), err
}

type errorDocument struct {
	Error     errorDetail `xml:"Error"`
	RequestID string      `xml:"RequestId"`
}

type errorDetail struct {
	Type    string `xml:"Type"`
	Code    string `xml:"Code"`
	Message string `xml:"Message"`
}

// legacyDocument is how InvalidChangeBatch was answered of old, and how the SDKs still read it.
type legacyDocument struct {
	Messages  []string `xml:"Messages>Message"`
	RequestID string   `xml:"RequestId"`
}
