package zone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	store "github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// Group returns all record sets of one name and type, by set identifier.
func (z *Zone) Group(ctx context.Context, name string, t record.Type) ([]record.Record, error) {
	page, err := z.list(ctx, store.Position{Name: record.Escape(name), Type: string(t)})
	if err != nil {
		return nil, fmt.Errorf("list %s records of %s in zone %s: %w", t, name, ID, err)
	}
	var group []record.Record
	for _, set := range page.Sets {
		r := decode(set)
		if r.Name != name || r.Type != t {
			break
		}
		group = append(group, r)
	}
	return group, nil
}

// Page returns the weighted SRV and A records from one name and type on, as far as one call lists them, and a function
// that reports whether all records of a name and type are on the page.
func (z *Zone) Page(
	ctx context.Context,
	name string,
	t record.Type,
) (records []record.Record, covers func(string, record.Type) bool, err error) {
	page, err := z.list(ctx, store.Position{Name: record.Escape(name), Type: string(t)})
	if err != nil {
		return nil, nil, fmt.Errorf("list records from %s on in zone %s: %w", name, ID, err)
	}
	place := func(name string, t record.Type) string { return record.Order(name) + " " + string(t) }
	first, next := place(name, t), "~"
	if page.Next != nil {
		next = place(page.Next.Name, record.Type(page.Next.Type))
	}
	return weighted(page), func(name string, t record.Type) bool {
		at := place(name, t)
		return first <= at && at < next
	}, nil
}

// Each passes on the weighted SRV and A records of the zone, page by page, and how many record sets of any kind a page
// has. An error of visit ends it and is returned. A page that cannot be read is not tried again.
func (z *Zone) Each(ctx context.Context, visit func(page []record.Record, listed int) error) error {
	var from store.Position
	for {
		page, err := z.list(ctx, from)
		if err != nil {
			return fmt.Errorf("list records in zone %s: %w", ID, err)
		}
		if err := visit(weighted(page), len(page.Sets)); err != nil {
			return err
		}
		if page.Next == nil {
			return nil
		}
		from = *page.Next
	}
}

// list is one call of ListResourceRecordSets.
func (z *Zone) list(ctx context.Context, from store.Position) (store.Page, error) {
	z.mu.Lock()
	z.reads = append(z.reads, Read{
		Time: time.Now(),
		Name: record.Unescape(strings.TrimSuffix(from.Name, ".")),
		Type: record.Type(from.Type),
	})
	number, latency := len(z.reads), z.ReadLatency
	z.mu.Unlock()
	if err := pause(ctx, latency); err != nil {
		return store.Page{}, err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.ReadFault != nil {
		if err := z.ReadFault(number); err != nil {
			return store.Page{}, err
		}
	}
	page, err := z.store.List(ID, from, cmp.Or(z.PageSize, 300))
	if refused := (*store.Error)(nil); errors.As(err, &refused) && refused.Code == store.NoSuchHostedZone {
		err = fmt.Errorf("%w: %s", plan.ErrNoSuchZone, refused)
	}
	return page, err
}

func weighted(page store.Page) (records []record.Record) {
	for _, set := range page.Sets {
		r := decode(set)
		if r.SetID != "" && (r.Type == record.SRV || r.Type == record.A) {
			records = append(records, r)
		}
	}
	return records
}
