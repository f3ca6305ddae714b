package view_test

import (
	"fmt"

	"github.com/ecssd/ecssd/internal/agent/view"
	"github.com/ecssd/ecssd/internal/local"
)

// The agent has just started, and waits for what it needs.
func Example() {
	state := view.State(view.Input{Version: "1.2.3", Missing: []string{"zone"}, Local: &local.State{}})
	fmt.Println(state.Version, "ready:", state.Ready, "missing:", state.Missing)
	// Output:
	// 1.2.3 ready: false missing: [zone]
}
