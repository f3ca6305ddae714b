package settings

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Prefix begins the names of ecssd's own variables.
const Prefix = "ECSSD_"

// Settings says where settings come from: the environment, or the file.
type Settings struct {
	file  File
	known []string // ecssd's own variables
}

// New returns the settings of a program that has these variables of its own, and has applied the file.
func New(file File, known []string) Settings {
	return Settings{file, slices.Sorted(slices.Values(known))}
}

// Variables are the names of variables by where their values come from, sorted.
type Variables struct {
	Path        string   // of the settings file
	Found       bool     // the file exists
	File        []string // those of which the value in the file counts
	Environment []string // ecssd's own, set in the environment
	Unknown     []Unknown
}

// Unknown is a variable that nothing reads.
type Unknown struct {
	Variable string
	Where    string // "/etc/ecssd/ecssd.conf:12", or "environment"
	Meant    string // a variable with a similar name; empty where there is none
}

// String returns what is wrong and what to do about it.
func (u Unknown) String() string {
	text := fmt.Sprintf("%s (%s) is not a setting of ecssd and has no effect", u.Variable, u.Where)
	if u.Meant != "" {
		text += "; did you mean " + u.Meant + "?"
	}
	return text
}

// Variables returns what counts and what does not.
func (s Settings) Variables() Variables {
	v := Variables{Path: s.file.Path, Found: s.file.Found}
	for _, line := range s.file.Lines {
		switch {
		case s.unknown(line.Variable):
			where := fmt.Sprintf("%s:%d", s.file.Path, line.Number)
			v.Unknown = append(v.Unknown, Unknown{line.Variable, where, s.meant(line.Variable)})
		case s.fromFile(line.Variable):
			v.File = append(v.File, line.Variable)
		}
	}
	for _, pair := range os.Environ() {
		variable, _, _ := strings.Cut(pair, "=")
		switch {
		case !strings.HasPrefix(variable, Prefix), s.file.line(variable).Number > 0 && s.unknown(variable):
		case s.unknown(variable):
			v.Unknown = append(v.Unknown, Unknown{variable, "environment", s.meant(variable)})
		case !s.fromFile(variable):
			v.Environment = append(v.Environment, variable)
		}
	}
	slices.Sort(v.File)
	v.File = slices.Compact(v.File)
	slices.Sort(v.Environment)
	slices.SortStableFunc(v.Unknown, func(a, b Unknown) int { return cmp.Compare(a.Variable, b.Variable) })
	return v
}

// fromFile reports whether the value of a variable is that in the file. systemd sets it in the environment, too.
func (s Settings) fromFile(variable string) bool {
	line := s.file.line(variable)
	return line.Number > 0 && os.Getenv(variable) == line.Value
}

// unknown reports whether nothing reads a variable, as far as ecssd can know.
func (s Settings) unknown(variable string) bool {
	if strings.HasPrefix(variable, Prefix) {
		return !slices.Contains(s.known, variable)
	}
	return !others.MatchString(variable)
}

// others are variables that the libraries and the runtime of ecssd read: the AWS SDK, package net/http, crypto/x509,
// the Docker client, the C library's resolver, systemd, Go.
var others = regexp.MustCompile(`^(AWS_\w+|(?i:https?_proxy|no_proxy|all_proxy)|SSL_CERT_(FILE|DIR)|DOCKER_\w+|` +
	`GO[A-Z]+|NO_COLOR|TERM|TZ|LANG|LC_\w+|HOME|PATH|TMPDIR|LOCALDOMAIN|RES_OPTIONS|NOTIFY_SOCKET|WATCHDOG_\w+)$`)

// meant returns the variable of ecssd whose name is most like another one; empty if none is.
func (s Settings) meant(variable string) (best string) {
	least := 4 // more changes than that make another word
	name := strings.TrimPrefix(letters(variable), letters(Prefix))
	for _, known := range s.known {
		of := strings.TrimPrefix(letters(known), letters(Prefix))
		if n := min(distance(name, of), distance(letters(variable), letters(known))); n < least && 2*n < len(of) {
			best, least = known, n
		}
	}
	return best
}

// letters returns a name without what people forget or mix up: case and separators.
func letters(name string) string {
	return strings.ToUpper(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
}

// distance returns how many letters have to be added, removed or replaced to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // of the row above, one to the left
		row[0] = i + 1
		for j := range len(b) {
			replaced := before
			if a[i] != b[j] {
				replaced++
			}
			before = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Where returns where the value of a flag comes from: "flag --ttl", "ECSSD_TTL in /etc/ecssd/ecssd.conf:3" or
// "variable ECSSD_TTL"; empty where it is the default.
func (s Settings) Where(flag string, args []string) string {
	given := func(arg string) bool { return arg == flag || strings.HasPrefix(arg, flag+"=") }
	if slices.ContainsFunc(args, given) {
		return "flag " + flag
	}
	variable := Variable(flag)
	if _, set := os.LookupEnv(variable); !set {
		return ""
	}
	if s.fromFile(variable) {
		return fmt.Sprintf("%s in %s:%d", variable, s.file.Path, s.file.line(variable).Number)
	}
	return "variable " + variable
}

// Variable returns the variable of a flag: ECSSD_ZONE_ID for --zone-id.
func Variable(flag string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(flag, "--"), "-", "_"))
}

var flags = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// Locate returns the text of an error about flags with where each value comes from, unless it is the flag.
func (s Settings) Locate(text string, args []string) string {
	located := map[string]bool{}
	return flags.ReplaceAllStringFunc(text, func(flag string) string {
		where := s.Where(flag, args)
		if where == "" || located[flag] || strings.HasPrefix(where, "flag ") {
			return flag
		}
		located[flag] = true
		return flag + " (" + where + ")"
	})
}
