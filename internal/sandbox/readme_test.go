package sandbox_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
)

// endpoints returns the methods and paths that a text names, sorted, each once.
func endpoints(pattern, text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1]+" "+m[2])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestTheReadmeAndTheUsageHaveTheSameEndpoints(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	usage := endpoints(`(?m)^([A-Z]+) +(/\S*)`, manage(t, s, "GET", "/", "", 200))
	require.NotEmpty(t, usage)
	assert.Equal(t, usage, endpoints("`([A-Z]+) (/[^`]*)`", string(readme)))
}

func TestEveryEndpointOfTheUsageExists(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	for _, endpoint := range endpoints(`(?m)^([A-Z]+) +(/\S*)`, manage(t, s, "GET", "/", "", 200)) {
		method, path, _ := strings.Cut(endpoint, " ")
		request, err := http.NewRequestWithContext(t.Context(), method, s.ManageURL()+path, strings.NewReader("?"))
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.NotContains(t, []int{404, 405}, response.StatusCode, endpoint)
	}
}
