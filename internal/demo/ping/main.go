// Command ping exits with 0 if a Docker Engine answers: the one that DOCKER_HOST names, else this
// machine's. Setting up needs it, and where tests run there may be neither the docker command nor curl.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/docker/docker/client"
)

func main() {
	wait := flag.Duration("wait", 0, "how long to wait for one")
	flag.Parse()
	if err := run(context.Background(), *wait); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, wait time.Duration) error {
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer cli.Close()
	for deadline := time.Now().Add(wait); ; time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := cli.Ping(ctx)
		cancel()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
