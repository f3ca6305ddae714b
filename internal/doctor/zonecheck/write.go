package zonecheck

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/ecssd/ecssd/internal/awserr"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/doctor/awscheck"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

// checkWrite sends a change that may be made and cannot be: the removal of records that do not exist. Route 53 looks
// at the permission first and answers AccessDenied, or InvalidChangeBatch and "not found" where it would have made
// another change. The names and types are such that the condition keys of the agent's policy take them
// (route53:ChangeResourceRecordSetsNormalizedRecordNames and …RecordTypes).
func (z *Zone) checkWrite(ctx context.Context, zone *route53.Zone) ([]doctor.Result, error) {
	name := "ecssd-doctor-" + random(8) + "." + z.Name
	srv := z.probe(ctx, name)
	address := record.Record{
		Name:   name,
		Type:   record.A,
		SetID:  srv.SetID,
		TTL:    z.TTL,
		Weight: 1,
		Value:  "127.0.0.1",
	}
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	removal := []plan.Change{{Action: plan.Delete, Record: address}, {Action: plan.Delete, Record: srv}}
	err := whileBusy(ctx, func() error { return zone.Change(ctx, removal) })
	r, err := z.judgeWrite(zone.ID, err)
	return []doctor.Result{r}, err
}

// judgeWrite returns what the answer to the impossible change means, and the error where the call itself failed.
func (z *Zone) judgeWrite(zoneID string, err error) (doctor.Result, error) {
	var refusal *plan.Refusal
	switch {
	case err == nil:
		return doctor.Okf("these credentials may change SRV and A records"), nil
	case errors.As(err, &refusal) && absent(refusal):
		return doctor.Okf("these credentials may change SRV and A records (tried with one that does not exist)"), nil
	case errors.As(err, &refusal) && !refusal.Denied():
		return doctor.Failf("Route 53 refuses any change: %s", refusal.Message).
			Hintf("check that --zone (ECSSD_ZONE) is the name of the zone"), nil
	}
	return awscheck.Required("change the zone",
		"route53:ChangeResourceRecordSets for SRV and A records below "+z.Name+" on hosted zone "+zoneID, err), err
}

// againAfter is how long a zone that is busy is left alone.
const againAfter = time.Second

// whileBusy repeats a change while others are being made to the zone, which takes moments.
func whileBusy(ctx context.Context, change func() error) error {
	for {
		err := change()
		if awscheck.ClassOf(err) != awserr.ZoneBusy {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(againAfter):
		}
	}
}

// absent reports whether a batch was refused for nothing but that its records do not exist.
func absent(r *plan.Refusal) bool {
	for _, reason := range r.Named {
		if reason != plan.NotFound {
			return false
		}
	}
	return len(r.Named) > 0 || r.Reason == plan.NotFound
}

// probe returns a record of this host that no container has: with a set identifier that the agent takes for one of its
// own, should it ever list the zone, and the sweeper for that of a container on this host, so that what is left over
// goes with the host.
func (z *Zone) probe(ctx context.Context, name string) record.Record {
	id := record.SetID{
		Kind:      record.Docker,
		Instance:  z.Host.Identity(ctx).InstanceID,
		Container: random(32),
		Port:      9,
		Proto:     "tcp",
	}
	target := record.Target{
		Priority: 1,
		Weight:   1,
		Port:     9,
		Host:     z.Name,
	}
	return record.Record{
		Name:   name,
		Type:   record.SRV,
		SetID:  id.String(),
		TTL:    z.TTL,
		Weight: 1,
		Value:  target.String(),
	}
}

// random returns so many bytes in hexadecimal digits.
func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
