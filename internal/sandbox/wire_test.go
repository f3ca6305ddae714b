package sandbox_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
)

const signature = "AWS4-HMAC-SHA256 Credential=key/20260102/eu-west-1/route53/aws4_request, SignedHeaders=host, " +
	"Signature=0"

// send returns status and body of a request as it is on the wire.
func send(t *testing.T, s *sandbox.Server, method, path, authorization, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

const upsert = `<?xml version="1.0"?><ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch>` +
	`<Comment>c</Comment><Changes><Change><Action>UPSERT</Action><ResourceRecordSet><Name>x.servicediscovery.internal</Name><Type>A</Type>` +
	`<TTL>0</TTL><ResourceRecords><ResourceRecord><Value>10.0.0.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change>` +
	`</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`

func TestDocuments(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	zoneID, err := s.CreateZone("other.internal", sandbox.WithID("Z1"))
	require.NoError(t, err)
	require.NoError(t, s.Seed(zoneID, sandbox.Set{
		Name:          "x.other.internal",
		Type:          "SRV",
		SetIdentifier: "i",
		Weight:        new(int64(0)),
		TTL:           0,
		Values:        []string{"1 0 80 y"},
	}))

	status, body := send(t, s, "GET", "/2013-04-01/hostedzone/Z1/rrset?name=x.other.internal", signature, "")
	assert.Equal(t, 200, status)
	assert.Equal(t, `<?xml version="1.0"?>
<ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets><ResourceRecordSet>`+
		`<Name>x.other.internal.</Name><Type>SRV</Type><SetIdentifier>i</SetIdentifier><Weight>0</Weight><TTL>0</TTL><ResourceRecords>`+
		`<ResourceRecord><Value>1 0 80 y</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></ResourceRecordSets>`+
		`<IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`, body)

	status, body = send(t, s, "GET", "/2013-04-01/hostedzone/Z2", signature, "")
	assert.Equal(t, 404, status)
	calls := s.Calls()
	assert.Equal(t, `<?xml version="1.0"?>
<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code>`+
		`<Message>No hosted zone found with ID: Z2</Message></Error><RequestId>`+calls[len(calls)-1].RequestID+`</RequestId></ErrorResponse>`, body)
}

func TestRequestsOnTheWire(t *testing.T) {
	s, zoneID, _ := start(t, sandbox.Config{})
	zonePath := "/2013-04-01/hostedzone/" + zoneID
	const createZone = `<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Name>a.internal</Name>` +
		`<CallerReference>r</CallerReference></CreateHostedZoneRequest>`
	for _, c := range []struct {
		name          string
		method, path  string
		authorization string
		body          string
		status        int
		want          string
	}{
		{"as the Go SDK does", "POST", zonePath + "/rrset", signature, upsert, 200, "<Status>PENDING</Status>"},
		{"as botocore does, with a final slash", "POST", zonePath + "/rrset/", signature, upsert, 200,
			"<Status>PENDING</Status>"},
		{"an ID with its prefix", "POST", "/2013-04-01/hostedzone//hostedzone/" + zoneID + "/rrset", signature,
			upsert, 200, "PENDING"},
		{"an ID with its prefix, escaped", "GET", "/2013-04-01/hostedzone/%2Fhostedzone%2F" + zoneID, signature, "",
			200, "<Id>/hostedzone/" + zoneID},
		{"what is made is answered by 201", "POST", "/2013-04-01/hostedzone", signature, createZone, 201,
			"<DelegationSet><NameServers>"},
		{"not signed", "POST", zonePath + "/rrset", "", upsert, 403, "<Code>MissingAuthenticationToken</Code>"},
		{"signed for another service", "POST", zonePath + "/rrset", strings.ReplaceAll(signature, "route53", "ec2"),
			upsert, 403,
			"<Code>MissingAuthenticationToken</Code>"},
		{"an operation that is not imitated", "GET", "/2013-04-01/healthcheck", signature, "", 400,
			"<Code>InvalidAction</Code>"},
		{"a path that means nothing", "POST", zonePath + "/tags", signature, "", 400, "<Code>InvalidAction</Code>"},
		{"another method", "PUT", zonePath + "/rrset", signature, upsert, 400, "<Code>InvalidAction</Code>"},
		{"no XML", "POST", zonePath + "/rrset", signature, "{}", 400, "<Code>InvalidInput</Code>"},
		{"another document", "POST", zonePath + "/rrset", signature,
			`<ChangeBatch xmlns="https://route53.amazonaws.com/doc/2013-04-01/"/>`, 400,
			"<Code>MalformedInput</Code><Message>ChangeBatch is not valid, expected " +
				"ChangeResourceRecordSetsRequest</Message>"},
		{"no namespace", "POST", zonePath + "/rrset", signature, strings.ReplaceAll(upsert,
			` xmlns="https://route53.amazonaws.com/doc/2013-04-01/"`, ""),
			400, "<Code>InvalidInput</Code>"},
		{"no batch", "POST", zonePath + "/rrset", signature,
			`<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"/>`, 400,
			"The content of element &#39;ChangeResourceRecordSetsRequest&#39; is not complete."},
		{"no changes", "POST", zonePath + "/rrset", signature,
			`<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">` +
				`<ChangeBatch/></ChangeResourceRecordSetsRequest>`, 400,
			"The content of element &#39;ChangeBatch&#39; is not complete."},
		{"an element that is none", "POST", zonePath + "/rrset", signature, strings.ReplaceAll(upsert, "TTL>",
			"Ttl>"), 400,
			"Invalid content was found starting with element &#39;Ttl&#39;."},
		{"a TTL in words", "POST", zonePath + "/rrset", signature, strings.ReplaceAll(upsert, "<TTL>0", "<TTL>soon"),
			400,
			"<Code>InvalidInput</Code>"},
		{"a long comment", "POST", zonePath + "/rrset", signature, strings.ReplaceAll(upsert, "<Comment>c",
			"<Comment>"+strings.Repeat("c", 257)), 400,
			"maxLength &#39;256&#39;"},
		{"a long zone ID", "GET", zonePath + strings.Repeat("X", 33), signature, "", 400, "<Code>InvalidInput</Code>"},
		{"a body without end", "POST", zonePath + "/rrset", signature, strings.Repeat(" ", 5<<20), 413,
			"<Code>RequestEntityTooLarge</Code>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := send(t, s, c.method, c.path, c.authorization, c.body)
			assert.Equal(t, c.status, status)
			assert.Contains(t, body, c.want)
		})
	}
	status, _ := send(t, s, "POST", "/", signature, "")
	assert.Equal(t, 404, status, "no other service is played")
}

func TestFlood(t *testing.T) {
	s, zoneID, _ := start(t, sandbox.Config{})
	require.NoError(t, s.SetFaults(sandbox.Fault{Kind: sandbox.Flood}))
	status, body := send(t, s, "POST", "/2013-04-01/hostedzone/"+zoneID+"/rrset", signature, upsert)
	assert.Equal(t, 200, status)
	assert.Greater(t, len(body), 16<<20)
	assert.True(t, strings.HasPrefix(body, `<?xml version="1.0"?><!--xxx`))
	assert.True(t, strings.HasSuffix(body, "</ChangeResourceRecordSetsResponse>"), "it is valid, only long")
	assert.Len(t, s.Records(zoneID), 1)
}
