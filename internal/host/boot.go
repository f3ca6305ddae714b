package host

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// BootID returns the ID of the present boot, which the kernel draws at random at each boot (proc(5)).
func BootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot ID: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// Suspended returns how long the host has slept since it booted, as an EC2 hibernation makes it do. Of two clocks of
// Linux one goes on meanwhile and one does not (clock_gettime(2)); they are read one after the other, so that the
// difference of two results is off by some microseconds.
func Suspended() (time.Duration, error) {
	var awake, boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake); err != nil {
		return 0, fmt.Errorf("read monotonic clock: %w", err)
	}
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return 0, fmt.Errorf("read boot-time clock: %w", err)
	}
	return time.Duration(boot.Nano() - awake.Nano()), nil
}
