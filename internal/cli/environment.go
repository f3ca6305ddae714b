package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// EnvironmentFile is the file from which systemd sets the agent's environment. Commands in a shell read it too, so that
// they use the same zone as the agent of this host. Flags and variables that are set win over it.
const EnvironmentFile = "/etc/ecssd/ecssd.conf"

// LoadEnvironment sets the variables in a file in the format of systemd.exec(5), EnvironmentFile=, that are not set yet.
// Of several lines for one variable the last counts, as for systemd. It is no error if the file does not exist. The error
// is a UsageError.
func LoadEnvironment(path string) error {
	if err := loadEnvironment(path); err != nil {
		return UsageError{err}
	}
	return nil
}

func loadEnvironment(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	values := map[string]string{}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || strings.HasSuffix(value, `\`) {
			return fmt.Errorf("read settings: %s:%d: not VARIABLE=value on one line", path, number)
		}
		if q := value; len(q) >= 2 && (q[0] == '"' || q[0] == '\'') && q[len(q)-1] == q[0] {
			value = q[1 : len(q)-1]
		}
		values[key] = value
	}
	for key, value := range values {
		if _, set := os.LookupEnv(key); !set {
			if err := os.Setenv(key, value); err != nil {
				return fmt.Errorf("read settings: %s: set %s: %w", path, key, err)
			}
		}
	}
	return nil
}
