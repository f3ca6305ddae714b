package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// draw makes records of bytes: two bits each for name, identifier, weight and value.
func draw(bytes []byte) (records []record.Record) {
	for _, b := range bytes {
		r := record.Record{
			Name:   fmt.Sprintf("n%d.example", b&3),
			Type:   record.SRV,
			SetID:  fmt.Sprintf("i-1:%d", b>>2&3),
			Weight: int64(b >> 4 & 3),
			Value:  fmt.Sprintf("1 1 %d h", b>>6+1),
		}
		if b>>6 == 3 {
			r.Value = "1 1 04 H." // as Route 53 might write the same
		}
		records = append(records, r)
	}
	return records
}

// The changes lead from what is known to what is desired, whatever either is, and then there is nothing more to do.
func FuzzDiff(f *testing.F) {
	f.Add([]byte{0, 1, 2}, []byte{1, 2, 3}, byte(0))
	f.Add([]byte{}, []byte{7, 7, 71}, byte(1))
	f.Add([]byte{0xff, 0x3f}, []byte{0xbf, 0x7f}, byte(0xff))
	f.Add([]byte{9}, []byte{}, byte(1))
	f.Add([]byte{0x00}, []byte{0x40}, byte(0)) // another port
	f.Fuzz(func(t *testing.T, have, want []byte, doubts byte) {
		known := plan.Current{}
		for i, r := range draw(have) {
			known[r.Key()] = plan.Entry{Record: r, Unconfirmed: doubts>>(i%8)&1 != 0}
		}
		desired := map[record.Key]record.Record{}
		for _, r := range draw(want) {
			if _, twice := desired[r.Key()]; !twice { // the first counts
				desired[r.Key()] = r
			}
		}
		changes := plan.Diff(known, draw(want))
		seen := map[record.Key]bool{}
		upserts := false
		for _, c := range changes {
			key := c.Record.Key()
			assert.False(t, seen[key], "two changes of one record are refused")
			seen[key] = true
			switch c.Action {
			case plan.Delete:
				assert.False(t, upserts, "removals stand first")
				assert.Equal(t, known[key].Record, c.Record, "Route 53 deletes only what it is told exactly")
				delete(known, key)
			case plan.Create, plan.Upsert:
				_, there := known[key]
				assert.Equal(t, there, c.Action == plan.Upsert, "CREATE is for what is not known, and for nothing else")
				upserts = true
				known[key] = plan.Entry{Record: c.Record}
			default:
				t.Errorf("%s is not for an agent", c.Action)
			}
		}
		assert.Len(t, known, len(desired))
		for key, r := range desired {
			assert.True(t, known[key].Record.Same(r), "%v", key)
		}
		assert.Empty(t, plan.Diff(known, draw(want)), "nothing more to do")
	})
}

// Batches hold all changes in their order, none too many, and there is an end to them.
func FuzzBatch(f *testing.F) {
	f.Add([]byte("DUUDUUU"), 600, 0)
	f.Add([]byte("UUUU"), 8000, 3)
	f.Add([]byte("D"), 40000, 2000)
	f.Add([]byte("CCUD"), 10000, 0)
	f.Fuzz(func(t *testing.T, actions []byte, length, lines int) {
		if length < 0 || length > 50000 || lines < 0 || lines > 3000 || len(actions) > 3000 ||
			len(actions)*(length+lines) > 1<<22 {
			return
		}
		var changes []plan.Change
		for i, b := range actions {
			c := plan.Change{
				Action: plan.Upsert,
				Record: record.Record{
					Name:  fmt.Sprint(i),
					Value: strings.Repeat("v", length) + strings.Repeat("\nv", lines),
				},
			}
			switch b {
			case 'C':
				c.Action = plan.Create
			case 'D':
				c.Action = plan.Delete
			}
			changes = append(changes, c)
		}
		for len(changes) > 0 {
			n := plan.Batch(changes)
			if !assert.True(t, 0 < n && n <= len(changes), "%d of %d", n, len(changes)) {
				return
			}
			weigh := func(changes []plan.Change) (elements, characters int) {
				for _, c := range changes {
					for value := range strings.SplitSeq(c.Record.Value, "\n") {
						factor := map[plan.Action]int{plan.Create: 1, plan.Upsert: 2, plan.Delete: 1}[c.Action]
						elements, characters = elements+factor, characters+factor*len(value)
					}
				}
				return elements, characters
			}
			elements, characters := weigh(changes[:n])
			assert.True(
				t,
				n == 1 || elements <= 1000 && characters <= 32000,
				"%d elements, %d characters",
				elements,
				characters,
			)
			if n < len(changes) {
				elements, characters = weigh(changes[:n+1])
				assert.True(t, elements > 1000 || characters > 32000, "one more would have had room")
			}
			changes = changes[n:]
		}
		assert.Zero(t, plan.Batch(nil))
	})
}
