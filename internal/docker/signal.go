package docker

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The real-time signals as the Engine counts them (glibc's range; the kernel's begins at 32).
const (
	sigRTMin = 34
	sigRTMax = 64
)

// stopSignal is the number of the signal that stops a container, given as an image or a task definition may write it:
// "SIGQUIT", "QUIT", "quit", "3", "SIGRTMIN+3". Like the Engine it falls back to SIGTERM.
func stopSignal(s string) int {
	if n, ok := signalNumber(s); ok {
		return n
	}
	return int(unix.SIGTERM)
}

func signalNumber(s string) (int, bool) {
	if n, err := strconv.Atoi(s); err == nil && 0 < n && n <= sigRTMax {
		return n, true
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if offset, ok := strings.CutPrefix(name, "RTMIN"); ok {
		return realTime(sigRTMin, offset)
	}
	if offset, ok := strings.CutPrefix(name, "RTMAX"); ok {
		return realTime(sigRTMax, offset)
	}
	switch name { // second names, which the kernel's table lacks
	case "CLD":
		name = "CHLD"
	case "IOT":
		name = "ABRT"
	case "POLL":
		name = "IO"
	}
	n := int(unix.SignalNum("SIG" + name))
	return n, n != 0
}

// realTime adds an offset as written, "" or "+3" or "-2", to the first or last real-time signal.
func realTime(from int, offset string) (int, bool) {
	if offset == "" {
		return from, true
	}
	n, err := strconv.Atoi(offset)
	if err != nil || offset[0] != '+' && offset[0] != '-' || n < sigRTMin-sigRTMax || n > sigRTMax-sigRTMin {
		return 0, false
	}
	n += from
	if n < sigRTMin || n > sigRTMax {
		return 0, false
	}
	return n, true
}
