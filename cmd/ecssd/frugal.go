package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// returnEvery is how often pages of the program are given back. Every container instance gives the agent's memory away from its
// containers, and two thirds of the program are needed only at the start, or never. What the agent allocates is left to the
// collector's defaults: to hold it below a limit (GOMEMLIMIT) saved 2 MiB and took four times the processor.
const returnEvery = 10 * time.Second

// beFrugal keeps the process small until ctx ends.
func beFrugal(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(returnEvery):
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
