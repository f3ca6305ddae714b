package record_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ctr "github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/record"
)

func TestDesired(t *testing.T) {
	zone := record.Zone{Name: "servicediscovery.internal", TTL: 7}
	owner := record.Owner{
		InstanceID: "i-0abc",
		Address:    netip.MustParseAddr("10.0.0.1"),
		Account:    "123456789012",
		Region:     "eu-west-1",
	}
	onEC2 := owner
	onEC2.DNSName = "ip-10-0-0-1.ec2.internal"
	laptop := record.Owner{InstanceID: "laptop", Address: netip.MustParseAddr("192.168.1.2"), Region: "eu-west-1"}

	second := strings.Repeat("f", 64)
	web := endpoint.Endpoint{
		Name:        "web",
		ContainerID: container,
		ECS:         true,
		Port:        ctr.Port{Number: 80, Proto: ctr.TCP},
		HostPort:    32768,
		Weight:      10,
	}
	named := func(e endpoint.Endpoint, name string) endpoint.Endpoint { e.Name = name; return e }
	standby := web
	standby.Standby = true
	dns := endpoint.Endpoint{
		Name:        "_dns._udp",
		ContainerID: second,
		Port:        ctr.Port{Number: 53, Proto: ctr.UDP},
		HostPort:    53,
		Weight:      0,
	}
	task := web
	task.HostPort, task.Address = 80, netip.MustParseAddr("10.0.9.9")
	sidecar := task
	sidecar.ContainerID, sidecar.Name = second, "metrics"

	host := record.Record{
		Name:   "ip-10-0-0-1.servicediscovery.internal",
		Type:   record.A,
		SetID:  "i-0abc:host:123456789012/eu-west-1",
		TTL:    60,
		Weight: 1,
		Value:  "10.0.0.1",
	}
	srv := func(name, id string, weight int64, value string) record.Record {
		return record.Record{
			Name:   name + ".servicediscovery.internal",
			Type:   record.SRV,
			SetID:  id,
			TTL:    7,
			Weight: weight,
			Value:  value,
		}
	}
	webID := "i-0abc:ecs:" + container + ":80/tcp"
	dnsID := "i-0abc:docker:" + second + ":53/udp"
	for name, test := range map[string]struct {
		owner     record.Owner
		endpoints []endpoint.Endpoint
		want      []record.Record
	}{
		"nothing": {owner, nil, nil},
		"bridge": {owner, []endpoint.Endpoint{web}, []record.Record{
			host, srv("web", webID, 10, "1 10 32768 ip-10-0-0-1.servicediscovery.internal"),
		}},
		"several names share one identifier": {owner, []endpoint.Endpoint{web, named(web, "www")}, []record.Record{
			host,
			srv("web", webID, 10, "1 10 32768 ip-10-0-0-1.servicediscovery.internal"),
			srv("www", webID, 10, "1 10 32768 ip-10-0-0-1.servicediscovery.internal"),
		}},
		"standby keeps the weight asked for in the value": {owner, []endpoint.Endpoint{standby}, []record.Record{
			host, srv("web", webID, 0, "1 10 32768 ip-10-0-0-1.servicediscovery.internal"),
		}},
		"not of ECS, UDP, weight 0": {owner, []endpoint.Endpoint{dns}, []record.Record{
			host, srv("_dns._udp", dnsID, 0, "1 0 53 ip-10-0-0-1.servicediscovery.internal"),
		}},
		"EC2's name needs no A record": {onEC2, []endpoint.Endpoint{web, dns}, []record.Record{
			srv("web", webID, 10, "1 10 32768 ip-10-0-0-1.ec2.internal"),
			srv("_dns._udp", dnsID, 0, "1 0 53 ip-10-0-0-1.ec2.internal"),
		}},
		"awsvpc has a name of its own, also beside EC2's": {onEC2, []endpoint.Endpoint{
			task,
			named(task, "www"),
		}, []record.Record{
			{
				Name:   "ip-10-0-9-9.servicediscovery.internal",
				Type:   record.A,
				SetID:  "i-0abc:eni:" + container,
				TTL:    60,
				Weight: 1,
				Value:  "10.0.9.9",
			},
			srv("web", webID, 10, "1 10 80 ip-10-0-9-9.servicediscovery.internal"),
			srv("www", webID, 10, "1 10 80 ip-10-0-9-9.servicediscovery.internal"),
		}},
		"two containers of one task outlive each other": {owner, []endpoint.Endpoint{task, sidecar}, []record.Record{
			{
				Name:   "ip-10-0-9-9.servicediscovery.internal",
				Type:   record.A,
				SetID:  "i-0abc:eni:" + container,
				TTL:    60,
				Weight: 1,
				Value:  "10.0.9.9",
			},
			srv("web", webID, 10, "1 10 80 ip-10-0-9-9.servicediscovery.internal"),
			{
				Name:   "ip-10-0-9-9.servicediscovery.internal",
				Type:   record.A,
				SetID:  "i-0abc:eni:" + second,
				TTL:    60,
				Weight: 1,
				Value:  "10.0.9.9",
			},
			srv("metrics", "i-0abc:ecs:"+second+":80/tcp", 10, "1 10 80 ip-10-0-9-9.servicediscovery.internal"),
		}},
		"off EC2": {laptop, []endpoint.Endpoint{web}, []record.Record{
			{
				Name:   "ip-192-168-1-2.servicediscovery.internal",
				Type:   record.A,
				SetID:  "laptop:host:-",
				TTL:    60,
				Weight: 1,
				Value:  "192.168.1.2",
			},
			srv("web", "laptop:ecs:"+container+":80/tcp", 10, "1 10 32768 ip-192-168-1-2.servicediscovery.internal"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := record.Desired(zone, test.owner, test.endpoints)
			assert.Equal(t, test.want, got)
			for _, r := range got {
				assert.True(t, r.Owned(test.owner.InstanceID), r.SetID)
				id, ok := record.ParseSetID(r.SetID)
				assert.True(t, ok, r.SetID)
				assert.NotEqual(t, record.Legacy, id.Kind)
				assert.False(t, r.Marked())
			}
		})
	}
	assert.Equal(t, host, zone.HostRecord(owner))
}

func TestIdentifiersFitRoute53(t *testing.T) {
	owner := record.Owner{
		InstanceID: longest,
		Address:    netip.MustParseAddr("255.255.255.255"),
		Account:    "123456789012",
		Region:     "ap-southeast-99",
	}
	require.Len(t, owner.InstanceID, 45)
	port := ctr.Port{Number: 65535, Proto: ctr.UDP}
	lengths := 0
	for _, r := range record.Desired(record.Zone{Name: "z"}, owner, []endpoint.Endpoint{
		{
			Name:        "a",
			ContainerID: container,
			Port:        port,
			HostPort:    65535,
			Weight:      255,
		},
		{
			Name:        "b",
			ContainerID: container,
			ECS:         true,
			Port:        port,
			HostPort:    65535,
			Address:     netip.MustParseAddr("10.0.0.1"),
		},
	}) {
		assert.LessOrEqual(t, len(r.SetID), record.MaxSetID, r.SetID)
		lengths = max(lengths, len(r.SetID))
	}
	assert.Equal(t, 127, lengths)
}
