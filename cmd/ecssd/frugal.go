package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// beFrugal keeps the process small until ctx ends: every container instance gives the agent's memory away from its containers. Two
// thirds of the program are needed only at the start, or never, and what was allocated for a burst would stay for minutes. It takes
// some milliseconds each minute. A limit for the collector in place of it (GOMEMLIMIT) took four times the processor while
// containers come and go.
func beFrugal(ctx context.Context) {
	for wait := 10 * time.Second; ctx.Err() == nil; wait = time.Minute {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			debug.FreeOSMemory()
			returnPages()
		}
	}
}

// returnPages unmaps the pages of the program's own file. Nothing is lost: they are never written to, and what is used again
// is mapped again, mostly from the page cache. Where this is not possible the process is larger, and no more.
func returnPages() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		var start, end uintptr
		if len(fields) < 6 || fields[5] != program || fields[1] != "r-xp" && fields[1] != "r--p" {
			continue
		}
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &start, &end); err != nil {
			continue
		}
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED)
	}
}
