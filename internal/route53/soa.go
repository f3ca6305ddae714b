package route53

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/ecssd/ecssd/internal/record"
)

// ErrOtherZone is the error of a zone that is perhaps not the one that it is taken for.
var ErrOtherZone = errors.New("is it a zone of another name?")

// LowerNegativeTTL lowers for how long resolvers keep the answer that a name does not exist: the lesser of the SOA
// record's TTL and its last field (RFC 2308), 900 s as Route 53 makes a zone. Both become seconds, where they are more.
// It reports whether one is, and in a dry run does no more.
func (z *Zone) LowerNegativeTTL(ctx context.Context, name string, seconds int64, dryRun bool) (lower bool, err error) {
	soa, fields, minimum, err := z.soa(ctx, name)
	if err != nil {
		return false, err
	}
	lower = minimum > seconds || aws.ToInt64(soa.TTL) > seconds
	if !lower || dryRun {
		return lower, nil
	}
	fields[6] = strconv.FormatInt(min(minimum, seconds), 10)
	soa.TTL = aws.Int64(min(aws.ToInt64(soa.TTL), seconds))
	soa.ResourceRecords = []types.ResourceRecord{{Value: aws.String(strings.Join(fields, " "))}}
	_, err = z.api.change(ctx, &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &z.ID, ChangeBatch: &types.ChangeBatch{
		Changes: []types.Change{{Action: types.ChangeActionUpsert, ResourceRecordSet: &soa}},
	}})
	if err != nil {
		return false, fmt.Errorf("lower the negative TTL of %s in its SOA record: %w", name, classify(err))
	}
	return true, nil
}

// NegativeTTL returns for how long resolvers keep the answer that a name does not exist, in seconds, as
// LowerNegativeTTL has it.
func (z *Zone) NegativeTTL(ctx context.Context, name string) (int64, error) {
	soa, _, minimum, err := z.soa(ctx, name)
	return min(minimum, aws.ToInt64(soa.TTL)), err
}

// soa reads the zone's SOA record: the record set, the fields of its value, and the last of them as a number.
func (z *Zone) soa(
	ctx context.Context,
	name string,
) (soa types.ResourceRecordSet, fields []string, minimum int64, err error) {
	page, err := z.page(ctx, &sdk.ListResourceRecordSetsInput{
		HostedZoneId:    &z.ID,
		MaxItems:        aws.Int32(1),
		StartRecordName: aws.String(record.Escape(name)),
		StartRecordType: types.RRTypeSoa,
	})
	if err != nil {
		return soa, nil, 0, fmt.Errorf("read the SOA record of %s: %w", name, err)
	}
	if len(page.ResourceRecordSets) != 1 || page.ResourceRecordSets[0].Type != types.RRTypeSoa ||
		plain(aws.ToString(page.ResourceRecordSets[0].Name)) != name {
		return soa, nil, 0, fmt.Errorf(
			"read the SOA record of %s: zone %s has none of this name: %w",
			name,
			z.ID,
			ErrOtherZone,
		)
	}
	soa = page.ResourceRecordSets[0]
	if len(soa.ResourceRecords) == 1 {
		fields = strings.Fields(aws.ToString(soa.ResourceRecords[0].Value))
	}
	if len(fields) != 7 {
		return soa, nil, 0, fmt.Errorf("read the SOA record of %s: it has %d fields and not seven", name, len(fields))
	}
	minimum, err = strconv.ParseInt(fields[6], 10, 64)
	if err != nil {
		return soa, nil, 0, fmt.Errorf("read the SOA record of %s: its last field: %w", name, err)
	}
	return soa, fields, minimum, nil
}
