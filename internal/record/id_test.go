package record_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
)

func TestIDs(t *testing.T) {
	for name, test := range map[string]struct {
		valid         func(string) bool
		good, refused []string
	}{
		"container": {
			valid:   record.ValidContainerID,
			good:    []string{strings.Repeat("0a", 32)},
			refused: []string{"", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("A", 64), "abc"},
		},
		"instance": {
			valid:   record.ValidInstanceID,
			good:    []string{"i-0123456789abcdef0", "mi-0123456789abcdef0", "build.host_7", strings.Repeat("x", 45)},
			refused: []string{"", strings.Repeat("x", 46), "a:b", "a b", "a/b", "ä", "i-1\n"},
		},
		"EC2 instance": {
			valid:   record.ValidEC2InstanceID,
			good:    []string{"i-0123456789abcdef0", "i-01234567"},
			refused: []string{"", "i-", "i-cafe", "mi-0123456789abcdef0", "i-0123456789ABCDEF0", "i-01234567\n"},
		},
		"account": {
			valid:   record.ValidAccountID,
			good:    []string{"123456789012"},
			refused: []string{"", "12345678901", "1234567890123", "-", "12345678901x"},
		},
		"region": {
			valid:   record.ValidRegion,
			good:    []string{"eu-central-1", "us-gov-west-1", strings.Repeat("r", 40)},
			refused: []string{"", strings.Repeat("r", 41), "eu_central", "EU-CENTRAL-1", "a/b"},
		},
		"zone": {
			valid:   record.ValidZoneID,
			good:    []string{"Z0123456789ABCDEFGHIJ", strings.Repeat("Z", 32)},
			refused: []string{"", strings.Repeat("Z", 33), "/hostedzone/Z1", "z1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, id := range test.good {
				assert.True(t, test.valid(id), "%q", id)
			}
			for _, id := range test.refused {
				assert.False(t, test.valid(id), "%q", id)
			}
		})
	}
}
