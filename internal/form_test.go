package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The form of the code.
const (
	mostColumns  = 120 // of a line; a tab counts as tabColumns
	tabColumns   = 4
	mostFields   = 3    // that a composite literal may name on one line
	mostLines    = 60   // of a function, from its first to its last
	mostBranches = 15   // of a function
	mostCode     = 1000 // lines of a package without its tests; a package has fewer
)

// small are the packages that have less than mostCode lines of code.
var small = []string{
	"internal/agent", "internal/apply", "internal/doctor", "internal/doctor/awscheck", "internal/doctor/hostcheck",
	"internal/doctor/zonecheck",
}

// unfinished are the files and folders that do not yet keep all rules of form.
var unfinished = []string{}

// banned are words that a stranger to this program would have to learn, with the word that says the same.
var banned = map[string]string{
	"announce":     "register",
	"announced":    "registered",
	"announcement": "registration",
	"announces":    "registers",
	"announcing":   "registering",
	"doubt":        "unconfirmed",
	"frugal":       "what is saved, such as releaseMemory",
	"luck":         "jitter",
	"mend":         "fix, or hint where a person has to do it",
	"mended":       "fixed",
	"overtaken":    "conflict",
	"tell":         "report",
	"tells":        "reports",
	"told":         "reported",
	"trouble":      "failure, or problem",
	"troubles":     "failures, or problems",
	"unfit":        "what is wrong, such as ZoneError",
	"wish":         "desired",
	"wishes":       "desired",
}

// kept are texts with a banned word that others rely on: names of metrics and values of labels.
var kept = []string{"ecssd_announcement_problems", "mended"}

// source is a Go file.
type source struct {
	name string // its path below the repository's root, with slashes
	text string
	file *ast.File
	set  *token.FileSet
}

// sources returns all Go files of the repository, but those of folders whose name begins with a dot.
func sources(t *testing.T) (found []source) {
	t.Helper()
	root := os.DirFS("..")
	require.NoError(t, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		found = append(found, source{name, string(text), file, set})
		return nil
	}))
	require.NotEmpty(t, found)
	return found
}

func (s source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s source) line(p token.Pos) int { return s.set.Position(p).Line }

func (s source) at(p token.Pos) string { return fmt.Sprintf("%s:%d", s.name, s.line(p)) }

// longLines returns the lines with more than mostColumns columns, but those of a text in backquotes: such a text is
// data, and often cannot be broken.
func longLines(s source) (found []string) {
	data := map[int]bool{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && strings.HasPrefix(text.Value, "`") {
			for line := s.line(text.Pos()); line <= s.line(text.End()); line++ {
				data[line] = true
			}
		}
		return true
	})
	number := 0
	for line := range strings.Lines(s.text) {
		number++
		line = strings.TrimRight(line, "\n")
		columns := utf8.RuneCountInString(line) + (tabColumns-1)*strings.Count(line, "\t")
		if columns > mostColumns && !data[number] {
			found = append(found, fmt.Sprintf("%s:%d has %d columns", s.name, number, columns))
		}
	}
	return found
}

// crowdedLiterals returns the composite literals that name more than mostFields fields or keys, two on one line.
func crowdedLiterals(s source) (found []string) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		fields, lines := 0, map[int]bool{s.line(literal.Lbrace): true}
		for _, element := range literal.Elts {
			if _, named := element.(*ast.KeyValueExpr); named {
				fields++
				lines[s.line(element.Pos())] = true
			}
		}
		if fields > mostFields && len(lines) <= fields {
			found = append(found, fmt.Sprintf("%s names %d fields, some on one line", s.at(literal.Pos()), fields))
		}
		return true
	})
	return found
}

// largeFunctions returns the functions with more than mostLines lines or mostBranches branches. A branch is an if, a
// loop, a case other than the default, and an && or ||; those of the function literals in a function are its own.
func largeFunctions(s source) (found []string) {
	for _, declaration := range s.file.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if !ok || s.test() {
			continue
		}
		branches := 0
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
				branches++
			case *ast.CaseClause:
				if n.List != nil {
					branches++
				}
			case *ast.CommClause:
				if n.Comm != nil {
					branches++
				}
			case *ast.BinaryExpr:
				if n.Op == token.LAND || n.Op == token.LOR {
					branches++
				}
			}
			return true
		})
		if lines := s.line(f.End()) - s.line(f.Pos()) + 1; lines > mostLines || branches > mostBranches {
			found = append(found, fmt.Sprintf("%s: %s has %d lines and %d branches",
				s.at(f.Pos()), f.Name.Name, lines, branches))
		}
	}
	return found
}

// riddles returns the banned words in names and in texts. Tags are not looked at, nor the names of tests, nor what
// only tests read.
func riddles(s source) (found []string) {
	if s.test() {
		return nil
	}
	check := func(p token.Pos, text string) {
		for _, allowed := range kept {
			text = strings.ReplaceAll(text, allowed, "")
		}
		for _, word := range wordsIn(text) {
			if better, bad := banned[word]; bad {
				found = append(found, fmt.Sprintf("%s: %q: a reader knows %s", s.at(p), word, better))
			}
		}
	}
	tags := map[*ast.BasicLit]bool{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			tags[n.Tag] = true
		case *ast.Ident:
			check(n.Pos(), n.Name)
		case *ast.BasicLit:
			if n.Kind == token.STRING && !tags[n] {
				check(n.Pos(), n.Value)
			}
		}
		return true
	})
	return found
}

// wordsIn returns the words of a name or text in lower case: notYetTold is not, yet, told.
func wordsIn(text string) (words []string) {
	word, before := "", ' '
	for _, r := range text + " " {
		if word != "" && (!unicode.IsLetter(r) || unicode.IsUpper(r) && unicode.IsLower(before)) {
			words = append(words, word)
			word = ""
		}
		if unicode.IsLetter(r) {
			word += string(unicode.ToLower(r))
		}
		before = r
	}
	return words
}

func TestForm(t *testing.T) {
	all := sources(t)
	for rule, find := range map[string]func(source) []string{
		"no line is longer than 120 columns":                        longLines,
		"in a literal of four or more fields each has its own line": crowdedLiterals,
		"no function has more than 60 lines or 15 branches":         largeFunctions,
		"names and texts use the words of the field":                riddles,
	} {
		t.Run(rule, func(t *testing.T) {
			var found []string
			for _, s := range all {
				if !slices.ContainsFunc(unfinished, func(folder string) bool { return below(s.name, folder) }) {
					found = append(found, find(s)...)
				}
			}
			assert.Empty(t, found, strings.Join(found, "\n"))
		})
	}
}

// below reports whether a file is in a folder, or is the one named.
func below(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

func TestLargestPackagesStaySmall(t *testing.T) {
	lines := map[string]int{}
	for _, s := range sources(t) {
		if !s.test() {
			lines[path.Dir(s.name)] += strings.Count(s.text, "\n")
		}
	}
	for _, folder := range small {
		require.Contains(t, lines, folder)
		assert.Less(t, lines[folder], mostCode, "%s: lines of code", folder)
	}
}

// The rules find what they are for.
func TestFormIsSeen(t *testing.T) {
	parse := func(text string) source {
		s := source{name: "x.go", text: "package x\n\n" + text, set: token.NewFileSet()}
		file, err := parser.ParseFile(s.set, s.name, s.text, parser.ParseComments)
		require.NoError(t, err)
		s.file = file
		return s
	}
	const long = "var x = 1 // "
	full := strings.Repeat("é", mostColumns-len(long))
	assert.Empty(t, longLines(parse(long+full+"\n")))
	assert.Equal(t, []string{"x.go:3 has 121 columns"}, longLines(parse(long+full+"x\n")))
	assert.Equal(t, []string{"x.go:4 has 121 columns"}, longLines(parse("/*\n\t"+strings.Repeat("x", 117)+"\n*/\n")))
	assert.Empty(t, longLines(parse("var x = `"+full+full+"\n"+full+full+"`\n")))

	assert.Empty(t, crowdedLiterals(parse("var a = t{a: 1, b: 2, c: 3}\n")))
	assert.Empty(t, crowdedLiterals(parse("var a = t{1, 2, 3, 4}\n")))
	assert.Empty(t, crowdedLiterals(parse("var a = t{\n\ta: 1,\n\tb: 2,\n\tc: 3,\n\td: 4,\n}\n")))
	const four = "x.go:3 names 4 fields, some on one line"
	assert.Equal(t, []string{four}, crowdedLiterals(parse("var a = t{a: 1, b: 2, c: 3, d: 4}\n")))
	assert.Equal(t, []string{four}, crowdedLiterals(parse("var a = t{a: 1,\nb: 2,\nc: 3,\nd: 4}\n")))
	assert.Equal(t, []string{four}, crowdedLiterals(parse("var a = t{\na: 1, b: 2,\nc: 3,\nd: 4,\n}\n")))

	function := func(lines int) string { return "func f() {" + strings.Repeat("\n", lines-1) + "}\n" }
	assert.Empty(t, largeFunctions(parse(function(60))))
	assert.Equal(t, []string{"x.go:3: f has 61 lines and 0 branches"}, largeFunctions(parse(function(61))))
	const fourteen = "if a && b || c {}; for {}; for range a {}; switch { case a: case b: default: }; " +
		"select { case <-a: case <-b: default: }; _ = func() { if a {}; if b || c && d {}; for {} }; "
	assert.Empty(t, largeFunctions(parse("func f() {"+fourteen+"if a {} }\n")))
	assert.Equal(t, []string{"x.go:3: f has 1 lines and 16 branches"},
		largeFunctions(parse("func f() {"+fourteen+"if a {}; if b {} }\n")))

	words := "var notYetTold, toldly, mendedBy = 1, 2, `trouble-free` // wish\n"
	assert.Equal(t, []string{
		`x.go:3: "told": a reader knows reported`,
		`x.go:3: "trouble": a reader knows failure, or problem`,
	}, riddles(parse(words)))
	assert.Empty(t, riddles(parse("type t struct{ Unconfirmed bool `json:\"Doubt\"` }\n")))
}
