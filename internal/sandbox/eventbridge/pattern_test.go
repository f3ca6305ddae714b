package eventbridge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPattern(t *testing.T) {
	const event = `{"source": "aws.ec2", "detail": {"state": "stopped", "port": 80, "ok": true, "none": null, "tags": ["a", "b"],
		"deep": {"x": "y"}}}`
	for _, test := range []struct {
		name, pattern string
		want          bool
	}{
		{"a value", `{"source": ["aws.ec2"]}`, true},
		{"one of several", `{"detail": {"state": ["stopping", "stopped"]}}`, true},
		{"all fields must match", `{"source": ["aws.ec2"], "detail": {"state": ["running"]}}`, false},
		{"a field that is not there", `{"region": ["eu-central-1"]}`, false},
		{"case counts", `{"source": ["AWS.EC2"]}`, false},
		{"a number", `{"detail": {"port": [80]}}`, true},
		{"a number is no text", `{"detail": {"port": ["80"]}}`, false},
		{"true", `{"detail": {"ok": [true]}}`, true},
		{"null", `{"detail": {"none": [null]}}`, true},
		{"null is not absence", `{"detail": {"absent": [null]}}`, false},
		{"a list has one of the values", `{"detail": {"tags": ["b", "c"]}}`, true},
		{"a list has none of the values", `{"detail": {"tags": ["c"]}}`, false},
		{"an object is no value", `{"detail": {"deep": ["y"]}}`, false},
		{"a value is no object", `{"source": {"x": ["y"]}}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := parsePattern(test.pattern)
			require.NoError(t, err)
			value, err := parse([]byte(event))
			require.NoError(t, err)
			assert.Equal(t, test.want, p.matches(value))
		})
	}
}

func TestBusName(t *testing.T) {
	for id, want := range map[string]string{
		"": "default", "own": "own", "arn:aws:events:eu-central-1:123456789012:event-bus/own": "own",
	} {
		assert.Equal(t, want, busName(id))
	}
}
