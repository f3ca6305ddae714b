package apply_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// address returns the A record of this host.
func address(ip string) record.Record {
	return record.Record{
		Name:   "ip-" + strings.ReplaceAll(ip, ".", "-") + ".example",
		Type:   record.A,
		SetID:  "i-1:host:-",
		Weight: 1,
		Value:  ip,
	}
}

// eni returns the A record of the n-th task, which has a network interface of its own.
func eni(n int) record.Record {
	r := address(fmt.Sprintf("10.0.1.%d", n))
	r.SetID = fmt.Sprintf("i-1:eni:%064x", n)
	return r
}

// strangers returns an A record of the host's name that somebody wrote, weighted or not.
func strangers(a record.Record, ip, setID string) record.Record {
	a.SetID, a.Value = setID, ip
	return a
}

// at points an SRV record to an address.
func to(a record.Record, records ...record.Record) []record.Record {
	records = slices.Clone(records)
	for i, r := range records {
		fields := strings.Fields(r.Value)
		fields[3] = a.Name
		records[i].Value = strings.Join(fields, " ")
	}
	return records
}

// owned returns what this host has in the zone.
func (z *zone) owned() (records []record.Record) {
	for _, r := range z.content() {
		if owns(r) {
			records = append(records, r)
		}
	}
	return records
}

func TestAddressIsRefused(t *testing.T) {
	host := address("10.0.0.1")
	web := srv("web", 1)
	onlySRV := func(z *zone) { z.denied = func(r record.Record) bool { return r.Type == record.A } }
	for name, test := range map[string]struct {
		setup   func(z *zone)
		written bool
	}{
		"a stranger's simple record leads elsewhere": {
			func(z *zone) { z.put(strangers(host, "10.9.9.9", "")) },
			false,
		},
		"a stranger's simple record leads here": {
			func(z *zone) { z.put(strangers(host, "10.0.0.1", "")) },
			true,
		},
		"a simple record with another address, too": {
			func(z *zone) { z.put(strangers(host, "10.0.0.1\n10.9.9.9", "")) },
			false,
		},
		"only SRV records are allowed": {onlySRV, false},
		"only SRV, and a person wrote the A record": {
			func(z *zone) { onlySRV(z); z.put(strangers(host, "10.0.0.1", "by hand")) },
			true,
		},
		"only SRV, and a person wrote another": {
			func(z *zone) { onlySRV(z); z.put(strangers(host, "10.9.9.9", "by hand")) },
			false,
		},
		"only SRV, and another host has the same address": {
			func(z *zone) { onlySRV(z); z.put(strangers(host, "10.0.0.1", "i-2:host:-")) },
			true,
		},
		"the zone is full": {
			func(z *zone) { z.zoneMax = 3; z.put(others("else", 3)...) },
			false,
		},
		"the name is full of strangers that lead elsewhere": {
			func(z *zone) { z.nameMax = 1; z.put(strangers(host, "10.9.9.9", "else")) },
			false,
		},
		"the name cannot be read": {func(z *zone) {
			z.groupErr = plan.ErrThrottled
			z.put(strangers(host, "10.0.0.1", ""))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, 0, func(t *testing.T, z *zone, w writer) {
				z.paired = true
				test.setup(z)
				w.want(host, web)
				z.pass(10 * time.Minute)
				if test.written {
					assert.Equal(t, []record.Record{web}, z.owned())
					assert.Empty(t, w.Status().Waiting)
				} else {
					assert.Empty(t, z.owned())
					assert.Equal(t, map[record.Key]string{web.Key(): host.Name}, w.Status().Waiting)
					assert.Empty(t, w.Status().Pending, "it waits for what is refused")
				}
				assert.NotEmpty(t, w.Status().Refused)
				assert.LessOrEqual(t, z.callCount()+z.groupCount(), 36)
				w.want(host, web, srv("api", 2))
				z.pass(time.Minute)
				assert.Len(t, z.owned(), map[bool]int{true: 2}[test.written])

				z.remove(strangers(host, "", ""), strangers(host, "", "else"), strangers(host, "", "by hand"))
				z.set(func() { z.denied, z.zoneMax, z.groupErr = nil, 10000, nil })
				z.pass(probeAtMost)
				assert.Equal(t, sorted([]record.Record{host, web, srv("api", 2)}), z.owned())
				assert.Empty(t, w.Status().Refused)
				assert.Empty(t, w.Status().Waiting)
			})
		})
	}
}

// What is in the zone and leads here stays; once it leads elsewhere it goes.
func TestAddressIsTakenByAStranger(t *testing.T) {
	host := address("10.0.0.1")
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.remove(host)
		z.put(strangers(host, "10.0.0.1", ""))
		z.pass(time.Hour)
		assert.Equal(t, many("web", 3), z.owned())
		heavy := srv("web", 0)
		heavy.Weight = 9
		w.want(host, heavy, srv("web", 1), srv("web", 2))
		z.pass(time.Minute)
		assert.Contains(t, z.owned(), heavy)
		assert.Empty(t, w.tellings())

		z.put(strangers(host, "10.9.9.9", ""))
		z.pass(2 * time.Minute)
		assert.Empty(t, z.owned())
		assert.Len(t, w.tellings(), 6, "deregistered and refused, three each")
		z.put(strangers(host, "10.0.0.1", ""))
		z.pass(2 * time.Minute)
		assert.Len(t, z.owned(), 3)
	}, append(many("web", 3), address("10.0.0.1"))...)
}

// The TTL of a record that is not weighted is not that of the name's weighted ones: there are none beside it.
func TestTTLOfASimpleRecordIsNotTaken(t *testing.T) {
	host := address("10.0.0.1")
	simple := strangers(host, "10.0.0.1", "")
	simple.TTL = 300
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.remove(host)
		z.put(simple)
		z.pass(time.Hour)
		z.remove(simple)
		z.pass(probeAtMost)
		assert.Contains(t, z.owned(), host)
	}, srv("web", 1), host)
}

// A CNAME record has the host's name. Where it leads is not known, and so not here.
func TestAddressIsTakenByACNAME(t *testing.T) {
	host := address("10.0.0.1")
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.remove(host)
		refusal := &plan.Refusal{
			Named: map[change]plan.Reason{create(host): plan.Conflict},
			Message: "RRSet of type A with DNS name " + host.Name + ". is not permitted because a conflicting RRSet " +
				"of type  CNAME with the same DNS name already exists",
		}
		z.set(func() {
			z.fault = func() (error, bool) {
				if z.saved[host.Key()].Unconfirmed {
					return refusal, false
				}
				return nil, true
			}
		})
		z.pass(time.Hour)
		assert.Empty(t, z.owned())
	}, append(many("web", 3), address("10.0.0.1"))...)
}

// An A record that is gone and may not be written again leaves what is in the zone alone: it leads nowhere, and to
// nobody else.
func TestAddressIsGone(t *testing.T) {
	host := address("10.0.0.1")
	running(t, every, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(r record.Record) bool { return r.Type == record.A } })
		z.remove(host)
		z.pass(time.Hour)
		assert.Equal(t, many("web", 3), z.owned())
		w.want(append(many("web", 4), host)...)
		z.pass(time.Minute)
		assert.Equal(t, many("web", 3), z.owned())
		z.set(func() { z.denied = nil })
		z.pass(probeAtMost)
		assert.Equal(t, sorted(append(many("web", 4), host)), z.owned())
	}, append(many("web", 3), address("10.0.0.1"))...)
}

// The SRV records of a host without an A record of its own point to EC2's name for it, and wait for nothing.
func TestTargetThatIsNotInTheZone(t *testing.T) {
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		w.want(srv("web", 1))
		z.pass(0)
		assert.Equal(t, 1, z.callCount())
		assert.Len(t, z.owned(), 1)
	})
}

// The host has another address now. Its records go over to that in one batch, and where somebody has its new name they
// go: the old address may be another host's soon.
func TestAddressChanges(t *testing.T) {
	old, next := address("10.0.0.1"), address("10.0.0.2")
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.paired = true
		moved := append(to(next, many("web", 3)...), next)
		w.want(moved...)
		z.pass(0)
		assert.Equal(t, 1, z.callCount())
		assert.Equal(t, sorted(moved), z.owned())
	}, append(many("web", 3), old)...)
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.paired = true
		z.put(strangers(next, "10.9.9.9", ""))
		w.want(append(to(next, many("web", 3)...), next)...)
		z.pass(time.Minute)
		assert.Empty(t, z.owned())
		z.remove(strangers(next, "10.9.9.9", ""))
		z.pass(probeAtMost)
		assert.Len(t, z.owned(), 4)
	}, append(many("web", 3), old)...)
}

// The new address may not be written, so that its name leads nowhere. The old one is not this host's any more.
func TestAddressChangesAndIsDenied(t *testing.T) {
	old, next := address("10.0.0.1"), address("10.0.0.2")
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.paired = true
		z.set(func() { z.denied = func(r record.Record) bool { return r.Name == next.Name } })
		w.want(append(to(next, many("web", 3)...), next)...)
		z.pass(time.Minute)
		assert.Empty(t, z.owned())
	}, append(many("web", 3), old)...)
}

// A host that pointed its records to EC2's name for it, which leads here, is to point them to one in the zone that it
// may not write. They stay.
func TestTargetChangesAndIsDenied(t *testing.T) {
	host, before := address("10.0.0.1"), many("web", 3)
	for i := range before {
		before[i].Value = strings.Replace(before[i].Value, host.Name, "ip-10-0-0-1.ec2.internal", 1)
	}
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.set(func() { z.denied = func(r record.Record) bool { return r.Name == host.Name } })
		w.want(append(many("web", 3), host)...)
		z.pass(time.Minute)
		assert.Equal(t, before, z.owned())
		z.set(func() { z.denied = nil })
		z.pass(probeAtMost)
		assert.Equal(t, sorted(append(many("web", 3), host)), z.owned())
	}, before...)
}

// A batch holds 500 changes of records that are there. The name that 600 point to goes when none does any more.
func TestAddressOfManyChanges(t *testing.T) {
	old, next := address("10.0.0.1"), address("10.0.0.2")
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.paired = true
		w.want(append(to(next, many("web", 600)...), next)...)
		z.pass(time.Minute)
		assert.Equal(t, sorted(append(to(next, many("web", 600)...), next)), z.owned())
		assert.Equal(t, 2, z.callCount())
		assert.NotContains(t, z.calls[0].changes, del(old))
		assert.Contains(t, z.calls[1].changes, del(old))
	}, append(many("web", 600), old)...)
}

// 600 tasks that have a network interface each, at most 1,000 changes in a batch, and then one name among them that is
// denied.
func TestManyTasksWithAddresses(t *testing.T) {
	var records []record.Record
	for n := range 200 {
		for _, name := range []string{"web", "api", "db"} {
			records = append(records, to(eni(n), srv(name, n))...)
		}
		records = append(records, eni(n))
	}
	running(t, 0, func(t *testing.T, z *zone, w writer) {
		z.nameMax, z.paired = 1000, true
		z.set(func() {
			z.denied = func(r record.Record) bool { return r.Name == "api.example" || r.Value == "10.0.1.77" }
		})
		w.want(records...)
		z.pass(10 * time.Minute)
		assert.Equal(t, 199*3, len(z.owned()))
		z.set(func() { z.denied = nil })
		z.pass(3 * time.Minute)
		assert.Equal(t, sorted(records), z.owned())
		w.want()
		z.pass(time.Minute)
		assert.Empty(t, z.owned())
	})
}

// Whatever comes to pass, no SRV record gets into the zone that does not lead to its host, and in the end all is as
// wanted.
func TestPairsNeverPart(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			running(t, every, func(t *testing.T, z *zone, w writer) {
				c := chaos{
					t:      t,
					zone:   z,
					writer: w,
					rand:   rand.New(rand.NewPCG(seed, 3)),
					faults: rand.New(rand.NewPCG(seed, 4)),
				}
				z.set(func() { z.paired, z.fault, z.zoneMax = true, c.fault, 60 })
				ours := []record.Record{address("10.0.0.1"), address("10.0.0.2"), eni(1), eni(2)}
				for range 80 {
					c.part(ours)
					z.pass(time.Duration(c.rand.ExpFloat64() * float64([]time.Duration{
						at(50),
						time.Second,
						time.Minute,
					}[c.rand.IntN(3)])))
				}
				for _, a := range ours {
					z.remove(strangers(a, "", ""), strangers(a, "", "else"))
				}
				z.set(func() { z.fault, z.denied, z.zoneMax, z.latency = nil, nil, 10000, 0 })
				final := c.pairs(ours)
				w.want(final...)
				z.pass(3 * time.Hour)
				assert.Equal(t, sorted(final), z.owned())
				assert.Empty(t, w.Status().Refused)
				assert.Empty(t, w.Status().Waiting)
			})
		})
	}
}

// part does something that may part SRV records from their addresses.
func (c chaos) part(ours []record.Record) {
	z, a := c.zone, ours[c.rand.IntN(len(ours))]
	switch c.rand.IntN(7) {
	case 0, 1, 2:
		c.writer.want(c.pairs(ours)...)
	case 3:
		z.set(func() { z.meddled = time.Now() })
		ip := []string{a.Value, a.Value, "10.9.9.9"}[c.rand.IntN(3)]
		stranger := strangers(a, ip, "")
		if c.one(2) {
			stranger = strangers(a, ip, "else")
		}
		_ = z.strict.Try(plan.Upsert, stranger) // weighted and other records exclude each other
	case 4:
		z.set(func() { z.meddled = time.Now() })
		z.remove(strangers(a, "", ""), strangers(a, "", "else"))
	case 5:
		denied := []func(record.Record) bool{
			nil, nil, nil,
			func(r record.Record) bool { return r.Type == record.A },
			func(r record.Record) bool { return r.Type == record.SRV },
			func(r record.Record) bool { return r.Name == a.Name || r.Name == "api.example" },
			func(record.Record) bool { return true },
		}[c.rand.IntN(7)]
		z.set(func() { z.denied = denied })
	case 6:
		room := []int{60, 60, len(z.content()), len(z.content()) + 1}[c.rand.IntN(4)]
		z.set(func() { z.zoneMax = room })
	}
}

// pairs returns some SRV records and the A records that they point to: the host has one of two addresses.
func (c chaos) pairs(ours []record.Record) (records []record.Record) {
	host := ours[c.rand.IntN(2)]
	wanted := map[record.Key]record.Record{}
	for n := range 12 {
		a := []record.Record{host, host, host, ours[2], ours[3]}[n%5]
		if r := to(a, srv([]string{"web", "api", "db"}[n%3], n))[0]; !c.one(3) {
			wanted[r.Key()], wanted[a.Key()] = r, a
		}
	}
	return slices.Collect(maps.Values(wanted))
}
