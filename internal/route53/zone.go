package route53

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// recordPage is the most record sets that Route 53 lists at once.
const recordPage = 300

// Zone is one hosted zone.
type Zone struct {
	ID  string // without /hostedzone/
	api api
}

// Change makes all changes or none, in one call; plan.Batch says how many it may carry. Its error is a *plan.Refusal,
// plan.ErrThrottled or plan.ErrNoSuchZone, wrapped, where nothing was changed and that is known; after any other error
// the changes may or may not have been made.
func (z *Zone) Change(ctx context.Context, changes []plan.Change) error {
	batch := &types.ChangeBatch{Changes: make([]types.Change, 0, len(changes))}
	for _, c := range changes {
		batch.Changes = append(batch.Changes, types.Change{
			Action: types.ChangeAction(c.Action), ResourceRecordSet: encode(c.Record),
		})
	}
	answer, err := z.api.change(ctx, &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &z.ID, ChangeBatch: batch})
	if err == nil && (answer.ChangeInfo == nil || aws.ToString(answer.ChangeInfo.Id) == "") {
		err = errForeign
	}
	if err != nil {
		return fmt.Errorf("change records in zone %s: %w", z.ID, classifyChange(err, changes))
	}
	return nil
}

// Group returns all records of one name and type, in one call: at most 100 weighted ones, or a few of another routing
// policy. What is not a weighted record with values of its own comes with an empty SetID, so that it is nobody's.
func (z *Zone) Group(ctx context.Context, name string, t record.Type) ([]record.Record, error) {
	page, err := z.page(ctx, &sdk.ListResourceRecordSetsInput{
		HostedZoneId:    &z.ID,
		MaxItems:        aws.Int32(recordPage),
		StartRecordName: aws.String(record.Escape(name)),
		StartRecordType: types.RRType(t),
	})
	if err != nil {
		return nil, fmt.Errorf("list %s records of %s in zone %s: %w", t, name, z.ID, err)
	}
	var group []record.Record
	for _, set := range page.ResourceRecordSets {
		r := decode(set)
		if err := check(r); err != nil {
			return nil, fmt.Errorf("list %s records of %s in zone %s: %w", t, name, z.ID, err)
		}
		if r.Name != name || r.Type != t { // name and type are where the listing starts, not a filter
			break
		}
		group = append(group, r)
	}
	return group, nil
}

// Page returns the weighted SRV and A records from one name and type on, as far as one call lists them, and a function
// that reports of a name and type whether all its records are on the page, or that it has none.
func (z *Zone) Page(
	ctx context.Context,
	name string,
	t record.Type,
) ([]record.Record, func(string, record.Type) bool, error) {
	page, err := z.page(ctx, &sdk.ListResourceRecordSetsInput{
		HostedZoneId:    &z.ID,
		MaxItems:        aws.Int32(recordPage),
		StartRecordName: aws.String(record.Escape(name)),
		StartRecordType: types.RRType(t),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list records from %s on in zone %s: %w", name, z.ID, err)
	}
	records, err := weighted(page.ResourceRecordSets)
	if err != nil {
		return nil, nil, fmt.Errorf("list records from %s on in zone %s: %w", name, z.ID, err)
	}
	if page.IsTruncated && aws.ToString(page.NextRecordName) == "" {
		return nil, nil, fmt.Errorf("list records from %s on in zone %s: %w", name, z.ID, errForeign)
	}
	first, next := place(name, t), place(aws.ToString(page.NextRecordName), record.Type(page.NextRecordType))
	return records, func(name string, t record.Type) bool {
		at := place(name, t)
		return at >= first && (!page.IsTruncated || at < next)
	}, nil
}

// place returns a text by which names and types sort as they are listed.
func place(name string, t record.Type) string { return record.Order(name) + " " + string(t) }

// weighted returns the weighted SRV and A records among record sets.
func weighted(sets []types.ResourceRecordSet) (records []record.Record, err error) {
	for _, set := range sets {
		r := decode(set)
		if err := check(r); err != nil {
			return nil, err
		}
		if r.SetID != "" && (r.Type == record.SRV || r.Type == record.A) {
			records = append(records, r)
		}
	}
	return records, nil
}

// patiently has a call repeated while the account is throttled or the connection fails. A listing that is given up
// after some pages has to begin again.
func patiently(o *sdk.Options) {
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 8 })
}

// Each passes on the weighted SRV and A records of the whole zone, page by page: one call each, repeated where it fails
// for reasons that pass, the next only when visit has returned. listed is how many record sets of any kind the page
// had. An error of visit ends the listing and is returned. What changes meanwhile may be listed or not.
func (z *Zone) Each(ctx context.Context, visit func(page []record.Record, listed int) error) error {
	input := &sdk.ListResourceRecordSetsInput{HostedZoneId: &z.ID, MaxItems: aws.Int32(recordPage)}
	visited := trail{}
	for {
		page, err := z.page(ctx, input, patiently)
		if err != nil {
			return fmt.Errorf("list records in zone %s: %w", z.ID, err)
		}
		records, err := weighted(page.ResourceRecordSets)
		if err != nil {
			return fmt.Errorf("list records in zone %s: %w", z.ID, err)
		}
		if err := visit(records, len(page.ResourceRecordSets)); err != nil {
			return err
		}
		if !page.IsTruncated {
			return nil
		}
		// All three are needed: a page may end between two records of one name and type.
		input.StartRecordName, input.StartRecordType, input.StartRecordIdentifier =
			page.NextRecordName, page.NextRecordType, page.NextRecordIdentifier
		t := aws.String(string(page.NextRecordType))
		if err := visited.next(page.NextRecordName, t, page.NextRecordIdentifier); err != nil {
			return fmt.Errorf("list records in zone %s: %w", z.ID, err)
		}
	}
}

// page returns one page of a listing.
func (z *Zone) page(
	ctx context.Context,
	input *sdk.ListResourceRecordSetsInput,
	options ...func(*sdk.Options),
) (*sdk.ListResourceRecordSetsOutput, error) {
	page, err := z.api.list(ctx, input, options...)
	switch {
	case err != nil:
		return nil, classify(err)
	case page.MaxItems == nil:
		return nil, errForeign
	}
	return page, nil
}

func encode(r record.Record) *types.ResourceRecordSet {
	set := &types.ResourceRecordSet{
		Name:          aws.String(record.Escape(r.Name)),
		Type:          types.RRType(r.Type),
		TTL:           &r.TTL,
		Weight:        &r.Weight,
		SetIdentifier: &r.SetID,
	}
	for value := range strings.SplitSeq(r.Value, "\n") {
		set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: aws.String(value)})
	}
	return set
}

func decode(set types.ResourceRecordSet) record.Record {
	r := record.Record{
		Name:   plain(aws.ToString(set.Name)),
		Type:   record.Type(set.Type),
		TTL:    aws.ToInt64(set.TTL),
		Weight: aws.ToInt64(set.Weight),
	}
	if set.Weight != nil && set.AliasTarget == nil {
		r.SetID = aws.ToString(set.SetIdentifier)
	}
	values := make([]string, 0, len(set.ResourceRecords))
	for _, v := range set.ResourceRecords {
		values = append(values, aws.ToString(v.Value))
	}
	r.Value = strings.Join(values, "\n")
	return r
}

// plain returns a name as Route 53 lists it in the form that record.Record has.
func plain(name string) string {
	return record.Unescape(strings.ToLower(strings.TrimSuffix(name, ".")))
}
