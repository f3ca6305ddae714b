// Command faults measures the tests: it puts random faults into a copy of the product, one at a time, and tells which
// of them no test notices. A fault is a single small change such as happens to people: a condition negated, && for ||,
// < for <=, a statement or a lock left out, a constant off by one, results swapped. Of each it runs, until something
// fails, the tests of the fault's own package with the race detector, simulated days, and end-to-end tests of
// internal/cli. A fault that does not compile is replaced by another.
//
// A seed decides which faults there are. Outcomes are kept in a log, line by line in JSON, and what stands there is not
// tried again, so that a run that was broken off goes on where it was. A survivor may be no fault at all but the same
// in other words; that is for people to say. The working directory must lie in this module.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// outcome is what came of a fault.
type outcome struct {
	Fault fault
	// NoticedBy is "own tests", "simulation" or "end-to-end tests"; empty: by nothing. "compiler" is no outcome but a
	// fault less.
	NoticedBy string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	flag.IntVar(&o.count, "n", 200, "how many faults")
	flag.Uint64Var(&o.seed, "seed", 1, "decides which")
	flag.IntVar(&o.jobs, "jobs", 2, "how many copies of the product are tried at a time")
	flag.IntVar(&o.days, "days", 300, "how many simulated days are played for a fault")
	flag.StringVar(
		&o.packages,
		"packages",
		".",
		"regular expression of the packages that faults are put into, such as agent$",
	)
	flag.StringVar(
		&o.endToEnd,
		"end-to-end",
		"",
		"tests of internal/cli to run for what survives the rest: a regular expression, none, or those that concern "+
			"the package",
	)
	flag.StringVar(&o.log, "log", "bin/faults.log", "file of outcomes")
	flag.Parse()
	matches, err := regexp.Compile(o.packages)
	if err != nil {
		return fmt.Errorf("-packages: %w", err)
	}
	all, err := product(matches)
	if err != nil {
		return err
	}
	rand.New(rand.NewPCG(o.seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	known, err := readLog(o.log)
	if err != nil {
		return err
	}
	outcomes, err := tryAll(o, all, known)
	report(outcomes)
	return err
}

type options struct {
	count, jobs, days       int
	seed                    uint64
	packages, endToEnd, log string
}

// readLog returns the outcomes of earlier runs by fault.
func readLog(path string) (map[string]outcome, error) {
	known := map[string]outcome{}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	} else if err != nil {
		return nil, err
	}
	for lines := json.NewDecoder(bytes.NewReader(content)); lines.More(); {
		var o outcome
		if err := lines.Decode(&o); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		known[o.Fault.key()] = o
	}
	return known, nil
}

// tryAll tries faults in their order until so many have an outcome.
func tryAll(o options, all []fault, known map[string]outcome) (outcomes []outcome, err error) {
	log, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var mu sync.Mutex
	next := 0
	take := func() (f fault, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		for ; next < len(all) && len(outcomes) < o.count && err == nil; next++ {
			if was, tried := known[all[next].key()]; !tried {
				next++
				return all[next-1], true
			} else if was.NoticedBy != "compiler" {
				outcomes = append(outcomes, was)
			}
		}
		return fault{}, false
	}
	keep := func(came outcome, failure error) {
		mu.Lock()
		defer mu.Unlock()
		line, _ := json.Marshal(came)
		if failure == nil {
			_, failure = log.Write(append(line, '\n'))
		}
		if err = errors.Join(err, failure); err != nil || came.NoticedBy == "compiler" {
			return
		}
		outcomes = append(outcomes, came)
		fmt.Printf("%4d  %-18s %s\n", len(outcomes), cmp.Or(came.NoticedBy, "SURVIVED"), came.Fault)
	}
	var working sync.WaitGroup
	for range o.jobs {
		working.Go(func() {
			c, failure := newWorkspace(o)
			if failure != nil {
				keep(outcome{}, failure)
				return
			}
			defer c.remove()
			for f, ok := take(); ok; f, ok = take() {
				keep(c.try(f))
			}
		})
	}
	working.Wait()
	return outcomes, err
}

// report prints the survivors, and how many were noticed by package.
func report(outcomes []outcome) {
	noticed, tried := map[string]int{}, map[string]int{}
	for _, o := range outcomes {
		for _, key := range []string{o.Fault.Package, "all together"} {
			tried[key]++
			if o.NoticedBy != "" {
				noticed[key]++
			}
		}
		if o.NoticedBy == "" {
			fmt.Printf("\n%s\n%s\n", o.Fault, o.Fault.diff())
		}
	}
	fmt.Println()
	for _, key := range slices.SortedFunc(maps.Keys(tried), func(a, b string) int {
		return cmp.Or(strings.Count(b, "/")-strings.Count(a, "/"), cmp.Compare(a, b))
	}) {
		fmt.Printf("%-24s %3d of %3d noticed, %3d %%\n", key, noticed[key], tried[key], 100*noticed[key]/tried[key])
	}
}
