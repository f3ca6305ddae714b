package sandbox_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
)

// fuzzed starts a sandbox with a zone Z1 that holds a few records.
func fuzzed(f *testing.F) *sandbox.Server {
	f.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(f, err)
	f.Cleanup(func() { _ = s.Close() })
	zoneID, err := s.CreateZone(zoneName, sandbox.WithID("Z1"), sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(f, err)
	require.NoError(f, s.Seed(zoneID, seed("i-1:a", 1), seed("i-1:b", 0), sandbox.Set{
		Name:   "s." + zoneName,
		Type:   "TXT",
		TTL:    5,
		Values: []string{`"x"`},
	}))
	return s
}

// ask sends a request and gives the status and body of the answer.
func ask(t *testing.T, s *sandbox.Server, method, path string, header map[string]string, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL()+path, strings.NewReader(body))
	require.NoError(t, err) // what is arbitrary in the path is escaped
	for k, v := range header {
		r.Header.Set(k, v)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	s.ClearCalls()
	return response.StatusCode, string(text)
}

// Whatever a change batch says, either it is made and what the zone holds can be listed, or it is refused as Route 53
// refuses and the zone is as it was.
func FuzzChangeBatch(f *testing.F) {
	f.Add(upsert)
	f.Add(strings.ReplaceAll(upsert, "UPSERT", "DELETE"))
	f.Add(
		strings.Replace(
			upsert,
			"<Type>A</Type>",
			"<Type>SRV</Type><SetIdentifier>i-1:c</SetIdentifier><Weight>255</Weight>",
			1,
		),
	)
	f.Add(strings.ReplaceAll(upsert, "x.servicediscovery", `\052.\000.servicediscovery`))
	f.Add(strings.ReplaceAll(upsert, "10.0.0.1", "&#x10FFFF;&lt;"))
	f.Add(`<!DOCTYPE x [<!ENTITY a "b">]>` + upsert)
	f.Add(upsert[:200])
	f.Add("\xff")
	s := fuzzed(f)
	listing := func(t *testing.T) string {
		status, body := ask(t, s, "GET", "/2013-04-01/hostedzone/Z1/rrset", map[string]string{
			"Authorization": signature,
		}, "")
		require.Equal(t, 200, status, body)
		return body
	}
	f.Fuzz(func(t *testing.T, body string) {
		before := listing(t)
		status, answer := ask(t, s, "POST", "/2013-04-01/hostedzone/Z1/rrset/", map[string]string{
			"Authorization": signature,
		}, body)
		after := listing(t)
		if status == 200 {
			assert.Contains(t, answer, "<ChangeInfo>")
			var document struct {
				Names []string `xml:"ResourceRecordSets>ResourceRecordSet>Name"`
			}
			require.NoError(t, xml.Unmarshal([]byte(after), &document), "%q", after)
			for _, name := range document.Names {
				assert.True(
					t,
					name == zoneName+"." || strings.HasSuffix(name, "."+zoneName+"."),
					"%q is not of the zone",
					name,
				)
				assert.LessOrEqual(t, len(name), 1024)
			}
			return
		}
		assert.Equal(t, before, after, "a refused batch changes nothing")
		assert.True(t, 400 <= status && status < 500, "%d", status)
		var refusal struct {
			XMLName xml.Name
			Type    string `xml:"Error>Type"`
			Code    string `xml:"Error>Code"`
		}
		require.NoError(t, xml.Unmarshal([]byte(answer), &refusal), "%q", answer)
		assert.Equal(t, "ErrorResponse", refusal.XMLName.Local)
		assert.Equal(t, "Sender", refusal.Type)
		assert.Contains(
			t,
			[]string{"InvalidChangeBatch", "InvalidInput", "MalformedInput", "RequestEntityTooLarge"},
			refusal.Code,
		)
	})
}

// Whatever place a listing is to begin at, it is a page in order or a refusal.
func FuzzList(f *testing.F) {
	f.Add("web.servicediscovery.internal", "SRV", "i-1:a", "1")
	f.Add(`\052.x`, "", "", "300")
	f.Add("", "A", "", "-1")
	f.Add("a..b", "NONE", "\x00", "99999999999999999999")
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, name, typ, id, most string) {
		query := url.Values{
			"name":       {name},
			"type":       {typ},
			"identifier": {id},
			"maxitems":   {most},
		}
		for k, v := range query {
			if v[0] == "" {
				query.Del(k)
			}
		}
		status, body := ask(t, s, "GET", "/2013-04-01/hostedzone/Z1/rrset?"+query.Encode(), map[string]string{
			"Authorization": signature,
		}, "")
		assert.True(t, status == 200 || 400 <= status && status < 500, "%d %s", status, body)
		var document struct {
			Sets []struct {
				Name string `xml:"Name"`
			} `xml:"ResourceRecordSets>ResourceRecordSet"`
			Code string `xml:"Error>Code"`
		}
		require.NoError(t, xml.Unmarshal([]byte(body), &document), "%q", body)
		assert.Equal(t, status == 200, document.Code == "")
		assert.LessOrEqual(t, len(document.Sets), 5)
	})
}

// Requests of ECS, EC2 and STS: an answer in the service's form, and never a fault of the sandbox's own.
func FuzzOtherServices(f *testing.F) {
	f.Add(
		"ListTasks",
		`{"cluster":"default","desiredStatus":"RUNNING","maxResults":1,"nextToken":"x"}`,
		"Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=instance-id&Filter.1.Value.1=i-1",
	)
	f.Add(
		"DescribeTasks",
		`{"tasks":["a","arn:aws:ecs:x:y:task/z"]}`,
		"Action=DescribeInstanceStatus&Version=2016-11-15&MaxResults=5&NextToken=%00",
	)
	f.Add("StopTask", `{"task":null,"reason":1}`, "Action=GetCallerIdentity&Version=2011-06-15")
	f.Add("DescribeTaskDefinition", `{"taskDefinition":":"}`, "Action=%zz")
	f.Add("", `[`, "Filter.1.Name=a&Filter.2.Value.1=b&Version=2016-11-15&Action=DescribeInstances")
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, operation, body, form string) {
		for _, r := range operation {
			if r < ' ' || r > '~' {
				return // no value of a header
			}
		}
		status, answer := ask(t, s, "POST", "/", map[string]string{
			"Authorization": strings.Replace(
				signature,
				"/route53/",
				"/ecs/",
				1,
			), "Content-Type": "application/x-amz-json-1.1",
			"X-Amz-Target": "AmazonEC2ContainerServiceV20141113." + operation,
		}, body)
		assert.Less(t, status, 500, answer)
		assert.True(t, json.Valid([]byte(answer)), "%q", answer)
		for _, service := range []string{"ec2", "sts"} {
			status, answer = ask(t, s, "POST", "/", map[string]string{
				"Authorization": strings.Replace(
					signature,
					"/route53/",
					"/"+service+"/",
					1,
				), "Content-Type": "application/x-www-form-urlencoded",
			}, form)
			assert.Less(t, status, 500, answer)
			require.NoError(t, xml.Unmarshal([]byte(answer), new(struct{})), "%q", answer)
		}
	})
}
