package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/status"
)

// watchEvery is the least time between two listings of ecssd ls --watch.
const watchEvery = 5 * time.Second

// wide is the width where the output is not a terminal.
const wide = math.MaxInt

// watch lists again and again until ctx ends. It returns the error of the first listing; later ones are shown and tried
// again.
func (c lsCommand) watch(ctx context.Context, s *Settings, zone *route53.Zone, std streams) error {
	out := std.Out
	shown := false
	for {
		rows, calls, err := c.list(ctx, s, zone)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !shown {
			return err
		}
		shown = true
		wait := max(watchEvery, time.Duration(calls)*time.Second)
		switch width, height, redraws := terminalSize(out); {
		case c.JSON && err == nil:
			err = printJSON(out, rows)
		case c.JSON:
			fmt.Fprintf(std.Err, "ecssd: %v\n", err)
			err = nil
		default:
			head := fmt.Sprintf(
				"%s at %s, again in %s, Route 53 calls: %d\n",
				s.Zone,
				time.Now().UTC().Format(time.TimeOnly),
				wait,
				calls,
			)
			lines := []string{cut(head, width), "\n"}
			if err == nil {
				lines = append(lines, c.lines(s.Zone, rows, terminal(out), width)...)
			} else {
				lines = append(lines, status.Printable(err.Error())+"\n")
			}
			if redraws {
				lines = redrawn(lines, height)
			}
			_, err = io.WriteString(out, strings.Join(lines, ""))
		}
		if err != nil {
			return err // the output is closed
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// redrawn returns lines that replace what a terminal shows, no more than fit on it (ECMA-48: CUP, EL, ED).
func redrawn(lines []string, height int) []string {
	// one line for how many more there are, one for the cursor
	if room := height - 2; len(lines) > room && room > 0 {
		lines = append(lines[:room:room], fmt.Sprintf("and %d more\n", len(lines)-room))
	}
	all := strings.ReplaceAll(strings.Join(lines, ""), "\n", "\x1b[K\n")
	return []string{"\x1b[H", all, "\x1b[J"}
}

// terminalSize returns the size in characters of the terminal that out is.
func terminalSize(out io.Writer) (width, height int, is bool) {
	file, ok := out.(*os.File)
	if !ok {
		return wide, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return wide, 0, false
	}
	if size.Col == 0 {
		return wide, 0, true
	}
	return int(size.Col), int(size.Row), true
}

// coloured returns a line of the table in the colour of its state (ECMA-48, SGR).
func coloured(line, state string) string {
	colour := ""
	switch state {
	case listedStandby:
		colour = "\x1b[33m" // yellow
	case listedUnhealthy, listedOrphaned:
		colour = "\x1b[31m" // red
	default:
		return line
	}
	return colour + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
}
