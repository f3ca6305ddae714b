// Package docs tests the manual: that its links lead somewhere, its commands run or say what they need, and its tables
// are true. Tables that are made from the code are tested beside the code.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pages returns the files of the manual, by their path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"README.md", "docs/*.md", ".github/*.md"} {
		paths, err := filepath.Glob("../" + pattern)
		require.NoError(t, err)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			found[strings.TrimPrefix(path, "../")] = string(content)
		}
	}
	require.Greater(t, len(found), 8)
	return found
}

func TestREADMEIsOneScreenOrTwo(t *testing.T) {
	content, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(content), "\n"), 120)
}

var (
	fences  = regexp.MustCompile("(?ms)^( *)```([^\n]*)\n(.*?)^ *```$")
	links   = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
)

// anchors returns what the headings of a page are linked by, as GitHub makes it.
func anchors(page string) (found []string) {
	page = fences.ReplaceAllString(page, "")
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		anchor := strings.ToLower(match[1])
		anchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(anchor, "")
		found = append(found, strings.ReplaceAll(anchor, " ", "-"))
	}
	return found
}

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	for path, page := range all {
		for _, match := range links.FindAllStringSubmatch(fences.ReplaceAllString(page, ""), -1) {
			link := match[1] + match[2]
			if strings.HasPrefix(link, "https://") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
				if _, err := os.Stat("../" + target); !assert.NoError(t, err, "%s: %s", path, link) {
					continue
				}
			}
			if anchor != "" {
				assert.Contains(t, anchors(all[target]), anchor, "%s: %s", path, link)
			}
		}
	}
}

// Every page of the manual is linked from the README or from a page that is.
func TestEveryPageIsLinked(t *testing.T) {
	all := pages(t)
	reached := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if reached[path] {
			return
		}
		reached[path] = true
		for _, match := range links.FindAllStringSubmatch(all[path], -1) {
			file, _, _ := strings.Cut(match[1], "#")
			if next := filepath.Join(filepath.Dir(path), file); all[next] != "" {
				visit(next)
			}
		}
	}
	visit("README.md")
	for path := range all {
		assert.True(t, reached[path], path)
	}
}

// block is a piece of code in a page.
type block struct{ page, info, text string }

func blocks(t *testing.T) (found []block) {
	t.Helper()
	for path, page := range pages(t) {
		for _, match := range fences.FindAllStringSubmatch(page, -1) {
			found = append(found, block{path, match[2], match[3]})
		}
	}
	require.Greater(t, len(found), 20)
	return found
}

// Code is marked with what it is, and commands with what they need: "sh" runs in a clone of this repository, "sh aws"
// needs an AWS account, "sh host" a container instance.
func TestEveryCodeBlockSaysWhatItIs(t *testing.T) {
	known := []string{"sh", "sh aws", "sh host", "text", "go", "json", "hcl", "ts"}
	for _, b := range blocks(t) {
		assert.Contains(t, known, b.info, "%s: %s", b.page, b.text)
	}
	for path, page := range pages(t) {
		for paragraph := range strings.SplitSeq(fences.ReplaceAllString(page, ""), "\n\n") {
			assert.False(t, strings.HasPrefix(paragraph, "    "), "%s: code without ```:\n%s", path, paragraph)
		}
	}
}

// commands returns the commands of a block, one a line, without comments.
func (b block) commands() (found []string) {
	text := strings.ReplaceAll(b.text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
		for command := range strings.SplitSeq(line, " && ") {
			if command = strings.TrimSpace(command); command != "" && !strings.HasPrefix(command, "#") {
				found = append(found, command)
			}
		}
	}
	return found
}

// A block that needs nothing has only commands that a test here runs, or of which it knows that they would run.
func TestCommandsThatNeedNothing(t *testing.T) {
	sandboxes := 0
	for _, b := range blocks(t) {
		if b.info != "sh" {
			continue
		}
		if strings.Contains(b.text, "ecssd-sandbox") {
			sandboxes++
			runInSandbox(t, b)
			continue
		}
		for _, command := range b.commands() {
			switch words := strings.Fields(command); words[0] {
			case "make":
				dryRun(t, b.page, words[1:])
			case "go":
				checkGoTest(t, b.page, command)
			default:
				t.Errorf("%s: no test knows whether this runs: %s", b.page, command)
			}
		}
	}
	assert.Equal(t, 1, sandboxes)
}

// dryRun asserts that make has a target.
func dryRun(t *testing.T, page string, arguments []string) {
	t.Helper()
	command := exec.Command("make", append([]string{"-n"}, arguments...)...)
	command.Dir = ".."
	out, err := command.CombinedOutput()
	assert.NoError(t, err, "%s: make %v: %s", page, arguments, out)
}

// checkGoTest asserts that a go test command names a package, and where it has -run a test there.
func checkGoTest(t *testing.T, page, command string) {
	t.Helper()
	folder := regexp.MustCompile(`^go test (?:-race )?\./(\S+)`).FindStringSubmatch(command)
	require.NotNil(t, folder, "%s: %s", page, command)
	files, err := filepath.Glob(filepath.Join("..", folder[1], "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "%s: %s", page, command)
	pattern := regexp.MustCompile(`-run '?([^ ']+)`).FindStringSubmatch(command)
	if pattern == nil {
		return
	}
	matches := func(file string) bool {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		names := regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllStringSubmatch(string(content), -1)
		return slices.ContainsFunc(names, func(name []string) bool {
			return regexp.MustCompile(pattern[1]).MatchString(name[1])
		})
	}
	assert.True(t, slices.ContainsFunc(files, matches), "%s: no such test: %s", page, command)
}

// runInSandbox runs a block with programs that are built for it, on free ports.
func runInSandbox(t *testing.T, b block) {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin")+"/", "./cmd/ecssd", "./cmd/ecssd-sandbox")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	const free = " --listen 127.0.0.1:0 --dns 127.0.0.1:0 --manage 127.0.0.1:0"
	script := strings.Replace(b.text, "bin/ecssd-sandbox", "bin/ecssd-sandbox"+free, 1)
	run := exec.Command("bash", "-euo", "pipefail", "-c", "set -m\n"+script)
	run.Dir = dir
	out, err = run.CombinedOutput()
	assert.NoError(t, err, "%s: %s\n%s", b.page, script, out)
}

// Commands that need an account or a host are at least a shell's, and those of theirs that a clone can check are right.
func TestCommandsThatNeedMore(t *testing.T) {
	for _, b := range blocks(t) {
		if !strings.HasPrefix(b.info, "sh ") {
			continue
		}
		syntax := exec.Command("bash", "-n", "-c", b.text)
		out, err := syntax.CombinedOutput()
		assert.NoError(t, err, "%s: %s: %s", b.page, b.text, out)
		for _, command := range b.commands() {
			if arguments, found := strings.CutPrefix(command, "make "); found {
				dryRun(t, b.page, strings.Fields(arguments))
			}
		}
	}
}

// What is passed to a template is a parameter of it, and the template is there.
func TestTemplatesHaveTheParameters(t *testing.T) {
	templates := regexp.MustCompile(`cloudformation/\w+\.cform`)
	parameter := regexp.MustCompile(`(?m)\b([A-Z][A-Za-z0-9]+)\s*(?:=|:) *['"\[A-Za-z…]`)
	checked := 0
	for _, b := range blocks(t) {
		files := templates.FindAllStringIndex(b.text, -1)
		for i, at := range files {
			content, err := os.ReadFile("../" + b.text[at[0]:at[1]])
			require.NoError(t, err, b.page)
			end := len(b.text)
			if i+1 < len(files) {
				end = files[i+1][0]
			}
			given := b.text[at[1]:end]
			if _, rest, found := strings.Cut(given, "parameters"); found {
				given = rest
			}
			given, _, _ = strings.Cut(given, "resource \"")
			for _, match := range parameter.FindAllStringSubmatch(given, -1) {
				checked++
				assert.Contains(t, string(content), "\n  "+match[1]+":\n    Type: ", "%s: %s", b.page, match[1])
			}
		}
	}
	assert.Greater(t, checked, 20)
}

func TestTheNewestHeadingOfTheChangelogIsTheVersion(t *testing.T) {
	content, err := os.ReadFile("changelog.md")
	require.NoError(t, err)
	newest := regexp.MustCompile(`(?m)^## (.+)$`).FindStringSubmatch(string(content))
	require.NotNil(t, newest)
	want := "Unreleased"
	describe := exec.Command("git", "describe", "--tags", "--exact-match", "--match", "v[0-9]*")
	if tag, err := describe.Output(); err == nil {
		want = strings.TrimPrefix(strings.TrimSpace(string(tag)), "v")
	}
	assert.Equal(t, want, newest[1])
}

// The table of the architecture has every folder below internal, and no other.
func TestArchitectureNamesThePackages(t *testing.T) {
	content, err := os.ReadFile("architecture.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(content), "| below `internal` | is |\n| --- | --- |\n")
	require.True(t, found)
	table, _, _ := strings.Cut(rest, "\n\n")
	var listed []string
	for row := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, name := range regexp.MustCompile("`([a-z0-9/]+)`").FindAllStringSubmatch(cell, -1) {
			top, _, _ := strings.Cut(name[1], "/")
			listed = append(listed, top)
		}
	}
	command := exec.Command("go", "list", "./internal/...")
	command.Dir = ".."
	out, err := command.Output()
	require.NoError(t, err)
	var packages []string
	for path := range strings.Lines(string(out)) {
		_, name, _ := strings.Cut(strings.TrimSpace(path), "/internal/")
		if name, _, _ = strings.Cut(name, "/"); name != "" { // the documentation of a package describes those below it
			packages = append(packages, name)
		}
	}
	slices.Sort(packages)
	slices.Sort(listed)
	assert.Equal(t, slices.Compact(packages), slices.Compact(listed))
}
