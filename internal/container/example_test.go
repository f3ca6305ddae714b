package container_test

import (
	"fmt"

	"github.com/ecssd/ecssd/internal/container"
)

// A paused container has processes, and is only not scheduled. One that waits for its restart policy has none, though
// the Engine says running=true.
func ExampleContainer_Live() {
	for _, state := range []container.State{container.Running, container.Paused, container.Restarting, "exited"} {
		fmt.Println(state, container.Container{State: state}.Live())
	}
	// Output:
	// running true
	// paused true
	// restarting false
	// exited false
}

func ExampleParsePort() {
	port, ok := container.ParsePort("53/udp")
	fmt.Println(port.Number, port.Proto, ok)
	// Output: 53 udp true
}
