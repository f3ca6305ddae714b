package footprint

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Distributions build programs so that they can be loaded anywhere. What the linker has written into such a program is
// not in its file: a page of it that was dropped came back without it, and the agent died 10 seconds after its start.
func TestReleaseInEveryBuildMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exe", "pie"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "program")
			out, err := exec.Command("go", "build", "-buildmode="+mode, "-o", program, "./testdata/program").
				CombinedOutput()
			require.NoError(t, err, "%s", out)
			out, err = exec.Command(program).CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Equal(t, `{"a":[],"b":{}} smaller: true`+"\n", string(out))
		})
	}
}

func TestCleanMappings(t *testing.T) {
	const smaps = `00400000-00401000 r--p 00000000 08:01 1                          /usr/bin/ecssd
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
00401000-00403000 r-xp 00001000 08:01 1                          /usr/bin/ecssd
Anonymous:             0 kB
00403000-00404000 r-xp 00001000 08:01 1                          /usr/bin/ecssd
Anonymous:             4 kB
00404000-00405000 r--p 00003000 08:01 1                          /usr/bin/ecssd
Anonymous:             8 kB
00405000-00406000 rw-p 00004000 08:01 1                          /usr/bin/ecssd
Anonymous:             0 kB
00406000-00407000 r--s 00004000 08:01 1                          /usr/bin/ecssd
Anonymous:             0 kB
00407000-00408000 r--p 00000000 08:01 2                          /usr/lib/libc.so
Anonymous:             0 kB
00408000-00409000 r--p 00000000 08:01 2                          /usr/bin/ecssd (deleted)
Anonymous:             0 kB
00409000-0040a000 r--p 00000000 00:00 0
Anonymous:             0 kB
0040a000-0040b000 r--p 00000000 08:01 1                          /usr/bin/ecssd
Rss:                   4 kB
`
	assert.Equal(t, []mapping{
		{0x400000, 0x401000},
		{0x401000, 0x403000},
	}, clean(strings.NewReader(smaps), "/usr/bin/ecssd"))
	assert.Empty(t, clean(strings.NewReader(""), "/usr/bin/ecssd"))
}

func TestKeepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		began := time.Now()
		Keep(ctx)
		assert.Equal(t, 5*time.Minute, time.Since(began))
	})
}
