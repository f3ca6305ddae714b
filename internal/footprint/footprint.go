// Package footprint keeps the process small. Every container instance gives the agent's memory away from its
// containers. Most of the program is needed only at the start, or never, and what was allocated for a burst would stay
// for minutes.
//
// Of an idle agent that had 33 MiB resident it leaves 17: 6 of them were free memory of Go's heap, 10 pages of the
// program's own file, which the kernel could have taken by itself. It takes some milliseconds each minute. A limit for
// the collector in place of it (GOMEMLIMIT) took four times the processor while containers come and go.
package footprint

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Keep releases memory until ctx ends: 10 seconds after the start, and then every minute.
func Keep(ctx context.Context) {
	for wait := 10 * time.Second; ; wait = time.Minute {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			Release()
		}
	}
}

// Release returns free memory back, and unmaps the pages of the program's own file. What of them is used again is
// mapped again, mostly from the page cache. Where this is not possible the process is larger, and no more.
func Release() {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer maps.Close()
	for _, m := range clean(maps, program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a part of the address space.
type mapping struct{ start, end uintptr }

// clean returns the mappings of a file from which nothing is lost when its pages are dropped: those that the program
// may not write to, and of which no page is its own copy (Anonymous in proc_pid_smaps(5)). Such copies are what the
// dynamic linker has relocated before it protected it, in a position-independent program, and where a debugger has put
// a breakpoint.
func clean(smaps io.Reader, program string) []mapping {
	var found []mapping
	var candidate *mapping
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0:
		// the first line of a mapping: range, permissions, offset, device, inode, file
		case !strings.HasSuffix(fields[0], ":"):
			candidate = nil
			var m mapping
			if len(fields) == 6 && fields[5] == program && (fields[1] == "r-xp" || fields[1] == "r--p") {
				if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end); err == nil {
					candidate = &m
				}
			}
		case fields[0] == "Anonymous:" && candidate != nil && len(fields) > 1 && fields[1] == "0":
			found = append(found, *candidate)
			candidate = nil
		}
	}
	return found
}
