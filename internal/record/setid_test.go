package record_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ecssd/ecssd/internal/record"
)

var (
	container = strings.Repeat("0123456789abcdef", 4)
	longest   = strings.Repeat("Aa0._-zz9", 5) // an instance ID of 45 characters
)

func TestSetIDs(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		id   record.SetID
	}{
		"container of ECS": {"i-0abc:ecs:" + container + ":80/tcp",
			record.SetID{
				Kind:      record.ECS,
				Instance:  "i-0abc",
				Container: container,
				Port:      80,
				Proto:     "tcp",
			}},
		"other container": {"i-0abc:docker:" + container + ":65535/udp",
			record.SetID{
				Kind:      record.Docker,
				Instance:  "i-0abc",
				Container: container,
				Port:      65535,
				Proto:     "udp",
			}},
		"longest": {longest + ":docker:" + container + ":65535/tcp",
			record.SetID{
				Kind:      record.Docker,
				Instance:  longest,
				Container: container,
				Port:      65535,
				Proto:     "tcp",
			}},
		"host": {"i-0abc:host:123456789012/ap-southeast-2",
			record.SetID{
				Kind:     record.Host,
				Instance: "i-0abc",
				Account:  "123456789012",
				Region:   "ap-southeast-2",
			}},
		"host off EC2": {"my.host_1:host:-", record.SetID{Kind: record.Host, Instance: "my.host_1"}},
		"interface of a task": {"i-0abc:eni:" + container,
			record.SetID{Kind: record.ENI, Instance: "i-0abc", Container: container}},
		"original agent": {"ip-10-0-0-1.ec2.internal:" + container,
			record.SetID{Kind: record.Legacy, Instance: "ip-10-0-0-1.ec2.internal", Container: container}},
		"original agent, longest host name": {strings.Repeat("h", 63) + ":" + container,
			record.SetID{Kind: record.Legacy, Instance: strings.Repeat("h", 63), Container: container}},
		"original agent, container only": {container, record.SetID{Kind: record.Legacy, Container: container}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.text, test.id.String())
			id, ok := record.ParseSetID(test.text)
			assert.True(t, ok)
			assert.Equal(t, test.id, id)
		})
	}
}

func TestSetIDsOfOthers(t *testing.T) {
	upper := strings.ToUpper(container)
	for name, text := range map[string]string{
		"empty":                    "",
		"words":                    "primary",
		"colon":                    ":",
		"no instance":              ":ecs:" + container + ":80/tcp",
		"no host name":             ":" + container,
		"unknown kind":             "i-1:pod:" + container + ":80/tcp",
		"kind in upper case":       "i-1:ECS:" + container + ":80/tcp",
		"kind alone":               "i-1:ecs",
		"legacy is no kind":        "i-1:legacy:" + container,
		"instance too long":        longest + "x:ecs:" + container + ":80/tcp",
		"instance with a space":    "i 1:ecs:" + container + ":80/tcp",
		"instance with a slash":    "i/1:ecs:" + container + ":80/tcp",
		"container in upper case":  "i-1:ecs:" + upper + ":80/tcp",
		"container a digit short":  "i-1:ecs:" + container[1:] + ":80/tcp",
		"container a digit long":   "i-1:ecs:" + container + "0:80/tcp",
		"bare ID in upper case":    upper,
		"bare ID a digit short":    container[1:],
		"bare ID, line break":      container + "\n",
		"line break at the end":    "i-1:ecs:" + container + ":80/tcp\n",
		"port 0":                   "i-1:ecs:" + container + ":0/tcp",
		"port 65536":               "i-1:ecs:" + container + ":65536/tcp",
		"port with a leading zero": "i-1:ecs:" + container + ":080/tcp",
		"port with a sign":         "i-1:ecs:" + container + ":+80/tcp",
		"no port":                  "i-1:ecs:" + container,
		"no protocol":              "i-1:ecs:" + container + ":80",
		"sctp":                     "i-1:ecs:" + container + ":80/sctp",
		"protocol in upper case":   "i-1:ecs:" + container + ":80/TCP",
		"something after":          "i-1:ecs:" + container + ":80/tcp:x",
		"ENI with a port":          "i-1:eni:" + container + ":80/tcp",
		"ENI in upper case":        "i-1:eni:" + upper,
		"host without anything":    "i-1:host:",
		"host without region":      "i-1:host:123456789012",
		"host with empty region":   "i-1:host:123456789012/",
		"host without account":     "i-1:host:/eu-west-1",
		"account a digit short":    "i-1:host:12345678901/eu-west-1",
		"account of letters":       "i-1:host:12345678901x/eu-west-1",
		"region with a colon":      "i-1:host:123456789012/eu:west",
		"region with a slash":      "i-1:host:123456789012/eu/west",
		"region in upper case":     "i-1:host:123456789012/EU-WEST-1",
		"region with a space":      "i-1:host:123456789012/eu west",
		"129 characters":           strings.Repeat("h", 64) + ":" + container,
		"129 characters of a host ID": "i-1:host:123456789012/" + strings.Repeat("r",
			129-len("i-1:host:123456789012/")),
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "129") {
				require.Len(t, text, record.MaxSetID+1)
			}
			_, ok := record.ParseSetID(text)
			assert.False(t, ok, text)
		})
	}
}

// A region may be known without the account. It must not make an identifier that is not understood again.
func TestHostWithRegionAlone(t *testing.T) {
	assert.Equal(t, "laptop:host:-", record.SetID{Kind: record.Host, Instance: "laptop", Region: "eu-west-1"}.String())
}

func TestOwned(t *testing.T) {
	for name, test := range map[string]struct {
		id   string
		want bool
	}{
		"own":                          {"i-1:ecs:" + container + ":80/tcp", true},
		"own host record":              {"i-1:host:-", true},
		"longer instance ID":           {"i-10:ecs:" + container + ":80/tcp", false},
		"shorter instance ID":          {"i-:ecs:" + container + ":80/tcp", false},
		"instance ID without a colon":  {"i-1", false},
		"instance ID in the middle":    {"x:i-1:ecs", false},
		"instance ID in another case":  {"I-1:host:-", false},
		"container ID only":            {container, false},
		"the original agent's":         {"ip-10-0-0-1:" + container, false},
		"somebody's, of a like prefix": {"i-1/x:y", false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, record.Record{SetID: test.id}.Owned("i-1"))
		})
	}
}

func anySetID() *rapid.Generator[record.SetID] {
	return rapid.Custom(func(t *rapid.T) record.SetID {
		id := record.SetID{
			Kind: rapid.SampledFrom([]record.Kind{
				record.ECS,
				record.Docker,
				record.Host,
				record.ENI,
				record.Legacy,
			}).Draw(t, "kind"),
			Instance:  rapid.StringMatching(`[A-Za-z0-9._-]{1,45}`).Draw(t, "instance"),
			Container: rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "container"),
		}
		switch id.Kind {
		case record.ECS, record.Docker:
			id.Port = rapid.Uint16Range(1, 65535).Draw(t, "port")
			id.Proto = rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "proto")
		case record.Host:
			id.Container = ""
			if rapid.Bool().Draw(t, "on EC2") {
				id.Account = rapid.StringMatching(`[0-9]{12}`).Draw(t, "account")
				id.Region = rapid.StringMatching(`[a-z]{2}(-gov)?-[a-z]{4,9}-[1-9]`).Draw(t, "region")
			}
		case record.Legacy:
			if rapid.Bool().Draw(t, "bare") {
				id.Instance = ""
			}
		}
		return id
	})
}

func TestSetIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := anySetID().Draw(t, "id")
		text := id.String()
		assert.LessOrEqual(t, len(text), record.MaxSetID)
		got, ok := record.ParseSetID(text)
		assert.True(t, ok, text)
		assert.Equal(t, id, got)
	})
}

// What is understood is written again as it was: an identifier that has two spellings would be two records.
func TestParseSetIDOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(anySetID().Draw(t, "id").String())
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			text[at] = rapid.SampledFrom([]byte("0a:/-+A \n")).Draw(t, "byte")
		}
		if id, ok := record.ParseSetID(string(text)); ok {
			assert.Equal(t, string(text), id.String())
		}
	})
}

func FuzzParseSetID(f *testing.F) {
	f.Add("i-1:ecs:" + container + ":80/tcp")
	f.Add("i-1:host:123456789012/eu-west-1")
	f.Add("i-1:host:-")
	f.Add("i-1:eni:" + container)
	f.Add("host:" + container)
	f.Add(container)
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := record.ParseSetID(text); ok {
			assert.Equal(t, text, id.String())
			assert.LessOrEqual(t, len(text), record.MaxSetID)
		}
	})
}
