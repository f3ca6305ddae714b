package route53

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

func srv(name, setID string) record.Record {
	return record.Record{
		Name:   name,
		Type:   record.SRV,
		SetID:  setID,
		Weight: 1,
		Value:  "1 1 32769 ip-10-0-0-1.example.internal",
	}
}

func deleting(r record.Record) plan.Change  { return plan.Change{Action: plan.Delete, Record: r} }
func upserting(r record.Record) plan.Change { return plan.Change{Action: plan.Upsert, Record: r} }
func creating(r record.Record) plan.Change  { return plan.Change{Action: plan.Create, Record: r} }

// The batch that the messages below are about: 0 and 1 differ in the last character of the set identifier, 2 in the
// name.
var batch = []plan.Change{
	deleting(srv("web.example.internal", "i-1:ecs:c1:80/tcp")),
	deleting(srv("web.example.internal", "i-1:ecs:c1:80/tcp2")),
	deleting(srv("api.example.internal", "i-1:ecs:c1:80/tcp")),
	upserting(srv("web.example.internal", "i-1:ecs:c2:80/tcp")),
	upserting(srv("web.example.internal", "i-1:ecs:c3:80/tcp")),
	upserting(srv("*.example.internal", "i-1:ecs:c4:80/tcp")),
	upserting(record.Record{
		Name:   "web.example.internal",
		Type:   record.A,
		SetID:  "i-1:host:-",
		Weight: 1,
		Value:  "10.0.0.1",
	}),
	upserting(record.Record{
		Name:  "bad.example.internal",
		Type:  record.SRV,
		SetID: "i-1:ecs:c5:80/tcp",
		Value: "1 1 32769 ip-10-0-6-110.testapi. eu-central-1",
	}),
	creating(srv("new.example.internal", "i-1:ecs:c6:80/tcp")),
	creating(srv("new.example.internal", "i-1:ecs:c7:80/tcp")),
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		named   map[int]plan.Reason // by position in batch
		reason  plan.Reason         // where none is named
	}{
		"not found": {
			message: `[Tried to delete resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp'] but it was not found]`,
			named:   map[int]plan.Reason{0: plan.NotFound},
		},
		"not found, the quote left open": {
			message: `[Tried to delete resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp] but it was not found]`,
			named:   map[int]plan.Reason{0: plan.NotFound},
		},
		"not found, an identifier that another one begins": {
			message: `[Tried to delete resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp2'] but it was not found]`,
			named:   map[int]plan.Reason{1: plan.NotFound},
		},
		"not found, an identifier that goes on": {
			message: `[Tried to delete resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp and more'] but it was not found]`,
			reason:  plan.NotFound,
		},
		"not found, without brackets, in other case": {
			message: `TRIED TO DELETE resource record set [name='WEB.example.internal', type='srv', set-identifier='i-1:ecs:c1:80/tcp'] but it was NOT FOUND`,
			named:   map[int]plan.Reason{0: plan.NotFound},
		},
		"not found, no identifier told, one of the name deleted": {
			message: `[Tried to delete resource record set [name='api.example.internal.', type='SRV'] but it was not found]`,
			named:   map[int]plan.Reason{2: plan.NotFound},
		},
		"not found, no identifier told, two of the name deleted": {
			message: `[Tried to delete resource record set [name='web.example.internal.', type='SRV'] but it was not found]`,
			reason:  plan.NotFound,
		},
		"not found, a record that is upserted": {
			message: `[Tried to delete resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c2:80/tcp'] but it was not found]`,
			reason:  plan.NotFound,
		},
		"already exists": {
			message: `[Tried to create resource record set [name='new.example.internal.', type='SRV', set-identifier='i-1:ecs:c6:80/tcp'] but it already exists]`,
			named:   map[int]plan.Reason{8: plan.Exists},
		},
		"already exists, the quote left open": {
			message: `[Tried to create resource record set [name='new.example.internal.', type='SRV', set-identifier='i-1:ecs:c7:80/tcp] but it already exists]`,
			named:   map[int]plan.Reason{9: plan.Exists},
		},
		"already exists, no identifier told": {
			message: `[Tried to create resource record set [name='new.example.internal.', type='SRV'] but it already exists]`,
			named:   map[int]plan.Reason{8: plan.Exists, 9: plan.Exists},
		},
		"already exists, a record that is upserted": {
			message: `[Tried to create resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c2:80/tcp'] but it already exists]`,
			reason:  plan.Exists,
		},
		"already exists, and an earlier call removed what is to go": {
			message: `[Tried to delete resource record set [name='api.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp'] but it was not found, ` +
				`Tried to create resource record set [name='new.example.internal.', type='SRV', set-identifier='i-1:ecs:c6:80/tcp'] but it already exists]`,
			named: map[int]plan.Reason{2: plan.NotFound, 8: plan.Exists},
		},
		"no room for what is new": {
			message: `[Exceeded limit on number of weighted RRSets for new.example.internal., type SRV in this zone.]`,
			named:   map[int]plan.Reason{8: plan.NameFull, 9: plan.NameFull},
		},
		"other values": {
			message: `[Tried to delete resource record set [name='api.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp'] but the values provided do not match the current values]`,
			named:   map[int]plan.Reason{2: plan.Mismatch},
		},
		"several in one": {
			message: `[Tried to delete resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp'] but it was not found, ` +
				`Tried to delete resource record set [name='api.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp'] but the values provided do not match the current values, ` +
				`RRSet with DNS name web.example.internal., type SRV, SetIdentifier i-1:ecs:c3:80/tcp cannot be created as weighted sets must contain the same TTL.]`,
			named: map[int]plan.Reason{0: plan.NotFound, 2: plan.Mismatch, 4: plan.TTL},
		},
		"what follows is new to us": {
			message: `[Tried to delete resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp'] but it is protected, ` +
				`Something was not found]`,
			named: map[int]plan.Reason{0: plan.Invalid},
		},
		"a TTL of its own": {
			message: `[RRSet with DNS name web.example.internal., type SRV, SetIdentifier i-1:ecs:c2:80/tcp cannot be created as weighted sets must contain the same TTL.]`,
			named:   map[int]plan.Reason{3: plan.TTL},
		},
		"a TTL of its own, no identifier told": {
			message: `[RRSet with DNS name web.example.internal., type SRV cannot be created as weighted sets must contain the same TTL.]`,
			named:   map[int]plan.Reason{3: plan.TTL, 4: plan.TTL},
		},
		"name full": {
			message: `[Exceeded limit on number of weighted RRSets for web.example.internal., type SRV in this zone.]`,
			named:   map[int]plan.Reason{3: plan.NameFull, 4: plan.NameFull},
		},
		"zone full": {
			message: `[Exceeded limit MAX_RRSETS_BY_ZONE for zone: Z0123456789]`,
			reason:  plan.ZoneFull,
		},
		"zone full in other words": {
			message: `[Exceeded limit on number of resource record sets in this hosted zone]`,
			reason:  plan.ZoneFull,
		},
		"a simple record has the name": {
			message: `[RRSet with DNS name \052.example.internal., type SRV, SetIdentifier i-1:ecs:c4:80/tcp cannot be created as a non-weighted set exists with the same name and type]`,
			named:   map[int]plan.Reason{5: plan.Conflict},
		},
		"others have the name": {
			message: `[RRSet with DNS name web.example.internal., type A cannot be created as other RRSets exist with the same name and type.]`,
			named:   map[int]plan.Reason{6: plan.Conflict},
		},
		"a CNAME has the name": {
			message: `[RRSet of type SRV with DNS name web.example.internal. is not permitted because a conflicting RRSet of type  CNAME with the same DNS name already exists in zone example.internal.]`,
			named:   map[int]plan.Reason{3: plan.Conflict, 4: plan.Conflict},
		},
		"outside the zone": {
			message: `[RRSet with DNS name api.example.internal. is not permitted in zone other.internal.]`,
			named:   map[int]plan.Reason{2: plan.Invalid},
		},
		"a value that is none": {
			message: `[Invalid Resource Record: FATAL problem: SRVRRDATANotFourFields (SRV record doesn't have 4 fields) encountered with '1 1 32769 ip-10-0-6-110.testapi. eu-central-1']`,
			named:   map[int]plan.Reason{7: plan.Invalid},
		},
		"a name that is none": {
			message: `[FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with 'bad.example.internal']`,
			named:   map[int]plan.Reason{7: plan.Invalid},
		},
		"a TTL of its own, an identifier that goes on": {
			message: `[RRSet with DNS name web.example.internal., type SRV, SetIdentifier i-1:ecs:c2:80/tcp2 cannot be created as weighted sets must contain the same TTL.]`,
			reason:  plan.TTL,
		},
		"zone full, and news": {
			message: `[Exceeded limit MAX_RRSETS_BY_ZONE for zone: Z0123456789, Computer says no]`,
			reason:  plan.ZoneFull,
		},
		"a batch too long": {
			message: `[Number of records limit of 1000 exceeded.]`,
			reason:  plan.Invalid,
		},
		"contradicting changes": {
			message: `[The request contains an invalid set of changes for a resource record set 'SRV web.example.internal.']`,
			reason:  plan.Invalid,
		},
		"a record of nobody here": {
			message: `[RRSet with DNS name other.example.internal., type SRV, SetIdentifier x cannot be created as weighted sets must contain the same TTL.]`,
			reason:  plan.TTL,
		},
		"news":    {message: `[Computer says no]`, reason: plan.Invalid},
		"nothing": {message: ``, reason: plan.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			got := Refusal([]string{c.message}, batch)
			named := map[int]plan.Reason{}
			for change, reason := range got.Named {
				named[slices.Index(batch, change)] = reason
			}
			if c.named != nil {
				assert.Equal(t, c.named, named)
			} else {
				assert.Empty(t, named)
				assert.Equal(t, c.reason, got.Reason)
			}
			assert.Equal(t, c.message, got.Message)
		})
	}
}

func TestRefusalOfARemovalIsNotClaimedOfAdditions(t *testing.T) {
	message := `[Tried to delete resource record set [name='x.', type='SRV', set-identifier='y'] but it was not found]`
	assert.Equal(t, plan.Invalid, Refusal([]string{message}, batch[3:]).Reason)
}

func TestRefusalByTheDocumentOfOld(t *testing.T) {
	err := &types.InvalidChangeBatch{Message: aws.String("ChangeBatch errors occurred"), Messages: []string{
		`Tried to delete resource record set [name='api.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp'] but it was not found`,
		`Exceeded limit on number of weighted RRSets for web.example.internal., type SRV in this zone.`,
	}}
	var got *plan.Refusal
	require.ErrorAs(t, classifyChange(call(err), batch), &got)
	assert.Equal(t, map[plan.Change]plan.Reason{
		batch[2]: plan.NotFound, batch[3]: plan.NameFull, batch[4]: plan.NameFull,
	}, got.Named)
}

// call wraps an error as the SDK does.
func call(err error) error {
	return &smithy.OperationError{
		ServiceID:     "Route 53",
		OperationName: "ChangeResourceRecordSets",
		Err:           fmt.Errorf("https response error: %w", err),
	}
}

func answered(code string) error { return call(&smithy.GenericAPIError{Code: code, Message: "words"}) }

func TestClassify(t *testing.T) {
	for code, want := range map[string]error{
		"Throttling":              plan.ErrThrottled,
		"ThrottlingException":     plan.ErrThrottled,
		"RequestLimitExceeded":    plan.ErrThrottled,
		"PriorRequestNotComplete": plan.ErrZoneBusy,
		"NoSuchHostedZone":        plan.ErrNoSuchZone,
	} {
		assert.ErrorIs(t, classify(answered(code)), want, code)
		assert.ErrorIs(t, classifyChange(answered(code), batch), want, code)
		assert.ErrorContains(t, classify(answered(code)), code+": words")
	}
	for code, want := range map[string]plan.Refusal{
		"InvalidInput":           {Reason: plan.Invalid, Message: "InvalidInput: words"},
		"AccessDenied":           {Reason: plan.Denied, Message: "words"},
		"AccessDeniedException":  {Reason: plan.Denied, Message: "words"},
		"NotAuthorizedException": {Reason: plan.Denied, Message: "words"},
		"LimitsExceeded":         {Reason: plan.ZoneFull, Message: "LimitsExceeded: words"},
	} {
		var got *plan.Refusal
		require.ErrorAs(t, classifyChange(answered(code), batch), &got, code)
		assert.Equal(t, &want, got, code)
	}
}

func TestWhatMayPassIsNeitherRefusedNorThrottled(t *testing.T) {
	failures := []error{
		call(context.DeadlineExceeded), call(errors.New("connection reset by peer")),
		call(&smithy.DeserializationError{Err: errors.New("unexpected EOF")}),
		// The role's credentials could not be renewed: it is not the change that was denied.
		call(fmt.Errorf("get identity: get credentials: %w", &smithy.OperationError{ServiceID: "STS",
			Err: &smithy.GenericAPIError{Code: "AccessDenied"}})),
		call(fmt.Errorf("get identity: get credentials: %w", &smithy.OperationError{ServiceID: "STS",
			Err: &smithy.GenericAPIError{Code: "Throttling"}})),
	}
	for _, code := range []string{
		"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
		"SignatureDoesNotMatch", "RequestExpired", "InternalFailure", "ServiceUnavailable", "news",
	} {
		failures = append(failures, answered(code))
	}
	for _, err := range failures {
		assert.Equal(t, err, classifyChange(err, batch))
		assert.Equal(t, err, classify(err))
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(
		`[Tried to delete resource record set [name='web.example.internal.', type='SRV', set-identifier='i-1:ecs:c1:80/tcp] but it was not found, RRSet with DNS name web.example.internal., type SRV, SetIdentifier i-1:ecs:c3:80/tcp cannot be created as weighted sets must contain the same TTL.]`,
	)
	f.Add(`[Exceeded limit on number of weighted RRSets for web.example.internal., type SRV in this zone.]`)
	f.Add(`, ,Tried to [[name='\052.example.internal', set-identifier='`)
	f.Add(`FATAL problem encountered with '`)
	f.Fuzz(func(t *testing.T, message string) {
		got := Refusal([]string{message}, batch)
		assert.NotEmpty(t, got.Reason)
		for change, reason := range got.Named {
			assert.Contains(t, batch, change)
			assert.True(t, possible(reason, change))
			if reason == plan.NotFound {
				assert.True(t, strings.Contains(strings.ToLower(message), "to delete "))
			}
		}
	})
}
