package route53

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
)

// Hosted is a hosted zone as Route 53 describes it.
type Hosted struct {
	ID      string // without /hostedzone/
	Name    string // lower case, no final dot
	Private bool
	VPCs    []string // with which a private zone is associated
	// the service that alone may change it, such as servicediscovery.amazonaws.com (Cloud Map); else empty
	Owner string
}

// Describe asks for one hosted zone; it takes the permission route53:GetHostedZone. Its error wraps plan.ErrNoSuchZone
// where there is none.
func (c *Client) Describe(ctx context.Context, id string) (Hosted, error) {
	answer, err := c.api.getZone(ctx, &sdk.GetHostedZoneInput{Id: &id})
	if err != nil {
		return Hosted{}, fmt.Errorf("describe hosted zone %s: %w", id, classify(err))
	}
	if answer.HostedZone == nil || aws.ToString(answer.HostedZone.Name) == "" {
		return Hosted{}, fmt.Errorf("describe hosted zone %s: %w", id, errForeign)
	}
	zone := *answer.HostedZone
	found := Hosted{
		ID:      zoneID(zone),
		Name:    plain(aws.ToString(zone.Name)),
		Private: zone.Config != nil && zone.Config.PrivateZone,
	}
	for _, v := range answer.VPCs {
		found.VPCs = append(found.VPCs, aws.ToString(v.VPCId))
	}
	if zone.LinkedService != nil {
		found.Owner = aws.ToString(zone.LinkedService.ServicePrincipal)
	}
	return found, nil
}
