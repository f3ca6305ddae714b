package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// found returns what a pattern's first group matches in a text, sorted, each once.
func found(pattern, text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func help(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"--help"}, &out, &out))
	return out.String()
}

func TestTheReadmeHasAllFlags(t *testing.T) {
	readme, err := os.ReadFile("../../internal/sandbox/README.md")
	require.NoError(t, err)
	flags := slices.DeleteFunc(
		found(`(?m)^ +(?:-h, )?--([a-z-]+)`, help(t)),
		func(f string) bool { return f == "help" },
	)
	named := found("`--([a-z-]+)`", string(readme))
	assert.Equal(t, flags, slices.DeleteFunc(named, func(f string) bool { return f == "help" }))
}

func TestHelpHasTheDefaults(t *testing.T) {
	text := help(t)
	for _, flag := range []string{
		`--listen="127.0.0.1:4566"`, `--dns="127.0.0.1:5300"`, `--manage="127.0.0.1:4567"`, `--zone=servicediscovery.internal,...`,
		`--vpc="vpc-sandbox"`, `--region="eu-central-1"`, `--account="123456789012"`, `--instance-id="i-0123456789abcdef0"`,
		`--host-ip="10.0.0.1"`, `--throttle="current"`, `--seed=0`,
	} {
		assert.Contains(t, text, flag)
	}
}
