package route53

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/ecssd/ecssd/internal/awserr"
	"github.com/ecssd/ecssd/internal/plan"
)

// zonePage is the most hosted zones that Route 53 lists at once.
const zonePage = 100

// ZoneError is the error of FindZone where there are zones of the name, and a person has to do something before one of
// them will do.
type ZoneError struct{ Why, Hint string }

func (u ZoneError) Error() string { return u.Why + ": " + u.Hint }

// FindZone finds the private hosted zone of a name (no final dot); where several have it, the one associated with the
// VPC. Its error wraps plan.ErrNoSuchZone where no private zone has the name, which time may fix; of the others those
// that call for a person say what to do.
func (c *Client) FindZone(ctx context.Context, name, vpc string) (Zone, error) {
	zone, err := c.findZone(ctx, name, vpc)
	if err != nil {
		return Zone{}, fmt.Errorf("find hosted zone %s: %w", name, err)
	}
	if owner := zone.LinkedService; owner != nil {
		return Zone{}, fmt.Errorf("find hosted zone %s: %w", name, ZoneError{
			Why:  zoneID(zone) + " belongs to " + aws.ToString(owner.ServicePrincipal) + ", which alone may change it",
			Hint: "make a zone of another name for ecssd, or remove the Cloud Map namespace",
		})
	}
	return Zone{ID: zoneID(zone), api: c.api}, nil
}

func (c *Client) findZone(ctx context.Context, name, vpc string) (types.HostedZone, error) {
	named, err := c.zonesNamed(ctx, name)
	if err != nil {
		return types.HostedZone{}, err
	}
	private := slices.DeleteFunc(slices.Clone(named), func(z types.HostedZone) bool {
		return z.Config == nil || !z.Config.PrivateZone
	})
	switch {
	case len(private) == 1:
		return private[0], nil
	case len(private) > 1:
		return c.associated(ctx, private, vpc)
	case len(named) > 0:
		return types.HostedZone{}, fmt.Errorf(
			"%w: the hosted zone of this name is public (%s), a private one is needed",
			plan.ErrNoSuchZone,
			zoneID(named[0]),
		)
	}
	return types.HostedZone{}, fmt.Errorf(
		"%w: this account has no private hosted zone of this name",
		plan.ErrNoSuchZone,
	)
}

// zonesNamed returns all hosted zones of a name. Route 53 lists zones from a name on, and not the zones of that name.
func (c *Client) zonesNamed(ctx context.Context, name string) ([]types.HostedZone, error) {
	var found []types.HostedZone
	input := &sdk.ListHostedZonesByNameInput{DNSName: aws.String(name), MaxItems: aws.Int32(zonePage)}
	visited := trail{}
	for {
		page, err := c.api.listZones(ctx, input)
		if awserr.AnswerOf(err).Class() == awserr.Denied {
			return nil, fmt.Errorf("allow route53:ListHostedZonesByName, or give the zone by --zone-id: %w", err)
		} else if err != nil {
			return nil, classify(err)
		}
		if page.MaxItems == nil {
			return nil, errForeign
		}
		for _, zone := range page.HostedZones {
			if plain(aws.ToString(zone.Name)) != name {
				return found, nil
			}
			found = append(found, zone)
		}
		if !page.IsTruncated {
			return found, nil
		}
		input.DNSName, input.HostedZoneId = page.NextDNSName, page.NextHostedZoneId
		if err := visited.next(page.NextDNSName, page.NextHostedZoneId); err != nil {
			return nil, err
		}
	}
}

// associated chooses the one of several private zones that is associated with the VPC.
func (c *Client) associated(ctx context.Context, zones []types.HostedZone, vpc string) (types.HostedZone, error) {
	var chosen []types.HostedZone
	var listed []string
	for _, zone := range zones {
		detail, err := c.api.getZone(ctx, &sdk.GetHostedZoneInput{Id: zone.Id})
		if awserr.AnswerOf(err).Class() == awserr.Denied {
			return types.HostedZone{}, fmt.Errorf(
				"%d private zones have this name: allow route53:GetHostedZone, which shows which one is of this VPC, "+
					"or give the zone by --zone-id: %w",
				len(zones),
				err,
			)
		} else if err != nil {
			return types.HostedZone{}, classify(err)
		}
		var vpcs []string
		for _, v := range detail.VPCs {
			vpcs = append(vpcs, aws.ToString(v.VPCId))
		}
		if slices.Contains(vpcs, vpc) {
			chosen = append(chosen, zone)
		}
		listed = append(listed, fmt.Sprintf("%s in %s", zoneID(zone), strings.Join(vpcs, " ")))
	}
	if len(chosen) == 1 {
		return chosen[0], nil
	}
	which := "not one of them alone is associated with " + vpc
	if vpc == "" {
		which = "the VPC of this host is not known"
	}
	return types.HostedZone{}, ZoneError{
		Why:  "several private zones have this name and " + which,
		Hint: "choose one by --zone-id: " + strings.Join(listed, ", "),
	}
}

// zoneID returns the ID of a zone without the path that the API puts before it.
func zoneID(zone types.HostedZone) string {
	return strings.TrimPrefix(aws.ToString(zone.Id), "/hostedzone/")
}
