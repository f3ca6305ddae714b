// Package settings reads the settings file of ecssd, and says where the value of each setting comes from and which
// variables are none of ecssd's. It knows no setting itself: who calls it names them.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Path is the file from which systemd sets the agent's environment. Commands in a shell read it too, so that they use
// the same zone as the agent of this host. Flags and variables that are set win over it.
const Path = "/etc/ecssd/ecssd.conf"

// Line sets a variable in the settings file.
type Line struct {
	Variable, Value string
	Number          int // the first line is 1
}

// File is a settings file.
type File struct {
	Path  string
	Found bool   // the file exists
	Lines []Line // of several lines for one variable the last counts, as for systemd
}

// Read reads a settings file. It is no error if it does not exist.
func Read(path string) (File, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{Path: path}, nil
	}
	if err != nil {
		return File{Path: path}, fmt.Errorf("read settings: %w", err)
	}
	lines, err := parse(string(content))
	if err != nil {
		return File{Path: path, Found: true}, fmt.Errorf("read settings: %s:%w", path, err)
	}
	return File{path, true, lines}, nil
}

// parse reads lines in the format of systemd.exec(5), EnvironmentFile=. An error begins with the number of the line.
func parse(content string) (lines []Line, err error) {
	number := 0
	for line := range strings.Lines(content) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		variable, value, ok := strings.Cut(line, "=")
		variable, value = strings.TrimSpace(variable), strings.TrimSpace(value)
		if !ok || variable == "" || strings.HasSuffix(value, `\`) {
			return nil, fmt.Errorf("%d: not VARIABLE=value on one line", number)
		}
		lines = append(lines, Line{variable, unquote(value), number})
	}
	return lines, nil
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// Apply sets the variables in the file that the environment does not have yet.
func (f File) Apply() error {
	values := map[string]string{}
	for _, line := range f.Lines {
		values[line.Variable] = line.Value
	}
	for variable, value := range values {
		if _, set := os.LookupEnv(variable); set {
			continue
		}
		if err := os.Setenv(variable, value); err != nil {
			return fmt.Errorf("read settings: %s: set %s: %w", f.Path, variable, err)
		}
	}
	return nil
}

// line returns the line that counts for a variable; the zero Line if there is none.
func (f File) line(variable string) (last Line) {
	for _, line := range f.Lines {
		if line.Variable == variable {
			last = line
		}
	}
	return last
}
