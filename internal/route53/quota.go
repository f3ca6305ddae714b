package route53

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// Quota is how many record sets, of any type and owner, a hosted zone holds and may hold: 10,000 unless AWS was asked
// for more.
type Quota struct{ Records, Limit int64 }

// Quota asks for the zone's quota; it takes the permission route53:GetHostedZoneLimit.
func (z *Zone) Quota(ctx context.Context) (Quota, error) {
	answer, err := z.api.getLimit(ctx, &sdk.GetHostedZoneLimitInput{
		HostedZoneId: &z.ID,
		Type:         types.HostedZoneLimitTypeMaxRrsetsByZone,
	})
	if err != nil {
		return Quota{}, fmt.Errorf("ask for the quota of hosted zone %s: %w", z.ID, classify(err))
	}
	if answer.Limit == nil || answer.Limit.Value == nil {
		return Quota{}, fmt.Errorf("ask for the quota of hosted zone %s: an answer without a limit", z.ID)
	}
	return Quota{answer.Count, aws.ToInt64(answer.Limit.Value)}, nil
}
