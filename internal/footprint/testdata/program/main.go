// Command program releases its memory, and then uses what the linker has relocated: types, methods, tables of
// functions.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/template"

	"github.com/ecssd/ecssd/internal/footprint"
)

func main() {
	before := resident()
	footprint.Release()
	after := resident()
	out, err := json.Marshal(map[string]any{"a": []fmt.Stringer{}, "b": struct {
		C func() int `json:"-"`
	}{}})
	if err != nil {
		panic(err)
	}
	template.Must(template.New("").Parse("{{printf \"%s\" .}} ")).Execute(os.Stdout, out)
	fmt.Println("smaller:", after < before/2)
}

// resident returns how many pages of files the process has.
func resident() int {
	var size, resident, shared int
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	fmt.Sscan(string(statm), &size, &resident, &shared)
	return shared
}
