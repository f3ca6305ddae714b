package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// examined is what ecssd doctor said.
type examined struct {
	printed []string // lines as printed, but for names that no other run has
	lines   []string // the same without the space around them
	errors  string
	status  int
}

// examine runs ecssd doctor with the settings of the world's agent.
func (w *world) examine(args ...string) examined {
	w.t.Helper()
	e := w.examineOnce(args...)
	for range 2 {
		// On a busy machine an answer may come after the four seconds that the doctor waits for each.
		late := func(line string) bool { return strings.Contains(line, doctor.NoAnswer) }
		if slices.ContainsFunc(e.lines, late) {
			e = w.examineOnce(args...)
		}
	}
	return e
}

func (w *world) examineOnce(args ...string) examined {
	w.t.Helper()
	command := w.command(
		append([]string{"doctor", "--state-dir", w.dir, "--listen", w.listen, "--allow-names", w.prefix + ".*",
			"--server", w.sandbox.DNSAddr()}, append(w.args, args...)...)...)
	command.Env = append(command.Env, w.environment...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	exit, failed := errors.AsType[*exec.ExitError](err)
	require.True(w.t, err == nil || failed, "%v", err)
	e := examined{errors: stderr.String()}
	if failed {
		e.status = exit.ExitCode()
	}
	hide := strings.NewReplacer(
		w.zone,
		"Z1",
		w.prefix,
		"",
		w.listen,
		"LISTEN",
		w.dir,
		"DIR",
		w.sandbox.DNSAddr(),
		"DNS",
	)
	for line := range strings.Lines(hide.Replace(stdout.String())) {
		e.printed = append(e.printed, line)
		e.lines = append(e.lines, strings.TrimSpace(line))
	}
	return e
}

// amiss returns what is not ok, as printed: each line and, under it, its hint.
func (e examined) amiss() string {
	var relevant bool
	var text strings.Builder
	for _, line := range e.printed[:len(e.printed)-2] { // an empty line and the count come last
		hint := strings.HasPrefix(strings.TrimSpace(line), "hint: ")
		relevant = relevant && hint || !strings.HasPrefix(line, "ok ") && !hint
		if relevant {
			text.WriteString(line)
		}
	}
	return text.String()
}

// wellKept lowers the zone's negative TTL, as the sweeper does.
func (w *world) wellKept() {
	w.t.Helper()
	require.NoError(w.t, w.sandbox.Seed(w.zone, sandbox.Set{
		Name:   zoneName,
		Type:   "SOA",
		TTL:    60,
		Values: []string{"ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 60"},
	}))
}

// another puts another zone of the world's name in the place of its zone.
func (w *world) another(options ...func(*sandbox.Zone)) {
	w.t.Helper()
	w.sandbox.RemoveZone(w.zone)
	var err error
	w.zone, err = w.sandbox.CreateZone(zoneName, options...)
	require.NoError(w.t, err)
	w.wellKept()
}

// only lets a fault strike one operation.
func (w *world) only(code string, operations ...string) {
	w.t.Helper()
	for _, operation := range operations {
		require.NoError(w.t, w.sandbox.AddFault(sandbox.Fault{Kind: sandbox.Fail, Code: code, Operation: operation}))
	}
}

// golden returns what a run of ecssd doctor is to print of what is not ok. With -update the file is written anew: read
// what has changed.
func golden(t *testing.T, file string) string {
	t.Helper()
	want, err := os.ReadFile(file)
	if !*update || !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return string(want)
}

// waiting reports whether the agent waits for something in a run of ecssd doctor.
func waiting(printed string) bool { return strings.Contains(printed, "FAIL  ready ") }

// Each fault that operators meet is named by one command, with what to do about it, and nothing else is said to be
// amiss.
func TestDoctorNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	engine := enginetest.NewOwn(t) // where nothing runs but this test's containers
	program := released(t)         // that starts quickly, for an agent and a doctor a row
	ecsAgent(t)
	for name, c := range map[string]struct {
		args []string
		// before comes before the agent's start, and after when it has announced container web.
		before, after func(w *world)
		// without an agent that gets as far as to announce a container.
		idle bool
	}{
		"nothing": {},
		"no permission to write": {
			after: func(w *world) { w.only("AccessDenied", "ChangeResourceRecordSets") },
		},
		"no permission to read": {
			after: func(w *world) { w.only("AccessDenied", "ListResourceRecordSets") },
		},
		"two zones of one name": {
			idle: true,
			before: func(w *world) {
				w.another(sandbox.Private("vpc-a", "eu-central-1"), sandbox.WithID("ZA"))
				_, err := w.sandbox.CreateZone(zoneName, sandbox.Private("vpc-b", "eu-central-1"), sandbox.WithID("ZB"))
				require.NoError(w.t, err)
				w.zone = "ZA"
			},
		},
		"a zone of Cloud Map": {
			idle: true,
			before: func(w *world) {
				w.another(sandbox.Private(sandbox.DefaultVPC, "eu-central-1"), sandbox.CloudMap())
			},
		},
		"a zone of another VPC": {
			before: func(w *world) { w.another(sandbox.Private("vpc-other", "eu-central-1")) },
		},
		"a resolver that does not see the zone": {
			before: func(w *world) {
				w.another(sandbox.Private("vpc-other", "eu-central-1"))
				_, err := w.sandbox.CreateZone("internal", sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
				require.NoError(w.t, err)
				w.only("AccessDenied", "GetHostedZone")
			},
		},
		"a zone of another name": {
			args: []string{"--zone", "other.internal"},
			idle: true,
			before: func(w *world) {
				w.args = append(w.args, "--zone-id="+w.zone)
				w.only("AccessDenied", "GetHostedZone")
			},
		},
		"the Engine is down": {
			args: []string{"--docker-host", "unix:///nowhere/docker.sock"},
			idle: true,
		},
		"a full name": {
			after: func(w *world) {
				var others []sandbox.Set
				for n := range 100 {
					others = append(others, sandbox.Set{
						Name:          w.prefix + "crowd." + zoneName,
						Type:          "SRV",
						SetIdentifier: strings.Repeat("x", n+1),
						Weight:        new(int64(1)),
						Values:        []string{"1 1 80 other." + zoneName},
					})
				}
				require.NoError(w.t, w.sandbox.Seed(w.zone, others...))
				w.ran("crowd", enginetest.Options{Engine: engine})
				w.eventually("the refusal", func() bool { return w.says("Route 53 refused a change") })
			},
		},
		"an unhealthy container": {
			after: func(w *world) {
				w.ran("sick", enginetest.Options{
					Engine: engine,
					Health: &api.HealthConfig{
						Test:     []string{"CMD", "/none"},
						Interval: 20 * time.Millisecond,
						Retries:  1,
					},
				})
				w.eventually("standby", func() bool {
					standby := func(s sandbox.Set) bool { return *s.Weight == 0 }
					return slices.ContainsFunc(w.service("sick"), standby) && w.unhealthy(engine, "sick")
				})
			},
		},
		"a bad name": {
			after: func(w *world) {
				w.ran("bad", enginetest.Options{Engine: engine, Labels: enginetest.ECSLabels("no good")})
			},
		},
		"a throttled account": {
			after: func(w *world) { w.only("Throttling", "") },
		},
		"another TTL": {
			before: func(w *world) {
				require.NoError(w.t, w.sandbox.Seed(w.zone, sandbox.Set{
					Name:          w.prefix + "web." + zoneName,
					Type:          "SRV",
					SetIdentifier: "other",
					TTL:           60,
					Weight:        new(int64(1)),
					Values:        []string{"1 1 80 ip-10-0-0-1." + zoneName},
				}))
			},
		},

		"negative answers that are kept for long": {
			after: func(w *world) {
				require.NoError(w.t, w.sandbox.Seed(w.zone, sandbox.Set{
					Name:   zoneName,
					Type:   "SOA",
					TTL:    900,
					Values: []string{"ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"},
				}))
			},
		},
		"what the agent does without is not permitted": {
			after: func(w *world) {
				w.only("AccessDenied", "GetHostedZone", "GetHostedZoneLimit")
				w.only("UnauthorizedOperation", "ec2:DescribeInstances", "ec2:DescribeVpcAttribute")
			},
		},
		"credentials that have expired": {
			after: func(w *world) { w.only("ExpiredToken", "") },
		},
		"settings of the VPC and of the metadata": {
			after: func(w *world) {
				require.NoError(w.t, w.sandbox.Fleet().EditInstance(instanceID, account.Patch[account.Instance](json.RawMessage(`{"metadataHopLimit": 2}`))))
				require.NoError(w.t, w.sandbox.Fleet().Put(account.State{
					VPCs: []account.VPC{{ID: sandbox.DefaultVPC, NoDNSHostnames: true}},
				}))
			},
		},
		"a host on standby": {
			after: func(w *world) {
				w.sandbox.Metadata().Set("meta-data/autoscaling/target-lifecycle-state", "Terminated")
			},
		},
		"no agent": {
			after: func(w *world) { w.stop() },
		},
		"a record that somebody removed": {
			after: func(w *world) { require.NoError(w.t, w.sandbox.Erase(w.zone, w.service("web")...)) },
		},
		"a record set of another kind": {
			after: func(w *world) {
				require.NoError(w.t, w.sandbox.Seed(w.zone, sandbox.Set{
					Name:   w.prefix + "simple." + zoneName,
					Type:   "SRV",
					TTL:    0,
					Values: []string{"1 1 80 ip-10-0-0-1." + zoneName},
				}))
				w.ran("simple", enginetest.Options{Engine: engine})
				w.eventually("the refusal", func() bool { return w.says("Route 53 refused a change") })
			},
		},
		"a full zone": {
			after: func(w *world) { w.sandbox.Configure(func(s *sandbox.Settings) { s.MaxSets = 4 }) },
		},
		"a journal that is none": {
			after: func(w *world) {
				w.stop()
				require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, "records.json"), []byte("{"), 0o600))
			},
		},
		"a zone that is not there": {
			args: []string{"--zone-id", "ZNONE"}, idle: true,
		},
		"no credentials": {
			idle: true,
			before: func(w *world) {
				w.environment = []string{
					"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_EC2_METADATA_DISABLED=true",
					"AWS_CONFIG_FILE=/dev/null",
					"AWS_SHARED_CREDENTIALS_FILE=/dev/null", "ECSSD_INSTANCE_ID=" + instanceID,
					"ECSSD_HOST_IP=10.0.0.1",
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "doctor", strings.ReplaceAll(name, " ", "-")+".txt")
			want := golden(t, file)
			w := newWorld(t, cmp.Or(strings.Join(c.args, " "), "--docker-host="+engine.Host()))
			w.program = program
			if c.args != nil {
				w.args = append(c.args, "--docker-host="+engine.Host())
				if slices.Contains(c.args, "--docker-host") { // which may be given once
					w.args = c.args
				}
			}
			w.wellKept()
			if c.before != nil {
				c.before(w)
			}
			w.launch()
			if waiting(want) {
				w.eventually("the agent says what it waits for", w.waitsForOneThing)
			} else {
				w.eventually("the agent is ready", w.ready)
			}
			if !c.idle {
				w.ran("web", enginetest.Options{Engine: engine})
				w.eventually("web is announced", func() bool {
					return slices.ContainsFunc(
						w.service("web"),
						func(s sandbox.Set) bool { return strings.HasPrefix(s.SetIdentifier, instanceID) },
					)
				})
			}
			if c.after != nil {
				c.after(w)
			}
			e := w.examine()
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(e.amiss()), 0o644))
				want = e.amiss()
			}
			assert.Equal(t, want, e.amiss(), "all of it:\n%s", strings.Join(e.lines, "\n"))
			if strings.Contains(want, "FAIL ") {
				assert.Equal(t, 1, e.status)
				assert.Regexp(t, `^ecssd: doctor: \d+ FAIL\n$`, e.errors)
			} else {
				assert.Equal(t, 0, e.status)
				assert.Empty(t, e.errors)
			}
		})
	}
}

// waitsForOneThing says whether the agent has found out what it waits for.
func (w *world) waitsForOneThing() bool {
	response, err := http.Get("http://" + w.listen + "/readyz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	lines := strings.TrimSuffix(string(body), "agent: starting\n")
	return err == nil && strings.Count(lines, "\n") == 1 && !strings.Contains(lines, " yet\n")
}

// ran runs a container that goes at the end of this world, whose Engine stays.
func (w *world) ran(name string, o enginetest.Options) *enginetest.Container {
	w.t.Helper()
	o.Name = w.prefix + name
	c := w.container(name, o)
	w.t.Cleanup(c.Remove)
	return c
}

// unhealthy says whether the Engine finds a container so.
func (w *world) unhealthy(engine *enginetest.Own, name string) bool {
	in, err := engine.Client().ContainerInspect(w.t.Context(), w.prefix+name)
	require.NoError(w.t, err)
	return in.State.Health.Status == api.Unhealthy
}

// On a sound host everything is ok, and the agent is not disturbed: nothing is written, neither in AWS nor in the state
// directory.
func TestDoctorOfASoundHost(t *testing.T) {
	t.Parallel()
	engine := enginetest.NewOwn(t)
	ecsAgent(t)
	w := newWorld(t, "--docker-host="+engine.Host())
	w.wellKept()
	w.start()
	w.ran("web", enginetest.Options{Engine: engine})
	w.has("web", 1)
	journal := func() (content string, inode uint64) {
		path := filepath.Join(w.dir, "records.json")
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		return string(file), info.Sys().(*syscall.Stat_t).Ino
	}
	w.eventually("the journal is written, and at rest", func() bool {
		content, inode := journal()
		time.Sleep(time.Second)
		_, later := journal()
		return strings.Contains(content, "web") && !strings.Contains(content, "Doubt") && inode == later
	})
	content, inode := journal()
	records := w.sandbox.Records(w.zone)
	log := w.log.String()
	w.sandbox.ClearCalls()

	e := w.examine()
	last := len(e.lines) - 1
	assert.Equal(t, []string{
		"ok    engine       Docker " + engineVersion(t, engine) + " answers at " + engine.Host(),
		"ok    events       the Engine accepts subscriptions to its events",
		"ok    containers   1 container, 1 registered, under 1 name",
		"ok    agent        version " + releaseVersion("") + " runs, and answers at LISTEN",
		"ok    ready        the agent has all that it needs",
		"ok    refused      Route 53 refuses no change of the agent's",
		"ok    heard        the agent knows every container that is to be registered",
		"ok    standby      this host is in traffic",
		"ok    state        DIR of user " + strconv.Itoa(os.Geteuid()) + " holds the journal, of 2 records",
		"ok    ecs          the ECS agent runs, in cluster default",
		"ok    metadata     EC2 says that this is i-0123456789abcdef0 at 10.0.0.1 in vpc-sandbox, eu-central-1",
		"ok    hops         metadata takes a token, and its hop limit is 1",
		"ok    credentials  arn:aws:sts::123456789012:assumed-role/ecsInstanceRole/i-0123456789abcdef0 " +
			"(EnvConfigCredentials)",
		"ok    vpc          enableDnsSupport and enableDnsHostnames of vpc-sandbox are on",
		"ok    clock        this host's clock agrees with AWS's",
		"ok    zone         servicediscovery.internal is Z1, private, in this VPC",
		"ok    read         these credentials may read the zone's records",
		"ok    negative     resolvers cache NXDOMAIN for 60 s",
		"ok    write        these credentials may change SRV and A records (tried with one that does not exist)",
		"ok    records      the zone holds 4 of at most 10000 records",
		"ok    names        1 of 1 name read; records of each, at most 100: web 1",
		"ok    ttl          the names that were read have the TTL 0",
		"ok    dns          the resolver here answers for web.servicediscovery.internal",
		"",
	}, e.lines[:last])
	assert.Regexp(t, `^23 ok, 0 warn, 0 FAIL, 0 skip, with 10 calls of AWS in \d+\.\d s$`, e.lines[last])
	assert.Equal(t, 0, e.status)
	assert.Empty(t, e.errors)
	assert.Len(t, w.sandbox.Calls(), 10, "as it says")
	for _, call := range w.sandbox.Calls() {
		assert.False(t, call.Applied, "%v", call)
	}

	var results []doctor.Result
	out, err := w.command(
		"doctor", "--json", "--state-dir", w.dir, "--listen", w.listen, "--server", w.sandbox.DNSAddr(),
		"--docker-host", engine.Host(),
		"--max-weight=0", "--weight=0").
		Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &results))
	require.Len(t, results, 23)
	assert.Equal(t, doctor.Result{
		Check:  "ready",
		State:  doctor.OK,
		Detail: "the agent has all that it needs",
	}, results[4])
	assert.NotContains(t, string(out), "\x1b", "no colour but on a terminal")

	after, same := journal()
	assert.Equal(t, content, after)
	assert.Equal(t, inode, same, "the journal was not written again")
	assert.Equal(t, records, w.sandbox.Records(w.zone))
	assert.Equal(t, log, w.log.String(), "the agent has nothing to say")
}

func engineVersion(t *testing.T, engine *enginetest.Own) string {
	v, err := engine.Client().ServerVersion(t.Context())
	require.NoError(t, err)
	return v.Version + " (API " + v.APIVersion + ")"
}

// metadataOf stands for the sandbox's address.
const metadataOf = "http://METADATA"

// Whatever gives no answer, ecssd doctor says so of each thing, and ends.
func TestDoctorWhereNothingAnswers(t *testing.T) {
	t.Parallel()
	proxy := enginetest.NewProxy(t)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { deaf.Close() })
	for name, c := range map[string]struct {
		args, environment []string
		metadata          imds.Mode
		want              []string // among what is amiss
	}{
		"nothing at all": {
			metadata: imds.Silent,
			environment: []string{
				"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONFIG_FILE=/dev/null",
				"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
			},
			want: []string{
				"FAIL metadata this host does not know who it is: no answer in time",
				"FAIL credentials there are no credentials: no answer in time",
				"skip zone not checked: no credentials", "skip write not checked: no credentials",
			},
		},
		"AWS, though there are credentials": {
			metadata: imds.Up,
			want: []string{
				"skip hops not checked: no answer in time",
				"skip credentials there are credentials (EnvConfigCredentials); whose they are is not checked: no " +
					"answer in time",
				"skip clock not checked: AWS gave no answer to compare with",
				"FAIL zone Route 53 cannot be reached: no answer in time",
				"skip vpc not checked: no answer in time", "skip read not checked: see zone",
			},
		},
		"Route 53's listings": {
			metadata: imds.Up, args: []string{"--zone-id=Z"},
			want: []string{
				"FAIL read Route 53 cannot be reached: no answer in time",
				"skip write not checked: see read",
				"skip names not checked: see read",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(
				t,
				"--docker-host="+proxy.Host(),
				"--listen="+deaf.Addr().String(),
				"--server="+silent.LocalAddr().String(),
			)
			w.environment = c.environment
			if c.args != nil {
				w.args = append(w.args, "--zone-id="+w.zone)
				require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{
					Kind:      sandbox.Stall,
					Operation: "ListResourceRecordSets",
				}))
			} else {
				require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{Kind: sandbox.Stall}))
			}
			require.NoError(t, w.sandbox.Metadata().SetMode(c.metadata))
			proxy.Hold("/")
			began := time.Now()
			e := w.examine()
			t.Logf("took %s: %s", time.Since(began), e.lines[len(e.lines)-1])
			assert.Equal(t, 1, e.status)
			amiss := squeezed(strings.ReplaceAll(e.amiss(), w.sandbox.URL(), metadataOf))
			for _, want := range append(c.want,
				"FAIL engine the Docker Engine does not answer at "+proxy.Host()+": no answer in time",
				"FAIL agent no agent runs here, or it does not answer at "+deaf.Addr().String()+": no answer in time",
				"FAIL dns the resolver here does not answer: no answer in time ("+silent.LocalAddr().String()+")",
			) {
				assert.Contains(t, amiss, want+"\n")
			}
			assert.Len(t, slices.Collect(e.checks()), 16, "each check has its line:\n%s", strings.Join(e.lines, "\n"))
		})
	}
}

// squeezed returns lines with one blank between words.
func squeezed(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		lines.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return lines.String()
}

// checks returns the names of the checks of which there is a line, each once.
func (e examined) checks() iter.Seq[string] {
	seen := map[string]bool{}
	for _, line := range e.lines[:len(e.lines)-2] {
		if fields := strings.Fields(line); fields[0] != "hint:" {
			seen[fields[1]] = true
		}
	}
	return maps.Keys(seen)
}

// An agent whose stream of events is open and silent is ready, and learns nothing.
func TestDoctorFindsADeafAgent(t *testing.T) {
	t.Parallel()
	proxy := enginetest.NewProxy(t)
	w := newWorld(t, "--docker-host="+proxy.Host(), "--resync=1h")
	w.start()
	w.args = nil // the command asks the Engine itself
	w.ran("known", enginetest.Options{})
	w.has("known", 1)
	proxy.Hold("/events")
	w.ran("web", enginetest.Options{})
	heard := func() string {
		e := w.examine()
		i := slices.IndexFunc(e.lines, func(line string) bool { return strings.Contains(line, "  heard  ") })
		require.GreaterOrEqual(t, i, 0, strings.Join(e.lines, "\n"))
		assert.Contains(t, e.lines, "ok    ready        the agent has all that it needs")
		return strings.Join(strings.Fields(e.lines[i]), " ")
	}
	w.eventually("the doctor says so", func() bool {
		return strings.HasPrefix(heard(), "FAIL heard the agent has not heard of web, which started ")
	})
	proxy.Restore()
	w.has("web", 1)
	const sound = "ok heard the agent knows every container that is to be registered"
	assert.Equal(t, sound, heard())

	w.stop()
	w.args = []string{"--docker-host=" + proxy.Host()}
	proxy.Hold("/containers")
	w.start()
	w.args = nil
	time.AfterFunc(time.Second, proxy.Restore)
	assert.Equal(t, sound, heard(), "an agent that has not looked yet is given the time to")
}

// Who is not root is told what was left out.
func TestDoctorWithoutRoot(t *testing.T) {
	t.Parallel()
	if asRoot(t) {
		return
	}
	w := newWorld(t)
	w.wellKept()
	require.NoError(t, os.Chmod(w.dir, 0o700))
	socket := filepath.Join(t.TempDir(), "docker.sock") // one that only root may use
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	require.NoError(t, os.Chmod(socket, 0o600))
	open(t, filepath.Dir(socket))
	program := filepath.Join(t.TempDir(), "ecssd")
	open(t, filepath.Dir(program))
	content, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755))

	command := w.command(
		"doctor",
		"--state-dir",
		w.dir,
		"--listen",
		w.listen,
		"--server",
		w.sandbox.DNSAddr(),
		"--docker-host",
		"unix://"+socket,
	)
	command.Path, command.Dir = program, "/"
	command.Env = append(command.Env, "HOME=/")
	command.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true},
	}
	out, _ := command.Output()
	for _, line := range []string{
		"skip  engine       not checked: this user may not use the Docker Engine at unix://" + socket + "\n" +
			"                   hint: run this as root (sudo ecssd doctor), or as a member of group docker\n",
		"skip  standby      not checked: this user may not look into " + w.dir + "\n                   hint: run " +
			"this as root: sudo ecssd doctor\n",
		"skip  names        not checked: neither the containers nor the journal could be read\n",
		"skip  state        the journal is not checked: this user may not read it\n",
		"ok    zone ", "ok    write ",
	} {
		assert.Contains(t, string(out), line)
	}
}

// open lets everybody into a directory, and into those that it is in, as far as they are the test's.
func open(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
}

// On a terminal states have colours, unless NO_COLOR says otherwise.
func TestDoctorOnATerminal(t *testing.T) {
	t.Parallel()
	for variable, coloured := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		w := newWorld(t)
		main, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
		require.NoError(t, err)
		require.NoError(t, unix.IoctlSetPointerInt(int(main.Fd()), unix.TIOCSPTLCK, 0))
		number, err := unix.IoctlGetInt(int(main.Fd()), unix.TIOCGPTN)
		require.NoError(t, err)
		terminal, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
		require.NoError(t, err)
		var shown logBuffer
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(&shown, main) // until the other end is closed
		}()
		command := w.command("doctor", "--state-dir", w.dir, "--listen", w.listen, "--server", w.sandbox.DNSAddr())
		command.Env = append(command.Env, "TERM=xterm", variable)
		command.Stdout = terminal
		_ = command.Run()
		require.NoError(t, terminal.Close())
		<-read
		require.NoError(t, main.Close())
		assert.Contains(t, shown.String(), "agent  ", variable)
		assert.Equal(t, coloured, strings.Contains(shown.String(), "\x1b[31mFAIL\x1b[0m  agent"), variable)
		assert.Equal(t, coloured, strings.Contains(shown.String(), "\x1b"), variable)
	}
}

func TestDoctorTellsTheTime(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]string{
		time.Minute:     `(?m)^warn  clock +this host's clock is (59s|1m0s|1m1s) ahead of AWS's, which refuses calls from 5 minutes on$`,
		-10 * time.Hour: `(?m)^FAIL  clock +this host's clock is (9h59m59s|10h0m0s|10h0m1s) behind AWS's, which refuses calls signed so$`,
	} {
		w := newWorld(t)
		target, err := url.Parse(w.sandbox.URL())
		require.NoError(t, err)
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ModifyResponse = func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(-ahead).UTC().Format(http.TimeFormat))
			return nil
		}
		server := httptest.NewServer(proxy)
		t.Cleanup(server.Close)
		w.environment = []string{"AWS_ENDPOINT_URL=" + server.URL}
		assert.Regexp(t, want, strings.Join(w.examine().lines, "\n"))
	}
}

func TestDoctorMakesARoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.sandbox.ClearCalls() // among them, that the agent may change the zone
	w.sandbox.Configure(func(s *sandbox.Settings) { s.Propagation = 1500 * time.Millisecond })
	require.NoError(t, w.sandbox.AddFault(sandbox.Fault{
		Kind:      sandbox.Lose,
		Operation: "ChangeResourceRecordSets",
		After:     2,
		Count:     1,
	}))
	before := w.sandbox.Records(w.zone)
	e := w.examine("--round-trip")
	assert.Regexp(
		t,
		`(?m)^ok +round-trip +a record was written, resolvable here after (1\.[5-9]|[2-9]|\d\d)[0-9.]*s, and removed$`,
		strings.Join(e.lines, "\n"),
	)
	assert.Equal(
		t,
		before,
		w.sandbox.Records(w.zone),
		"nothing is left over, though the answer to the removal was lost",
	)
	require.Len(t, w.changes(), 4, "the try, the record, its removal, and that again")
	changed := w.changes()[1].Changes[0].Set
	assert.Regexp(
		t,
		`^\\052\.ecssd-doctor-[0-9a-f]{16}\.servicediscovery\.internal\.?$`,
		changed.Name,
		"a wildcard: no look is answered from what a resolver keeps of the last",
	)
	assert.Regexp(t, `^`+instanceID+`:docker:[0-9a-f]{64}:9/tcp$`, changed.SetIdentifier)
}

func TestDoctorIsBrokenOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sandbox.Configure(func(s *sandbox.Settings) { s.Propagation = time.Hour })
	command := w.command(
		"doctor",
		"--round-trip",
		"--state-dir",
		w.dir,
		"--listen",
		w.listen,
		"--server",
		w.sandbox.DNSAddr(),
	)
	var out logBuffer
	command.Stdout = &out
	require.NoError(t, command.Start())
	w.eventually("the record is written", func() bool { return len(w.own()) == 1 })
	require.NoError(t, command.Process.Signal(syscall.SIGINT))
	_ = command.Wait()
	assert.Empty(t, w.own())
	assert.Contains(t, out.String(), "interrupted; no record is left\n")
}

// A record that is left over, since the host died in the middle of a round trip, goes with the host.
func TestSweeperRemovesWhatDoctorLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.sandbox.Seed(w.zone, sandbox.Set{
		Name:          "*.ecssd-doctor-0123456789abcdef." + zoneName,
		Type:          "SRV",
		SetIdentifier: instanceID + ":docker:" + strings.Repeat("0a", 32) + ":9/tcp",
		Weight:        new(int64(1)),
		Values:        []string{"1 1 9 " + zoneName},
	}))
	sweep := func() {
		out, err := w.command("sweep", "--check-health").CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	sweep()
	assert.Len(t, w.own(), 1, "as that of any container of a host that lives")
	require.NoError(
		t,
		w.sandbox.Fleet().
			EditInstance(instanceID, account.Patch[account.Instance](json.RawMessage(`{"state": "terminated"}`))),
	)
	sweep()
	assert.Empty(t, w.own())
}
