package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/statedir"
)

// A machine image was made of a host on standby, and each clone of it stayed out of traffic for good.
func TestStandbyOfAnotherLife(t *testing.T) {
	const old = "since 2026-11-23T03:00:00Z\n" // as earlier versions wrote it, which say of no host
	before := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		journalOf string // empty: there is none
		file      func(t *testing.T, dir string)
		counts    bool
		aside     string
	}{
		"of this host": {"i-1",
			func(t *testing.T, dir string) { require.NoError(t, statedir.SetStandby(dir, "i-1", before)) }, true, ""},
		"of this host, without a journal": {
			"", func(t *testing.T, dir string) { require.NoError(t, statedir.SetStandby(dir, "i-1", before)) }, true,
			"",
		},
		"of a host that this is a clone of": {
			"i-0", func(t *testing.T, dir string) { require.NoError(t, statedir.SetStandby(dir, "i-0", before)) },
			false, "standby.i-0",
		},
		"of another host, without a journal": {
			"", func(t *testing.T, dir string) { require.NoError(t, statedir.SetStandby(dir, "i-0", before)) }, false,
			"standby.i-0",
		},
		"of another host, and this host's journal": {
			"i-1", func(t *testing.T, dir string) { require.NoError(t, statedir.SetStandby(dir, "i-10", before)) },
			false, "standby.i-10",
		},
		"by hand on a clone, before its agent ran": {
			"i-0", func(t *testing.T, dir string) { require.NoError(t, statedir.SetStandby(dir, "i-1", before)) },
			true, "",
		},
		"of an earlier version, this host's journal": {
			"i-1", func(t *testing.T, dir string) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "standby"), []byte(old), 0o644))
			}, true, "",
		},
		"of an earlier version, without a journal": {
			"", func(t *testing.T, dir string) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "standby"), []byte(old), 0o644))
			}, true, "",
		},
		"of an earlier version, another host's journal": {
			"i-0", func(t *testing.T, dir string) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "standby"), []byte(old), 0o644))
			}, false, "standby.i-0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if test.journalOf != "" {
				j, err := journal.Open(dir, test.journalOf, "boot-0")
				require.NoError(t, err)
				require.NoError(t, j.Close())
			}
			test.file(t, dir)
			for range 2 { // an agent starts, and starts again
				j := open(t, dir)
				since, err := statedir.Standby(dir, "i-1")
				require.NoError(t, err)
				assert.Equal(t, map[bool]string{true: "since 2026-11-23T03:00:00Z"}[test.counts], since)
				assert.Equal(t, test.aside != "", strings.Contains(j.Notice(), "standby"), j.Notice())
				require.NoError(t, j.Close())
				if test.aside != "" {
					require.FileExists(t, filepath.Join(dir, test.aside))
					require.NoError(t, os.Remove(filepath.Join(dir, test.aside)))
					test.aside = ""
				}
			}
			if test.counts {
				content, err := os.ReadFile(filepath.Join(dir, "standby"))
				require.NoError(t, err)
				assert.Contains(t, string(content), "i-1", "from now on it says of which host")
			}
		})
	}
}
