// Package internal_test holds what is true of all packages together.
package internal_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/ecssd/ecssd/"

// mayImport says which packages of ours each package may import: the direction in which data flows. Adapters to the
// outside (docker, route53, host, journal) never import each other.
var mayImport = map[string][]string{
	"internal/container": {},
	"internal/endpoint":  {"internal/container"},
	"internal/record":    {"internal/endpoint"},
	"internal/plan":      {"internal/record"},
	"internal/apply": {
		"internal/apply/ledger", "internal/apply/metrics", "internal/apply/outcome", "internal/apply/pace",
		"internal/apply/permission",
		"internal/apply/quarantine", "internal/apply/target", "internal/apply/verify", "internal/backoff",
		"internal/plan",
		"internal/record",
	},
	"internal/apply/ledger":     {"internal/plan", "internal/record"},
	"internal/apply/metrics":    {"internal/plan", "internal/record"},
	"internal/apply/outcome":    {"internal/plan", "internal/record"},
	"internal/apply/pace":       {"internal/backoff", "internal/plan"},
	"internal/apply/permission": {"internal/backoff", "internal/plan", "internal/record"},
	"internal/apply/quarantine": {"internal/backoff", "internal/plan", "internal/record"},
	"internal/apply/target": {
		"internal/apply/ledger", "internal/apply/quarantine", "internal/plan", "internal/record",
	},
	"internal/apply/verify": {"internal/backoff", "internal/plan", "internal/record"},
	"internal/journal":      {"internal/plan", "internal/record", "internal/statedir"},
	"internal/settings":     {},
	"internal/statedir":     {},
	"internal/docker":       {"internal/backoff", "internal/container"},
	"internal/route53":      {"internal/awserr", "internal/plan", "internal/record"},
	"internal/host":         {"internal/record"},
	"internal/eventbridge":  {"internal/backoff"},
	"internal/footprint":    {},
	"internal/awserr":       {},
	"internal/backoff":      {},
	"internal/health": {
		"internal/backoff", "internal/container", "internal/plan", "internal/record", "internal/status",
	},
	"internal/cli": {
		"internal/agent", "internal/agent/event", "internal/apply/metrics", "internal/container", "internal/docker",
		"internal/doctor", "internal/doctor/awscheck", "internal/doctor/hostcheck", "internal/doctor/zonecheck",
		"internal/endpoint", "internal/eventbridge", "internal/footprint", "internal/health",
		"internal/host", "internal/journal", "internal/plan", "internal/record", "internal/route53",
		"internal/settings", "internal/statedir", "internal/status", "internal/sweep",
		"internal/sweep/evidence", "internal/sweep/run", "internal/web",
	},
	"internal/status": {},
	"internal/web":    {"internal/health", "internal/status"},
	"internal/sweep": {
		"internal/backoff", "internal/container", "internal/plan", "internal/record", "internal/sweep/change",
		"internal/sweep/evidence", "internal/sweep/httpcheck",
	},
	"internal/sweep/evidence":  {"internal/container", "internal/record"},
	"internal/sweep/change":    {"internal/backoff", "internal/plan"},
	"internal/sweep/httpcheck": {"internal/backoff"},
	"internal/sweep/inventory": {"internal/container", "internal/record", "internal/sweep/evidence"},
	"internal/sweep/run": {
		"internal/record", "internal/route53", "internal/sweep", "internal/sweep/httpcheck", "internal/sweep/inventory",
	},
	"internal/doctor": {},
	"internal/doctor/awscheck": {
		"internal/awserr", "internal/doctor", "internal/host", "internal/plan", "internal/sweep/inventory",
	},
	"internal/doctor/zonecheck": {
		"internal/awserr", "internal/doctor", "internal/doctor/awscheck", "internal/endpoint", "internal/host",
		"internal/plan", "internal/record", "internal/route53",
	},
	"internal/doctor/hostcheck": {
		"internal/container", "internal/docker", "internal/doctor", "internal/endpoint", "internal/host",
		"internal/journal", "internal/plan", "internal/record", "internal/statedir", "internal/status",
	},
	"internal/local": {"internal/container", "internal/endpoint", "internal/plan", "internal/record"},
	"internal/agent": {
		"internal/agent/event", "internal/agent/listing", "internal/agent/look", "internal/agent/stream",
		"internal/agent/view", "internal/apply", "internal/apply/metrics", "internal/apply/outcome",
		"internal/apply/permission", "internal/backoff", "internal/endpoint", "internal/health", "internal/journal",
		"internal/local", "internal/plan", "internal/record", "internal/status",
	},
	"internal/agent/event":   {"internal/apply/outcome", "internal/container", "internal/local", "internal/record"},
	"internal/agent/listing": {"internal/backoff", "internal/record"},
	"internal/agent/look":    {"internal/container", "internal/local"},
	"internal/agent/stream":  {"internal/backoff", "internal/container", "internal/health", "internal/local"},
	"internal/agent/view": {
		"internal/apply", "internal/apply/metrics", "internal/container", "internal/endpoint", "internal/local",
		"internal/plan", "internal/record", "internal/status",
	},
}

// pure packages compute: no context, clock, logger, environment, network or file.
var pure = []string{
	"internal/agent/view",
	"internal/container", "internal/endpoint", "internal/record", "internal/plan", "internal/local",
	"internal/apply/ledger", "internal/apply/outcome", "internal/apply/pace", "internal/apply/permission",
	"internal/apply/quarantine",
	"internal/apply/target", "internal/apply/verify", "internal/sweep/evidence",
}

var impure = []string{
	"context",
	"os",
	"os/exec",
	"io/fs",
	"net",
	"net/http",
	"log",
	"log/slog",
	"math/rand",
	"math/rand/v2",
	"sync",
}

// onlyImporter names the one package of the product that may import an SDK.
var onlyImporter = map[string]string{
	"github.com/docker/docker/":                        "internal/docker",
	"github.com/aws/aws-sdk-go-v2/service/route53":     "internal/route53",
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds":    "internal/host",
	"github.com/aws/aws-sdk-go-v2/service/ecs":         "internal/sweep/inventory",
	"github.com/aws/aws-sdk-go-v2/service/ec2":         "internal/sweep/inventory",
	"github.com/aws/aws-sdk-go-v2/service/eventbridge": "internal/eventbridge",
}

// product says whether a package is part of what is deployed: neither the sandbox nor what only tests and the demo use.
func product(pkg string) bool {
	return !slices.ContainsFunc([]string{"internal/sandbox", "internal/test/", "internal/demo", "cmd/ecssd-sandbox"},
		func(prefix string) bool { return strings.HasPrefix(pkg, prefix) })
}

// imports lists what each package of ours imports, tests left out.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	command := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	command.Dir = ".."
	out, err := command.Output()
	require.NoError(t, err)
	found := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		found[strings.TrimPrefix(fields[0], module)] = fields[1:]
	}
	return found
}

func TestImportsFollowTheDataFlow(t *testing.T) {
	for pkg, imported := range imports(t) {
		for _, path := range imported {
			ours, isOurs := strings.CutPrefix(path, module)
			switch {
			case !isOurs:
			case strings.HasPrefix(pkg, "internal/sandbox"):
				assert.True(
					t,
					strings.HasPrefix(ours, "internal/sandbox"),
					"%s imports %s: the sandbox shares no code with the product, so that a misreading of Route 53 "+
						"cannot hide on both sides",
					pkg,
					ours,
				)
			case product(pkg):
				assert.True(t, product(ours), "%s is deployed and imports %s, which is not", pkg, ours)
				if allowed, listed := mayImport[pkg]; listed {
					assert.Contains(t, allowed, ours, "%s may not import %s", pkg, ours)
				}
			}
		}
	}
}

func TestEveryPackageOfTheProductIsInTheTable(t *testing.T) {
	for pkg := range imports(t) {
		if product(pkg) && strings.HasPrefix(pkg, "internal/") {
			assert.Contains(t, mayImport, pkg)
		}
	}
}

func TestPurePackagesImportNothingImpure(t *testing.T) {
	found := imports(t)
	for _, pkg := range pure {
		require.Contains(t, found, pkg)
		for _, path := range found[pkg] {
			assert.NotContains(t, impure, path, "%s imports %s", pkg, path)
		}
	}
}

// A pure package shows in an example, which go test runs, how it is used.
func TestPurePackagesHaveAnExample(t *testing.T) {
	for _, pkg := range pure {
		text, err := os.ReadFile("../" + pkg + "/example_test.go")
		if assert.NoError(t, err) {
			assert.Regexp(t, `(?s)\nfunc Example.*\n\t// Output:\n\t// \S`, string(text), pkg)
		}
	}
}

func TestEachSDKHasOneImporter(t *testing.T) {
	for pkg, imported := range imports(t) {
		for _, path := range imported {
			for sdk, only := range onlyImporter {
				if product(pkg) && strings.HasPrefix(path, sdk) {
					assert.Equal(t, only, pkg, "%s imports %s", pkg, path)
				}
			}
		}
	}
}
