package statedir

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhoseFileIsTrusted(t *testing.T) {
	for name, c := range map[string]struct {
		owner, dirOwner, self int
		want                  bool
	}{
		"the service's own":                       {999, 999, 999, true},
		"read by root":                            {999, 999, 0, true},
		"written by root, read by the service":    {0, 999, 999, true},
		"own, in a directory of root":             {999, 0, 999, true},
		"of another, in the service's directory":  {1000, 999, 999, false},
		"of another, read by root":                {1000, 999, 0, false},
		"of another, in a directory such as /tmp": {1000, 0, 999, false},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, trusted(c.owner, c.dirOwner, c.self)) })
	}
}
