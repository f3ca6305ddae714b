package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// fault is one change of one file.
type fault struct {
	Package string // "internal/agent"
	File    string // "internal/local/stops.go"
	Line    int
	Kind    string
	Edits   []edit // in order
	Before  string // the lines that are changed
	After   string
}

// edit replaces the bytes of a file from Start to End.
type edit struct {
	Start, End int
	Text       string
}

func (f fault) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Kind) }

// key tells a fault from all others of the same source.
func (f fault) key() string { return fmt.Sprintf("%s %s %s", f, f.Before, f.After) }

func (f fault) diff() string {
	return "- " + strings.ReplaceAll(f.Before, "\n", "\n- ") + "\n+ " + strings.ReplaceAll(f.After, "\n", "\n+ ")
}

// in returns a source with the fault in it.
func (f fault) in(source []byte) []byte {
	for i := len(f.Edits) - 1; i >= 0; i-- {
		e := f.Edits[i]
		source = append(append(append([]byte{}, source[:e.Start]...), e.Text...), source[e.End:]...)
	}
	return source
}

// notDeployed are packages that only tests and the demo use.
var notDeployed = regexp.MustCompile(
	`^(internal/(sandbox|demo|test)|cmd/ecssd-sandbox|lambda/pack|packaging)(/|$)`,
)

// product returns every fault that can be put into the packages that match.
func product(matches *regexp.Regexp) (all []fault, err error) {
	out, err := exec.Command("go", "list", "-f", `{{$p := .ImportPath}}{{range .GoFiles}}{{$p}}/{{.}}{{"\n"}}{{end}}`, "./...").
		Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	for path := range strings.Lines(string(out)) {
		file := strings.TrimPrefix(strings.TrimSpace(path), "github.com/ecssd/ecssd/")
		if pkg := filepath.Dir(file); file == "" || !matches.MatchString(pkg) || notDeployed.MatchString(pkg) {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found, err := faults(file, source)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// faults returns all that can be put into a file.
func faults(name string, source []byte) ([]fault, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	s := &seeker{name: name, source: source, file: set.File(file.Pos())}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if ok && function.Body != nil {
			s.locks(function)
			ast.Inspect(function.Body, s.visit)
		}
	}
	return s.found, nil
}

// seeker finds faults in a file.
type seeker struct {
	name   string
	source []byte
	file   *token.File
	found  []fault
}

func (s *seeker) text(n ast.Node) string {
	return string(s.source[s.file.Offset(n.Pos()):s.file.Offset(n.End())])
}

// replace is the edit that puts a text in the place of what lies between two positions.
func (s *seeker) replace(from, to token.Pos, text string) edit {
	return edit{s.file.Offset(from), s.file.Offset(to), text}
}

// add adds a fault.
func (s *seeker) add(kind string, edits ...edit) {
	f := fault{
		Package: filepath.Dir(s.name),
		File:    s.name,
		Kind:    kind,
		Edits:   edits,
	}
	first, last := edits[0], edits[len(edits)-1]
	begin := strings.LastIndexByte(string(s.source[:first.Start]), '\n') + 1
	end := len(s.source)
	if length := strings.IndexByte(string(s.source[last.End:]), '\n'); length >= 0 {
		end = last.End + length
	}
	after := f.in(s.source[:end])
	f.Line = s.file.Line(s.file.Pos(first.Start))
	f.Before, f.After = strings.TrimSpace(string(s.source[begin:end])), strings.TrimSpace(string(after[begin:]))
	s.found = append(s.found, f)
}

// others are operators that are mistaken for each other.
var others = map[token.Token]token.Token{
	token.LAND: token.LOR,
	token.LOR:  token.LAND,
	token.LSS:  token.LEQ,
	token.LEQ:  token.LSS,
	token.GTR:  token.GEQ,
	token.GEQ:  token.GTR,
	token.EQL:  token.NEQ,
	token.NEQ:  token.EQL,
	token.ADD:  token.SUB,
	token.SUB:  token.ADD,
}

func (s *seeker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		s.add("condition negated", s.replace(n.Cond.Pos(), n.Cond.End(), "!("+s.text(n.Cond)+")"))
	case *ast.BinaryExpr:
		if other, ok := others[n.Op]; ok {
			end := n.OpPos + token.Pos(len(n.Op.String()))
			s.add(fmt.Sprintf("%s for %s", other, n.Op), s.replace(n.OpPos, end, other.String()))
		}
	case *ast.BasicLit:
		if value, err := strconv.Atoi(n.Value); err == nil && n.Kind == token.INT {
			s.add("off by one", s.replace(n.Pos(), n.End(), strconv.Itoa(value+1)))
		}
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt:
		if !locking.MatchString(s.text(n)) {
			s.add("statement removed", s.replace(n.Pos(), n.End(), ""))
		}
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			s.add("statement removed", s.replace(n.Pos(), n.End(), ""))
		}
	case *ast.BranchStmt:
		if n.Tok == token.CONTINUE && n.Label == nil {
			s.add("statement removed", s.replace(n.Pos(), n.End(), ""))
		}
	case *ast.ReturnStmt:
		s.results(n)
	}
	return true
}

// results finds what can be wrong in what is returned.
func (s *seeker) results(n *ast.ReturnStmt) {
	for i, result := range n.Results {
		switch text := s.text(result); {
		case text == "true" || text == "false":
			s.add("result turned round", s.replace(result.Pos(), result.End(), map[string]string{
				"true":  "false",
				"false": "true",
			}[text]))
		case text == "err" || strings.HasPrefix(text, "fmt.Errorf("):
			s.add("error not returned", s.replace(result.Pos(), result.End(), "nil"))
		}
		if i > 0 && s.text(n.Results[i-1]) != s.text(result) {
			before := n.Results[i-1]
			s.add(
				"results swapped",
				s.replace(before.Pos(), before.End(), s.text(result)),
				s.replace(result.Pos(), result.End(), s.text(before)),
			)
		}
	}
}

var locking = regexp.MustCompile(`^(?:defer )?([\w.]+)\.(R?)(?:Lock|Unlock)\(\)$`)

// locks finds each mutex that a function locks: left out is all that it does with it.
func (s *seeker) locks(function *ast.FuncDecl) {
	edits, order := map[string][]edit{}, []string{}
	ast.Inspect(function.Body, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.ExprStmt, *ast.DeferStmt:
			if parts := locking.FindStringSubmatch(s.text(n)); parts != nil {
				if edits[parts[1]] == nil {
					order = append(order, parts[1])
				}
				edits[parts[1]] = append(edits[parts[1]], s.replace(n.Pos(), n.End(), ""))
			}
		}
		return true
	})
	for _, mutex := range order {
		s.add("lock removed", edits[mutex]...)
	}
}
