package sweep_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	"github.com/ecssd/ecssd/internal/sweep/httpcheck"
)

// The checks are real requests to servers on loopback, in real time. Container n, on host n, is a server of its own.

var loopback = netip.MustParseAddr("127.0.0.1")

// service is a fleet whose containers are servers, and the records of them, which point elsewhere.
type service struct {
	fleet   evidence.Fleet
	records []record.Record
}

// add adds a container that is reached at a port, and gives its record.
func (s *service) add(port uint16) record.Record {
	if s.fleet.Instances == nil {
		s.fleet = fleet(0)
	}
	n := len(s.records) + 1
	i, c := member(n), running(n, n)
	i.Address = loopback
	c.Ports[0].Host = port
	s.fleet.Instances[instance(n)], s.fleet.Containers[id(n)] = i, c
	r := with(on(n, n), func(r *record.Record) { r.Value = fmt.Sprintf("1 1 %d 192.0.2.1.example", port) })
	if n > 100 { // so many records may a name have
		r.Name = fmt.Sprintf("web%d.%s", n/100, domain)
	}
	s.records = append(s.records, r)
	return r
}

// serve adds a container that answers so.
func (s *service) serve(t *testing.T, answer http.HandlerFunc) record.Record {
	return s.add(listen(t, answer))
}

func listen(t *testing.T, answer http.HandlerFunc) uint16 {
	server := httptest.NewServer(answer)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return uint16(server.Listener.Addr().(*net.TCPAddr).Port)
}

// status answers /health with a status, and counts.
func status(code int, asked *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodGet || r.URL.RequestURI() != "/health" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(code)
	}
}

func (s *service) config(t *testing.T, has ...record.Record) (sweep.Config, *zone) {
	z := newZone(t, has...)
	c := config(z, says(s.fleet))
	c.Check = httpcheck.New("/health")
	return c, z
}

func TestWhatPasses(t *testing.T) {
	var sent atomic.Int64
	t.Cleanup(func() { assert.Less(t, sent.Load(), int64(64<<20), "of a body without end little is read") })
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		tries  int32
		fails  bool
	}{
		"200": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }, tries: 1},
		"204": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, tries: 1},
		"399": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(399) }, tries: 1},
		"400": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, tries: 3, fails: true},
		"503": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, tries: 3, fails: true},
		"a redirect, which is not followed": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, tries: 1},
		"a body without end": {answer: func(w http.ResponseWriter, _ *http.Request) {
			for {
				n, err := w.Write(make([]byte, 64<<10))
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}, tries: 1},
		"a body that never ends": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, tries: 1},
		"a header without end": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}, tries: 3, fails: true},
		"not HTTP": {answer: func(w http.ResponseWriter, _ *http.Request) {
			connection, _, _ := w.(http.Hijacker).Hijack()
			_, _ = connection.Write([]byte(strings.Repeat("junk", 1000) + "\r\n\r\n"))
			_ = connection.Close()
		}, tries: 3, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			var s service
			r := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				test.answer(w, r)
			})
			c, z := s.config(t, r)
			start := time.Now()
			report := swept(t, c)
			assert.Less(t, time.Since(start), 20*time.Second)
			assert.Equal(t, test.tries, asked.Load())
			if !test.fails {
				assert.Equal(t, []record.Record{r}, z.content())
				assert.Zero(t, report.Unhealthy)
				return
			}
			assert.Equal(t, []record.Record{marked(r)}, z.content())
			assert.Equal(t, []int{1, 1}, []int{report.Unhealthy, report.Standby})
			require.Len(t, report.Findings, 1)
			assert.Less(t, len(report.Findings[0].Reason), 400)
		})
	}
}

// One that fails takes no traffic, and when all fail all do alike: they still resolve. What passes gets back what it
// asked for.
func TestFailingAndPassingAgain(t *testing.T) {
	t.Parallel()
	var ill [3]atomic.Bool
	var s service
	for n := range ill {
		s.serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if ill[n].Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
	}
	s.records[0] = asking(5, s.records[0])
	c, z := s.config(t, s.records...)
	one, two, three := s.records[0], s.records[1], s.records[2]

	ill[0].Store(true)
	report := swept(t, c)
	assert.Equal(t, []record.Record{marked(one), two, three}, z.content(), "one failing")
	assert.Equal(t, []int{1, 1}, []int{report.Unhealthy, report.Standby})

	ill[1].Store(true)
	ill[2].Store(true)
	report = swept(t, c)
	assert.Equal(t, []record.Record{marked(one), marked(two), marked(three)}, z.content(), "all failing")
	assert.Equal(t, []int{3, 2}, []int{report.Unhealthy, report.Standby})

	// Without time for a check nothing is known: the deadline leaves time for changes and none for checks.
	ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
	defer cancel()
	ill[0].Store(false)
	report, err := sweep.Sweep(ctx, c)
	require.NoError(t, err)
	addsUp(t, report)
	assert.Equal(t, []record.Record{marked(one), marked(two), marked(three)}, z.content(), "not checked")
	assert.Zero(t, report.Restored+report.Unhealthy+report.Standby)

	ill[1].Store(false)
	ill[2].Store(false)
	report = swept(t, c)
	assert.Equal(t, s.records, z.content(), "passing again")
	assert.Equal(t, []int{0, 3}, []int{report.Unhealthy, report.Restored})
}

func TestWithoutTimeNothingIsMarked(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var s service
	r := s.serve(t, status(500, &asked))
	c, z := s.config(t, r)
	stopped := 0
	c.Stop = func(context.Context, string, string, string) error { stopped++; return nil }
	ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
	defer cancel()
	report, err := sweep.Sweep(ctx, c)
	require.NoError(t, err)
	assert.Equal(t, []record.Record{r}, z.content())
	assert.Zero(t, report.Unhealthy+stopped+int(asked.Load()))
}

func TestWhatIsAsked(t *testing.T) {
	set := func(s *service, n int, change func(*evidence.Container)) {
		c := s.fleet.Containers[id(n)]
		change(&c)
		s.fleet.Containers[id(n)] = c
	}
	for name, test := range map[string]struct {
		change func(*service)
		record func(*record.Record)
		asked  int32
		path   string
	}{
		"a container of ECS": {asked: 1, path: "/health"},
		"the path of its own": {change: func(s *service) {
			set(s, 1, func(c *evidence.Container) { c.Checks = map[uint16]string{80: "/alive?full"} })
		}, asked: 1, path: "/alive?full"},
		"the path of another port": {
			change: func(s *service) {
				set(s, 1, func(c *evidence.Container) {
					c.Checks = map[uint16]string{
						8080: "/alive",
					}
				})
			},
			asked: 1,
			path:  "/health",
		},
		"an empty path": {
			change: func(s *service) {
				set(s, 1,
					func(c *evidence.Container) { c.Checks = map[uint16]string{80: ""} })
			},
			asked: 1,
			path:  "/health",
		},
		"a path without slash": {change: func(s *service) {
			set(s, 1, func(c *evidence.Container) { c.Checks = map[uint16]string{80: "@192.0.2.1/x"} })
		}, asked: 1, path: "/@192.0.2.1/x"},
		"taken out": {
			change: func(s *service) {
				set(s, 1, func(c *evidence.Container) {
					c.Checks = map[uint16]string{
						80: "off",
					}
				})
			},
		},
		"taken out, marked before": {change: func(s *service) {
			set(s, 1, func(c *evidence.Container) {
				c.Checks = map[uint16]string{
					80: "Off",
				}
			})
		},
			record: func(r *record.Record) { *r = marked(*r) }},
		"taken out in other words": {
			change: func(s *service) {
				set(s, 1, func(c *evidence.Container) {
					c.Checks = map[uint16]string{
						80: " FALSE ",
					}
				})
			},
		},
		"another port is taken out": {change: func(s *service) {
			set(s, 1, func(c *evidence.Container) {
				c.Checks = map[uint16]string{
					81: "off",
				}
			})
		},
			asked: 1, path: "/health"},
		"a path that begins so": {change: func(s *service) {
			set(s, 1, func(c *evidence.Container) {
				c.Checks = map[uint16]string{
					80: "/off",
				}
			})
		},
			asked: 1, path: "/off"},
		"its own address": {change: func(s *service) {
			set(s, 1, func(c *evidence.Container) { c.Address = loopback })
			delete(s.fleet.Instances, "x")
		}, asked: 1, path: "/health"},
		"the port is another's": {
			change: func(s *service) { set(s, 1, func(c *evidence.Container) { c.Ports[0].Host++ }) },
		},
		"the port is another's inside": {
			change: func(s *service) { set(s, 1, func(c *evidence.Container) { c.Ports[0].Container.Number = 81 }) },
		},
		"the port is UDP": {
			change: func(s *service) {
				set(s, 1, func(c *evidence.Container) { c.Ports[0].Container.Proto = container.UDP })
			},
		},
		"on another host": {
			change: func(s *service) { set(s, 1, func(c *evidence.Container) { c.Instance = instance(2) }) },
		},
		"it has stopped": {change: func(s *service) {
			set(s, 1, func(c *evidence.Container) { c.Stopped = true })
			i := s.fleet.Instances[instance(1)]
			i.Complete = false
			s.fleet.Instances[instance(1)] = i
		}},
		"no address is known": {change: func(s *service) {
			i := s.fleet.Instances[instance(1)]
			i.Address = netip.Addr{}
			s.fleet.Instances[instance(1)] = i
		}},
		"a docker record": {
			record: func(r *record.Record) { r.SetID = strings.Replace(r.SetID, ":ecs:", ":docker:", 1) },
		},
		"a legacy record": {record: func(r *record.Record) { r.SetID = "somewhere:" + id(1) }},
		"a UDP record": {
			record: func(r *record.Record) { r.SetID = strings.Replace(r.SetID, "/tcp", "/udp", 1) },
		},
		"put on standby by its agent": {record: func(r *record.Record) { r.Weight = 0 }},
		"put on standby by the sweeper": {
			record: func(r *record.Record) { *r = marked(*r) },
			asked:  1,
			path:   "/health",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			var path atomic.Value
			var s service
			r := s.serve(t, func(_ http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				path.Store(r.URL.RequestURI())
			})
			if test.change != nil {
				test.change(&s)
			}
			if test.record != nil {
				test.record(&r)
			}
			c, _ := s.config(t, r)
			swept(t, c)
			assert.Equal(t, test.asked, asked.Load())
			if test.asked > 0 {
				assert.Equal(t, test.path, path.Load())
			}
		})
	}
	t.Run("a path that is none", func(t *testing.T) {
		t.Parallel()
		var s service
		r := s.serve(t, func(http.ResponseWriter, *http.Request) {})
		set(&s, 1, func(c *evidence.Container) { c.Checks = map[uint16]string{80: "/\x7f"} })
		c, z := s.config(t, r)
		swept(t, c)
		assert.Equal(t, []record.Record{marked(r)}, z.content())
	})
	t.Run("the general path is empty", func(t *testing.T) {
		t.Parallel()
		var s service
		r := s.serve(t, func(http.ResponseWriter, *http.Request) {})
		c, z := s.config(t, r)
		c.Check = httpcheck.New("")
		swept(t, c)
		assert.Equal(t, []record.Record{r}, z.content())
	})
}

func TestManyTargetsOfWhichSomeHang(t *testing.T) {
	t.Parallel()
	well := listen(t, func(http.ResponseWriter, *http.Request) {})
	hanging := listen(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	var s service
	var want []record.Record
	for n := range 300 {
		if n%10 == 0 {
			want = append(want, marked(s.add(hanging)))
		} else {
			want = append(want, s.add(well))
		}
	}
	c, z := s.config(t, s.records...)
	start := time.Now()
	report := swept(t, c)
	assert.Less(t, time.Since(start), 40*time.Second, "one after the other they would take four minutes")
	assert.Equal(t, sorted(want...), z.content())
	assert.Equal(t, []int{30, 30}, []int{report.Unhealthy, report.Standby})
}

// A task is stopped that fails the check its definition names, and has failed before. All that fail here are marked,
// and every container names its check, where nothing else is said.
func TestStopTask(t *testing.T) {
	container := func(n int, change func(*evidence.Container)) func(*service) {
		return func(s *service) {
			c := s.fleet.Containers[id(n)]
			change(&c)
			s.fleet.Containers[id(n)] = c
		}
	}
	host := func(n int, change func(*evidence.Instance)) func(*service) {
		return func(s *service) {
			i := s.fleet.Instances[instance(n)]
			change(&i)
			s.fleet.Instances[instance(n)] = i
		}
	}
	unnamed := func(n int) func(*service) {
		return container(n, func(c *evidence.Container) { c.Checks = map[uint16]string{80: "", 81: "/health"} })
	}
	first := func(n int) func(*service) {
		return func(s *service) {
			s.records[n-1] = asking(1, with(s.records[n-1], func(r *record.Record) { r.Value = "1" + r.Value[1:] }))
		}
	}
	for name, test := range map[string]struct {
		statuses []int
		change   func(*service)
		budget   float64 // 0: all may fail
		dryRun   bool
		err      error
		want     []string
		spared   string
		counted  int
	}{
		"one of three": {
			statuses: []int{500, 200, 200},
			want:     []string{"main task-000001"},
			counted:  1,
		},
		"two of three": {
			statuses: []int{500, 200, 500},
			want:     []string{"main task-000001", "main task-000003"},
			counted:  2,
		},
		"all of three, one stays": {
			statuses: []int{500, 500, 500},
			want:     []string{"main task-000001", "main task-000002"},
			counted:  2,
		},
		"the only one":                  {statuses: []int{500}},
		"failing for the first time":    {statuses: []int{500, 200}, change: first(1)},
		"the definition names no check": {statuses: []int{500, 200}, change: unnamed(1)},
		"of no service": {
			statuses: []int{500, 200},
			change:   container(1, func(c *evidence.Container) { c.Service = "" }),
		},
		"it is being stopped": {
			statuses: []int{500, 200, 200},
			change:   container(1, func(c *evidence.Container) { c.Running = false }),
		},
		"the other is being stopped": {
			statuses: []int{500, 200},
			change:   container(2, func(c *evidence.Container) { c.Running = false }),
		},
		"the other has stopped": {statuses: []int{500}, change: func(s *service) {
			c := running(1, 2)
			c.Running, c.Stopped = false, true
			s.fleet.Containers[id(2)] = c
		}},
		"the other's host is gone": {
			statuses: []int{500, 200},
			change:   host(2, func(i *evidence.Instance) { i.State = evidence.Gone }),
		},
		"the other's host is not known": {
			statuses: []int{500, 200},
			change:   host(2, func(i *evidence.Instance) { i.State = evidence.Unknown }),
		},
		"the other's host is disconnected": {
			statuses: []int{500, 200},
			change:   host(2, func(i *evidence.Instance) { i.Connected = false }),
		},
		"the other is another service's": {
			statuses: []int{500, 200},
			change:   container(2, func(c *evidence.Container) { c.Service = "second/web" }),
		},
		"two containers of one task": {
			statuses: []int{500, 500},
			change:   container(2, func(c *evidence.Container) { c.Task = "task-000001" }),
		},
		"two containers of one of two tasks": {
			statuses: []int{500, 500, 200},
			change:   container(2, func(c *evidence.Container) { c.Task = "task-000001" }),
			want:     []string{"main task-000001"},
			counted:  1,
		},
		"a dry run": {statuses: []int{500, 200}, dryRun: true, want: []string{"main task-000001"}},
		"ECS refuses": {
			statuses: []int{500, 500, 200},
			err:      errRead,
			want:     []string{"main task-000001", "main task-000002"},
		},
		"a half may": {
			statuses: []int{500, 200},
			budget:   0.5,
			want:     []string{"main task-000001"},
			counted:  1,
		},
		"too many fail": {
			statuses: []int{500, 500, 200},
			budget:   0.5,
			spared:   "no task is stopped: 2 of 3 checks failed, more than 50 %",
		},
		"too many fail for the first time": {
			statuses: []int{500, 500, 200},
			change:   first(2),
			budget:   0.5,
			spared:   "no task is stopped: 2 of 3 checks failed, more than 50 %",
		},
		"ports without a check fail for the first time": {
			statuses: []int{500, 500, 200},
			budget:   0.5,
			change:   func(s *service) { unnamed(2)(s); first(2)(s) },
			spared:   "no task is stopped: 2 of 3 checks failed, more than 50 %",
		},
		"ports without a check fail as ever": {
			statuses: []int{500, 500, 500, 200},
			budget:   0.5,
			change:   func(s *service) { unnamed(2)(s); unnamed(3)(s) },
			want:     []string{"main task-000001"},
			counted:  1,
		},
		"too many, of which none would be stopped": {
			statuses: []int{500, 500, 200},
			budget:   0.5,
			change:   func(s *service) { first(1)(s); first(2)(s) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s service
			var asked atomic.Int32
			for i, code := range test.statuses {
				s.serve(t, status(code, &asked))
				container(i+1, func(c *evidence.Container) { c.Checks = map[uint16]string{80: "/health"} })(&s)
				if code != 200 {
					s.records[i] = marked(s.records[i])
				}
			}
			if test.change != nil {
				test.change(&s)
			}
			c, _ := s.config(t, s.records...)
			c.DryRun, c.Budget = test.dryRun, cmp.Or(test.budget, 1)
			log, logged := logtest.NewNullLogger()
			c.Log = logrus.NewEntry(log)
			stopped, would := []string(nil), []string(nil)
			c.Stop = func(_ context.Context, cluster, task, reason string) error {
				assert.NotEmpty(t, reason)
				stopped = append(stopped, cluster+" "+task)
				return test.err
			}
			report := swept(t, c)
			for _, stop := range report.Stops {
				assert.Contains(t, stop.Reason, "HTTP status 500")
				would = append(would, "main "+stop.Task)
			}
			assert.Equal(t, test.want, would)
			if test.dryRun {
				assert.Empty(t, stopped)
			} else {
				assert.Equal(t, test.want, stopped)
			}
			assert.Equal(t, test.counted, report.TasksStopped)
			assert.Equal(t, test.spared, report.TasksSpared)
			said := slices.ContainsFunc(
				logged.AllEntries(),
				func(e *logrus.Entry) bool { return strings.HasPrefix(e.Message, "no task is stopped") },
			)
			assert.Equal(t, test.spared != "", said)
		})
	}
}

// A port that is taken out of the checks gets back what a check has taken from it.
func TestTakenOutOfTheChecksAfterAFailure(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var s service
	r := s.serve(t, status(500, &asked))
	c := s.fleet.Containers[id(1)]
	c.Checks = map[uint16]string{80: "off"}
	s.fleet.Containers[id(1)] = c
	cfg, z := s.config(t, marked(r))
	report := swept(t, cfg)
	assert.Equal(t, []record.Record{r}, z.content())
	assert.Equal(t, []int{0, 1}, []int{report.Unhealthy, report.Restored})
}

// What there was no time to check says nothing: no task is stopped for it, and it makes no room for others in the
// budget.
func TestWhatIsUncheckedStopsNothing(t *testing.T) {
	for name, test := range map[string]struct {
		ill, unchecked int // of tasks in all, the others being well
		well           int
		budget         float64
		want           int
		spared         string
	}{
		"one ill, one unchecked, one well": {
			ill:       1,
			unchecked: 1,
			well:      1,
			budget:    1,
			want:      1,
		},
		"all unchecked": {unchecked: 3, budget: 1},
		"too many of those that are checked": {
			ill:       2,
			unchecked: 8,
			well:      1,
			budget:    0.5,
			spared:    "no task is stopped: 2 of 3 checks failed, more than 50 %",
		},
		"not too many of those that are": {
			ill:       1,
			unchecked: 8,
			well:      1,
			budget:    0.5,
			want:      1,
		},
		"unchecked ones are no failures either": {
			ill:       1,
			unchecked: 1,
			well:      1,
			budget:    0.5,
			want:      1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T) {
				f := fleet(test.ill + test.unchecked + test.well)
				answers := answers{}
				var records []record.Record
				for n := 1; n <= len(f.Instances); n++ {
					c := f.Containers[id(n)]
					c.Checks = map[uint16]string{80: "/health"}
					f.Containers[id(n)] = c
					records = append(records, marked(on(n, n)))
					at := netip.AddrPortFrom(address(n), hostPort(n)).String()
					switch {
					case n <= test.ill:
						answers[at] = http.StatusInternalServerError
					case n <= test.ill+test.well:
						answers[at] = http.StatusOK
					}
				}
				z := newZone(t, records...)
				c := config(z, says(f))
				c.Check, c.Budget = httpcheck.New("/health"), test.budget
				// so that what does not answer is cut off by the deadline
				c.Check.Client.Transport, c.Check.Client.Timeout = answers, 0
				var stopped []string
				c.Stop = func(_ context.Context, _, task,
					_ string) error {
					stopped = append(stopped, task)
					return nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				report, err := sweep.Sweep(ctx, c)
				assert.NoError(t, err)
				assert.Len(t, stopped, test.want)
				for _, task := range stopped {
					assert.LessOrEqual(t, task, fmt.Sprintf("task-%06d", test.ill))
				}
				assert.Equal(t, test.spared, report.TasksSpared)
				assert.Equal(t, []int{test.ill, test.well}, []int{report.Unhealthy, report.Restored})
			})
		})
	}
}

// answers is a network: the status that a server answers with, by its address. Others do not answer.
type answers map[string]int

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	code, ok := a[r.URL.Host]
	if !ok {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: code, Body: http.NoBody, Request: r}, nil
}

// counting is a network that counts how many requests are under way at once.
type counting struct{ now, most atomic.Int32 }

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.most.Store(max(c.most.Load(), c.now.Add(1)))
	time.Sleep(time.Second)
	c.now.Add(-1)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

func TestChecksAtOnce(t *testing.T) {
	scene(t, func(t *testing.T) {
		var network counting
		z := newZone(t)
		for n := 1; n <= 300; n++ {
			z.Put(srv(fmt.Sprint("web", n%4), instance(n), ip(address(n)), n))
		}
		c := config(z, says(fleet(300)))
		c.Check = httpcheck.New("/health")
		c.Check.Client.Transport = &network
		swept(t, c)
		assert.LessOrEqual(t, network.most.Load(), int32(64))
		assert.Greater(t, network.most.Load(), int32(32))
	})
}

// A crowd of tasks that fail makes no report too large to be handed on.
func TestStopsInTheReport(t *testing.T) {
	t.Parallel()
	var s service
	ill := listen(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for n := range 120 {
		r := s.add(ill)
		s.records[n] = marked(r)
		c := s.fleet.Containers[id(n+1)]
		c.Checks = map[uint16]string{80: "/health"}
		s.fleet.Containers[id(n+1)] = c
	}
	c, _ := s.config(t, s.records...)
	c.Budget = 1
	c.Stop = func(context.Context, string, string, string) error { return nil }
	report := swept(t, c)
	assert.Len(t, report.Stops, 100)
	assert.Equal(t, 119, report.TasksStopped)
}
