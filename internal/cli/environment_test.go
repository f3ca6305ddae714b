package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSettingsFromTheFileOfTheService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ecssd.conf")
	require.NoError(t, os.WriteFile(path, []byte(`# ECSSD_TEST_COMMENT=1
; ECSSD_TEST_COMMENT=2
ECSSD_TEST_PLAIN=Z1
 ECSSD_TEST_QUOTED = "two words"
ECSSD_TEST_SINGLE='$HOME'
ECSSD_TEST_EMPTY=
ECSSD_TEST_EQUALS=a=b
ECSSD_TEST_SET=from the file
ECSSD_TEST_TWICE=first
ECSSD_TEST_EMPTIED=first
ECSSD_TEST_TWICE="second"
ECSSD_TEST_SET=from the file again
ECSSD_TEST_EMPTIED=
ECSSD_TEST_TWICE=last
`), 0o600))
	t.Setenv("ECSSD_TEST_SET", "from the environment")
	want := map[string]string{
		"ECSSD_TEST_PLAIN": "Z1", "ECSSD_TEST_QUOTED": "two words", "ECSSD_TEST_SINGLE": "$HOME", "ECSSD_TEST_EMPTY": "",
		"ECSSD_TEST_EQUALS": "a=b", "ECSSD_TEST_SET": "from the environment",
		"ECSSD_TEST_TWICE": "last", "ECSSD_TEST_EMPTIED": "",
	}
	for key := range want {
		if key != "ECSSD_TEST_SET" {
			t.Setenv(key, "") // restores it after the test
			require.NoError(t, os.Unsetenv(key))
		}
	}
	require.NoError(t, LoadEnvironment(path))
	for key, value := range want {
		got, set := os.LookupEnv(key)
		assert.True(t, set, key)
		assert.Equal(t, value, got, key)
	}
	_, set := os.LookupEnv("ECSSD_TEST_COMMENT")
	assert.False(t, set)
}

func TestNoFileOfSettingsIsNoError(t *testing.T) {
	assert.NoError(t, LoadEnvironment(filepath.Join(t.TempDir(), "none")))
}

func TestBadFileOfSettingsIsNamedWithItsLine(t *testing.T) {
	for _, bad := range []string{"export FOO", "=1", "ECSSD_ZONE=a \\\n b"} {
		path := filepath.Join(t.TempDir(), "ecssd.conf")
		require.NoError(t, os.WriteFile(path, []byte("# fine\n"+bad+"\n"), 0o600))
		assert.ErrorContains(t, LoadEnvironment(path), path+":2: ", bad)
	}
}
