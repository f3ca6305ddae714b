// Command pack makes the archive of a Lambda function: pack ARCHIVE EXECUTABLE. The runtime provided.al2023 starts the
// file named bootstrap at its root. Of the same executable it makes the same archive, byte for byte, whenever and
// wherever: no time, owner or umask goes into it.
package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: pack ARCHIVE EXECUTABLE")
	}
	executable, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := pack(&archive, executable); err != nil {
		return fmt.Errorf("pack %s: %w", args[1], err)
	}
	return os.WriteFile(args[0], archive.Bytes(), 0o644)
}

// epoch is the earliest time that a zip archive can hold.
var epoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

func pack(out io.Writer, executable []byte) error {
	archive := zip.NewWriter(out)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: epoch}
	header.SetMode(0o755)
	file, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err := file.Write(executable); err != nil {
		return err
	}
	return archive.Close()
}
