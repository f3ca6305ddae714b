// Package enginetest runs real containers on the real Docker Engine of this machine, for tests and demonstrations: it
// builds an image from nothing but a small program of ours (no registry is asked), runs containers of it and removes
// them, and stands between a client and the Engine to count, hold and cut what passes. No part of the product imports
// it.
package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
)

// repository names the image; its tag is the digest of the program in it.
const repository = "ecssd-test-service"

// program is the import path of the program in the image.
const program = "github.com/ecssd/ecssd/internal/test/enginetest/service"

// BuildImage compiles the program and gives the Engine an image of it, unless it has that very one, and returns the
// image's reference. The working directory must lie within this module.
func BuildImage(ctx context.Context, cli *client.Client) (string, error) {
	binary, err := compiled()
	if err != nil {
		return "", err
	}
	tag := fmt.Sprintf("%x", sha256.Sum256(binary))[:16]
	ref := repository + ":" + tag
	if _, err := cli.ImageInspect(ctx, ref); err == nil || !cerrdefs.IsNotFound(err) {
		return ref, err
	}
	var rootfs bytes.Buffer
	w := tar.NewWriter(&rootfs)
	if err := w.WriteHeader(&tar.Header{Name: "service", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		return "", err
	}
	if _, err := w.Write(binary); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	resp, err := cli.ImageImport(ctx, image.ImportSource{Source: &rootfs, SourceName: "-"}, repository,
		image.ImportOptions{Tag: tag, Changes: []string{`ENTRYPOINT ["/service"]`}})
	if err != nil {
		return "", fmt.Errorf("import image %s: %w", ref, err)
	}
	defer resp.Close()
	if _, err := io.Copy(io.Discard, resp); err != nil { // the Engine reports progress, and is done at its end
		return "", fmt.Errorf("import image %s: %w", ref, err)
	}
	if _, err := cli.ImageInspect(ctx, ref); err != nil { // a failure would stand in that report
		return "", fmt.Errorf("import image %s: %w", ref, err)
	}
	return ref, nil
}

// compiled is the program, which is compiled once in a process.
var compiled = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "enginetest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "service")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile %s: %w\n%s", program, err, out)
	}
	return os.ReadFile(file)
})

// Client is a client of the Engine of this machine, the one that DOCKER_HOST names.
func Client(t testing.TB) *client.Client {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	t.Cleanup(func() { cli.Close() })
	return cli
}

// once builds the image and sweeps up once in a process.
var once = sync.OnceValues(func() (string, error) {
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return "", err
	}
	defer cli.Close()
	ctx := context.Background()
	if err := removeLeftovers(ctx, cli); err != nil {
		return "", err
	}
	return BuildImage(ctx, cli)
})

// Image is the reference of the image, which it makes the Engine have.
func Image(t testing.TB) string {
	t.Helper()
	ref, err := once()
	require.NoError(t, err)
	return ref
}
