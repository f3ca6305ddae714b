package simulation

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// line is one line of the trace.
type line struct {
	at   time.Duration
	who  string
	text string
	log  bool // the product logged it; it is not compared
}

// note adds a line to the trace.
func (w *world) note(who, format string, args ...any) {
	w.write(line{who: who, text: fmt.Sprintf(format, args...)})
}

// logged adds a line that the product logged.
func (w *world) logged(who, text string) { w.write(line{who: who, text: text, log: true}) }

func (w *world) write(l line) {
	l.at = time.Since(w.start)
	w.tracing.Lock()
	defer w.tracing.Unlock()
	w.trace = append(w.trace, l)
}

// lines returns the trace. Lines of one moment are sorted by their text, for goroutines run in any order; all: with the
// lines that the product logged.
func (w *world) lines(all bool) string {
	w.tracing.Lock()
	defer w.tracing.Unlock()
	sorted := slices.Clone(w.trace)
	slices.SortStableFunc(sorted, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.who, b.who), cmp.Compare(a.text, b.text))
	})
	var text strings.Builder
	for _, l := range sorted {
		if all || !l.log {
			fmt.Fprintf(&text, "%12.6f %-7s %s\n", l.at.Seconds(), l.who, l.text)
		}
	}
	return text.String()
}

// violated notes that a rule is broken. The first five are kept.
func (w *world) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(w.violations) < 5 && !slices.Contains(w.violations, text) {
		w.violations = append(w.violations, text)
		w.note("RULE", "broken: %s", text)
	}
}

// log returns a logger whose lines go to the trace. They are no part of what is compared between two replays.
func (w *world) log(name string) *logrus.Entry {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	logger.SetLevel(logrus.PanicLevel)
	if w.verbose {
		logger.SetLevel(logrus.InfoLevel)
		logger.AddHook(hook{w, name})
	}
	return logrus.NewEntry(logger)
}

type hook struct {
	w    *world
	name string
}

func (h hook) Levels() []logrus.Level { return logrus.AllLevels }

func (h hook) Fire(e *logrus.Entry) error {
	text := fmt.Sprint(e.Data)
	h.w.logged(h.name, "log: "+e.Message+" "+strings.ReplaceAll(text, "\n", " "))
	return nil
}
