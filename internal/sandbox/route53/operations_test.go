package route53

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

func TestRoute(t *testing.T) {
	for _, test := range []struct {
		method, path, operation, zoneID string
	}{
		{"POST", "/2013-04-01/hostedzone/Z1/rrset", "ChangeResourceRecordSets", "Z1"},
		{"POST", "/2013-04-01/hostedzone/Z1/rrset/", "ChangeResourceRecordSets", "Z1"},
		{"POST", "/2013-04-01/hostedzone//hostedzone/Z1/rrset", "ChangeResourceRecordSets", "Z1"},
		{"GET", "/2013-04-01/hostedzone/%2Fhostedzone%2FZ1/rrset?name=a", "ListResourceRecordSets", "Z1"},
		{"GET", "/2013-04-01/hostedzone/Z1", "GetHostedZone", "Z1"},
		{"GET", "/2013-04-01/hostedzonelimit/Z1/MAX_RRSETS_BY_ZONE", "GetHostedZoneLimit", "Z1"},
		{"GET", "/2013-04-01/change/C1", "GetChange", ""},
		{"GET", "/2013-04-01/hostedzonesbyname", "ListHostedZonesByName", ""},
	} {
		c, known := route(httptest.NewRequest(test.method, test.path, nil))
		require.True(t, known, "%s %s", test.method, test.path)
		assert.Equal(
			t,
			[]string{test.operation, test.zoneID},
			[]string{c.operation, c.zoneID},
			"%s %s",
			test.method,
			test.path,
		)
	}
	for _, request := range [][2]string{
		{"POST", "/2013-04-01/hostedzone/Z1/tags"},
		{"DELETE", "/2013-04-01/change/C1"},
		{"GET", "/2013-04-01/healthcheck"},
	} {
		_, known := route(httptest.NewRequest(request[0], request[1], nil))
		assert.False(t, known, "%s", request)
	}
}

func TestCost(t *testing.T) {
	two := zone.Set{Values: []string{"a", "b"}}
	assert.Equal(t, throttle.Cost{Sets: 4, Values: 7}, cost([]zone.Change{
		{Action: zone.Create, Set: two},
		{Action: zone.Upsert, Set: two},
		{Action: zone.Delete, Set: zone.Set{}},
	}), "an UPSERT counts twice, an alias as one value")
}

func TestCombination(t *testing.T) {
	ttl, weight, id := int64(1), int64(1), "x"
	values := &records{[]record{{"1.2.3.4"}}}
	for _, test := range []struct {
		name, refused string
		set           recordSet
	}{
		{"simple", "", recordSet{TTL: &ttl, Records: values}},
		{"weighted", "", recordSet{
			TTL:           &ttl,
			Records:       values,
			Weight:        &weight,
			SetIdentifier: &id,
		}},
		{"alias", "", recordSet{AliasTarget: &aliasTarget{}}},
		{"alias with a TTL", "but found more than one", recordSet{AliasTarget: &aliasTarget{}, TTL: &ttl}},
		{"no TTL", "but found none", recordSet{Records: values}},
		{"a weight without an identifier", "Missing field 'SetIdentifier'",
			recordSet{TTL: &ttl, Records: values, Weight: &weight}},
		{"an identifier without a weight", "but found none", recordSet{TTL: &ttl, Records: values, SetIdentifier: &id}},
		{"two policies", "but found more than one", recordSet{
			TTL:           &ttl,
			Records:       values,
			SetIdentifier: &id,
			Weight:        &weight,
			Region:        "eu-central-1",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			failure := (&change{Set: &test.set}).combination()
			if test.refused == "" {
				assert.Nil(t, failure)
				return
			}
			require.NotNil(t, failure)
			assert.Contains(t, failure.Message, test.refused)
		})
	}
}
