package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// read parses a YAML file into v, whose fields are all that it may have.
func read(t *testing.T, path string, v any) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, v), path)
}

// workflow is what is tested of a workflow of GitHub Actions.
type workflow struct {
	Name string
	// YAML 1.1 would read "on" as true; YAML 1.2, and GitHub, do not.
	On          map[string]any
	Permissions map[string]string
	Jobs        map[string]struct {
		RunsOn         string `yaml:"runs-on"`
		TimeoutMinutes int    `yaml:"timeout-minutes"`
		Steps          []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

func TestWorkflowsRunWhatIsThere(t *testing.T) {
	paths, err := filepath.Glob("../.github/workflows/*.yml")
	require.NoError(t, err)
	require.Len(t, paths, 2)
	for _, path := range paths {
		var w workflow
		read(t, path, &w)
		assert.NotEmpty(t, w.Name, path)
		assert.NotEmpty(t, w.On, path)
		assert.NotEmpty(t, w.Permissions, "%s: without them a job may write", path)
		for name, job := range w.Jobs {
			assert.NotEmpty(t, job.RunsOn, "%s: %s", path, name)
			assert.Positive(t, job.TimeoutMinutes, "%s: %s", path, name)
			require.NotEmpty(t, job.Steps, "%s: %s", path, name)
			for _, step := range job.Steps {
				assert.True(t, (step.Uses == "") != (step.Run == ""), "%s: a step either uses or runs: %v", path, step)
				for _, target := range regexp.MustCompile(`\bmake (\w+)`).FindAllStringSubmatch(step.Run, -1) {
					dryRun(t, path, target[1:])
				}
				for _, file := range regexp.MustCompile(`(?:\.ci|cloudformation)/[\w*.]+`).FindAllString(step.Run, -1) {
					found, err := filepath.Glob("../" + file)
					require.NoError(t, err)
					assert.NotEmpty(t, found, "%s: %s", path, file)
				}
			}
		}
	}
}

func TestCIRunsWhatAPersonRuns(t *testing.T) {
	var w workflow
	read(t, "../.github/workflows/ci.yml", &w)
	var runs []string
	for _, step := range w.Jobs["run"].Steps {
		runs = append(runs, step.Run)
	}
	assert.Regexp(t, `(^| )\.ci/run$`, runs[len(runs)-1])
	content, err := os.ReadFile("../.ci/run")
	require.NoError(t, err)
	assert.Contains(t, string(content), "exec make lint test\n")
}

func TestIssueForms(t *testing.T) {
	paths, err := filepath.Glob("../.github/ISSUE_TEMPLATE/*.yml")
	require.NoError(t, err)
	require.Greater(t, len(paths), 2)
	kinds := []string{"markdown", "textarea", "input", "dropdown", "checkboxes"}
	for _, path := range paths {
		if filepath.Base(path) == "config.yml" {
			continue
		}
		var form struct {
			Name, Description string
			Labels            []string
			Body              []struct {
				Type, ID    string
				Attributes  map[string]any
				Validations map[string]bool
			}
		}
		read(t, path, &form)
		assert.NotEmpty(t, form.Name, path)
		assert.NotEmpty(t, form.Description, path)
		require.NotEmpty(t, form.Body, path)
		ids := map[string]bool{}
		for _, field := range form.Body {
			assert.Contains(t, kinds, field.Type, path)
			assert.NotEmpty(t, field.Attributes["label"], path)
			assert.False(t, ids[field.ID], "%s: %s stands twice", path, field.ID)
			ids[field.ID] = true
			if field.Type == "dropdown" {
				assert.NotEmpty(t, field.Attributes["options"], path)
			}
		}
	}
}

func TestDependabotKnowsEveryModule(t *testing.T) {
	var settings struct {
		Version int
		Updates []struct {
			PackageEcosystem       string `yaml:"package-ecosystem"`
			Directory, Directories any
		}
	}
	read(t, "../.github/dependabot.yml", &settings)
	assert.Equal(t, 2, settings.Version)
	for _, update := range settings.Updates {
		if update.PackageEcosystem != "gomod" {
			continue
		}
		assert.Equal(t, []any{"/", "/packaging/nfpm"}, update.Directories)
		return
	}
	t.Error("no updates of Go modules")
}
