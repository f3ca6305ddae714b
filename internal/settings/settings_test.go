package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// file writes a settings file and reads it.
func file(t *testing.T, content string) (File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ecssd.conf")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return Read(path)
}

// unset removes variables from the environment until the test ends.
func unset(t *testing.T, variables ...string) {
	t.Helper()
	for _, variable := range variables {
		t.Setenv(variable, "")
		require.NoError(t, os.Unsetenv(variable))
	}
}

func TestApply(t *testing.T) {
	f, err := file(t, `# ECSSD_COMMENT=1
; ECSSD_COMMENT=2
ECSSD_PLAIN=Z1
 ECSSD_QUOTED = "two words"
ECSSD_SINGLE='$HOME'
ECSSD_EMPTY=
ECSSD_EQUALS=a=b
ECSSD_SET=from the file
ECSSD_TWICE=first
ECSSD_EMPTIED=first
ECSSD_TWICE="second"
ECSSD_SET=from the file again
ECSSD_EMPTIED=
ECSSD_TWICE=last
`)
	require.NoError(t, err)
	want := map[string]string{
		"ECSSD_PLAIN":   "Z1",
		"ECSSD_QUOTED":  "two words",
		"ECSSD_SINGLE":  "$HOME",
		"ECSSD_EMPTY":   "",
		"ECSSD_EQUALS":  "a=b",
		"ECSSD_SET":     "from the environment",
		"ECSSD_TWICE":   "last",
		"ECSSD_EMPTIED": "",
	}
	for variable := range want {
		unset(t, variable)
	}
	t.Setenv("ECSSD_SET", "from the environment")
	require.NoError(t, f.Apply())
	for variable, value := range want {
		got, set := os.LookupEnv(variable)
		assert.True(t, set, variable)
		assert.Equal(t, value, got, variable)
	}
	_, set := os.LookupEnv("ECSSD_COMMENT")
	assert.False(t, set)
}

func TestNoFileIsNoError(t *testing.T) {
	f, err := Read(filepath.Join(t.TempDir(), "none"))
	assert.NoError(t, err)
	assert.False(t, f.Found)
}

func TestABadLineIsNamed(t *testing.T) {
	for _, bad := range []string{"export FOO", "=1", "ECSSD_ZONE=a \\\n b"} {
		f, err := file(t, "# fine\n"+bad+"\n")
		assert.ErrorContains(t, err, f.Path+":2: not VARIABLE=value on one line", bad)
	}
}

// known are the variables in these tests.
var known = []string{
	"ECSSD_ZONE",
	"ECSSD_ZONE_ID",
	"ECSSD_TTL",
	"ECSSD_ALLOW_NAMES",
	"ECSSD_MAX_WEIGHT",
	"ECSSD_WEIGHT",
}

func TestVariables(t *testing.T) {
	unset(t, "ECSSD_ZONE", "ECSSD_ZONE_ID", "ECSSD_TTL", "ECSSD_ALLOWNAMES", "ECSSD_WEIGHT", "ZONE", "AWS_REGION")
	f, err := file(t, `ECSSD_ZONE_ID=Z1
ECSSD_ZONE=a.example
ECSSD_ALLOWNAMES=web.*
AWS_REGION=eu-central-1
ZONE=b.example
ECSSD_ZONE=c.example
`)
	require.NoError(t, err)
	t.Setenv("ECSSD_ZONE", "d.example")
	t.Setenv("ECSSD_ZONE_ID", "Z1") // as systemd does
	t.Setenv("ECSSD_WIEGHT", "3")
	t.Setenv("ECSSD_TTL", "5")
	t.Setenv("ECSSD_COLOUR", "red")
	require.NoError(t, f.Apply())
	assert.Equal(t, Variables{
		Path:        f.Path,
		Found:       true,
		File:        []string{"AWS_REGION", "ECSSD_ZONE_ID"},
		Environment: []string{"ECSSD_TTL", "ECSSD_ZONE"},
		Unknown: []Unknown{
			{"ECSSD_ALLOWNAMES", f.Path + ":3", "ECSSD_ALLOW_NAMES"},
			{"ECSSD_COLOUR", "environment", ""},
			{"ECSSD_WIEGHT", "environment", "ECSSD_WEIGHT"},
			{"ZONE", f.Path + ":5", "ECSSD_ZONE"},
		},
	}, New(f, known).Variables())
}

func TestUnknownSaysWhatToDo(t *testing.T) {
	assert.Equal(t, "ECSSD_TLL (x:1) is not a setting of ecssd and has no effect; did you mean ECSSD_TTL?",
		Unknown{"ECSSD_TLL", "x:1", "ECSSD_TTL"}.String())
	assert.Equal(t, "ECSSD_X (x:1) is not a setting of ecssd and has no effect", Unknown{"ECSSD_X", "x:1", ""}.String())
}

func TestMeant(t *testing.T) {
	for variable, want := range map[string]string{
		"ECSSD_ALLOWNAMES":    "ECSSD_ALLOW_NAMES",
		"ECSSD_ALLOWED_NAMES": "ECSSD_ALLOW_NAMES",
		"ECSD_ZONE_ID":        "ECSSD_ZONE_ID",
		"ECSSD_ZONEID":        "ECSSD_ZONE_ID",
		"ecssd_ttl":           "ECSSD_TTL",
		"ECSSD_TLL":           "ECSSD_TTL",
		"ECSSD_MAX-WEIGHT":    "ECSSD_MAX_WEIGHT",
		"ZONE_ID":             "ECSSD_ZONE_ID",
		"ECSSD_COLOUR":        "",
		"FOO":                 "",
	} {
		assert.Equal(t, want, New(File{}, known).meant(variable), variable)
	}
}

func TestLocate(t *testing.T) {
	unset(t, "ECSSD_ZONE", "ECSSD_TTL", "ECSSD_WEIGHT")
	f, err := file(t, "# zone\nECSSD_ZONE=a..b\nECSSD_WEIGHT=1\n")
	require.NoError(t, err)
	t.Setenv("ECSSD_TTL", "x")
	require.NoError(t, f.Apply())
	s := New(f, known)
	for text, want := range map[string]string{
		`--zone "a..b" is none; --ttl is none`: `--zone (ECSSD_ZONE in ` + f.Path +
			`:2) "a..b" is none; --ttl (variable ECSSD_TTL) is none`,
		`--zone and --zone`:         `--zone (ECSSD_ZONE in ` + f.Path + `:2) and --zone`,
		`--weight 300 is too much`:  `--weight 300 is too much`,
		`--max-weight 300 is there`: `--max-weight 300 is there`,
	} {
		assert.Equal(t, want, s.Locate(text, []string{"agent", "--weight=300"}))
	}
}
