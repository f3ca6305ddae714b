package cloudformation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// host is a directory that plays a new container instance. User data runs unchanged, in a mount namespace in which /etc
// and /opt are directories of the host. Commands that would reach beyond are replaced by ones that record their
// arguments.
type host struct {
	dir string
	env []string
}

// pack plays the package: installing it runs it, which shows anything that runs before its digest is compared. Like the
// real one it keeps existing settings, and restarts a running agent.
const pack = `cat >/opt/bin/ecssd <<'END'
#!/bin/bash
note "$@"
echo ecssd 1.2.30
END
chmod +x /opt/bin/ecssd
mkdir -p /etc/ecssd
[[ -e /etc/ecssd/ecssd.conf ]] || echo '# Settings of the agent.' >/etc/ecssd/ecssd.conf
[[ ! -e /opt/running ]] || cp /etc/ecssd/ecssd.conf /opt/running
`

// commands are those that a host has from the start, or (those of spare) after their package is installed.
var commands = map[string]string{
	// Records the command's arguments, and fails if the test wants that.
	"bin/note": `#!/bin/bash
command=${0##*/}
if [[ $command = note ]]; then
    command=$(</proc/$PPID/comm)
fi
echo "$command $*" >>/opt/calls
[[ ! -e /opt/failing/$command ]]
`,
	"bin/dnf": `#!/bin/bash
note "$@" || exit
for package in "$@"; do
    case $package in
    aws-cfn-bootstrap) mkdir -p /opt/aws/bin; cp /opt/spare/cfn-signal /opt/aws/bin ;;
    awscli-2) cp /opt/spare/aws /opt/bin ;;
    esac
done
`,
	"bin/curl":     "#!/bin/bash\nnote \"$@\" && exec /usr/bin/curl \"$@\"\n",
	"bin/rpm":      "#!/bin/bash\nnote \"$@\" && bash \"${!#}\"\n",
	"bin/shutdown": "#!/bin/bash\nnote \"$@\"\n",
	// The agent that runs is the file of settings that it has read; a unit that is not there cannot be stopped.
	"bin/systemctl": `#!/bin/bash
note "$@" || exit
case "$*" in
"stop ecssd.service") [[ -e /opt/bin/ecssd ]] && rm -f /opt/running ;;
"enable --now --no-block ecssd.service") [[ -e /opt/running ]] || cp /etc/ecssd/ecssd.conf /opt/running ;;
esac
`,
	// The cluster has its capacity provider, or gets it while this server sleeps.
	"bin/sleep": `#!/bin/bash
note "$@"
echo servers-ecs-shop >/opt/providers
`,
	"spare/aws": `#!/bin/bash
note "$@" || exit
case $1 in
s3) cp /opt/package "${!#}" ;;
ecs) cat /opt/providers ;;
esac
`,
	"spare/cfn-signal": "#!/bin/bash\nnote \"$@\"\n",
}

func newHost(t *testing.T) host {
	t.Helper()
	h := host{dir: t.TempDir()}
	for _, dir := range []string{"etc/ecs", "etc/systemd/system", "opt/bin", "opt/spare", "opt/failing", "tmp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(h.dir, dir), 0o755))
	}
	for name, script := range commands {
		h.write(t, "opt/"+name, script)
	}
	h.write(t, "etc/ecs/ecs.config", "ECS_LOGLEVEL=info\n")
	h.write(t, "opt/package", pack)
	h.write(t, "opt/providers", "servers-ecs-shop\n")
	h.env = []string{
		"PATH=/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"TMPDIR=" + filepath.Join(h.dir, "tmp"),
		"CURL_HOME=" + h.dir,
	}
	return h
}

func (h host) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o755))
}

// read returns the content of a file, or nothing if it does not exist.
func (h host) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, name))
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	return string(text)
}

func (h host) calls(t *testing.T) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(h.read(t, "opt/calls"), "\n"), "\n")
}

// run runs a command on the host and returns its exit status and output.
func (h host) run(t *testing.T, command ...string) (int, string) {
	t.Helper()
	unshare := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	mount := `mount --bind "$0/etc" /etc && mount --bind "$0/opt" /opt && cd / && exec "$@"`
	cmd := exec.Command(unshare[0], append(append(unshare[1:], "--", "/bin/sh", "-c", mount, h.dir), command...)...)
	cmd.Env = h.env
	out, err := cmd.CombinedOutput()
	if !errors.As(err, new(*exec.ExitError)) {
		require.NoError(t, err, "%s", out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// boot runs the user data of the stack.
func (h host) boot(t *testing.T, s stack) (int, string) {
	t.Helper()
	h.write(t, "user-data", userData(t, s))
	return h.run(t, filepath.Join(h.dir, "user-data"))
}

func userData(t *testing.T, s stack) string {
	t.Helper()
	return s.server(t)["UserData"].(string)
}

// packaged is the environment whose AgentSha256 is that of pack.
func packaged(t *testing.T) stack {
	t.Helper()
	digest := sha256.Sum256([]byte(pack))
	return environment(t, with(environmentParameters(), "AgentSha256", hex.EncodeToString(digest[:])))
}

const signalled = "cfn-signal --stack ecs-shop --resource ServerGroup --region eu-central-1 --exit-code "

func TestUserDataInstallsTheAgentFromS3(t *testing.T) {
	h := newHost(t)
	status, out := h.boot(t, packaged(t))
	require.Zero(t, status, "%s", out)
	assert.Equal(t, []string{
		"systemctl disable --now --no-block ecs.service",
		"dnf install -y aws-cfn-bootstrap awscli-2",
		"aws s3 cp --only-show-errors --region eu-central-1 s3://artifacts/ecssd/ecssd-1.2.30-1.x86_64.rpm ecssd.rpm",
		"systemctl stop ecssd.service",
		"rpm --upgrade --oldpackage --replacepkgs ecssd.rpm",
		"ecssd version",
		"systemctl enable --now --no-block ecssd-join.service",
		"systemctl enable --now --no-block ecssd.service",
	}, h.calls(t))
	assert.Equal(
		t,
		"# Settings of the "+
			"agent.\n\nECSSD_ZONE=servicediscovery.internal\nECSSD_ZONE_ID=Z0123456789ABCDEFGHIJ\nECSSD_EVENT_BUS=\n",
		h.read(t, "etc/ecssd/ecssd.conf"),
	)
	assert.Equal(
		t,
		"ECS_LOGLEVEL=info\nECS_CLUSTER=ECSCluster\nECS_AWSVPC_BLOCK_IMDS=true\n",
		h.read(t, "etc/ecs/ecs.config"),
	)
}

// On an image that contains the package the agent runs before user data, without the zone's ID.
func TestAgentThatRunsAlreadyGetsItsSettings(t *testing.T) {
	h := newHost(t)
	require.NoError(t, os.Mkdir(filepath.Join(h.dir, "etc/ecssd"), 0o755))
	for _, name := range []string{"etc/ecssd/ecssd.conf", "opt/running"} {
		h.write(t, name, "ECSSD_LOG_LEVEL=debug\n")
	}
	h.write(t, "opt/bin/ecssd", "#!/bin/bash\necho ecssd 1.2.29\n")
	status, out := h.boot(t, packaged(t))
	require.Zero(t, status, "%s", out)
	want := "ECSSD_LOG_LEVEL=debug\n\nECSSD_ZONE=servicediscovery.internal\n" +
		"ECSSD_ZONE_ID=Z0123456789ABCDEFGHIJ\nECSSD_EVENT_BUS=\n"
	assert.Equal(t, want, h.read(t, "etc/ecssd/ecssd.conf"))
	assert.Equal(t, want, h.read(t, "opt/running"), "the settings that the agent has read")
}

// web makes the host's curl reach handler at https://packages.example.com and http://packages.example.com.
func (h host) web(t *testing.T, handler http.Handler) {
	t.Helper()
	secure, plain := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	h.write(t, "ca.pem", string(certificate))
	h.write(
		t,
		".curlrc",
		fmt.Sprintf("cacert = %q\nconnect-to = \"example.com:443:%s\"\nconnect-to = \"example.com:80:%s\"\n",
			filepath.Join(h.dir, "ca.pem"), address(t, secure), address(t, plain)),
	)
}

func address(t *testing.T, server *httptest.Server) string {
	t.Helper()
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	return at.Host
}

func TestUserDataInstallsTheAgentFromTheWeb(t *testing.T) {
	h := newHost(t)
	mux := http.NewServeMux()
	mux.Handle("GET /download/ecssd.rpm", http.RedirectHandler("https://example.com/store/1", http.StatusFound))
	mux.HandleFunc("GET /store/1", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, pack) })
	h.web(t, mux)
	s := packaged(t)
	s.parameters["AgentUrl"] = "https://example.com/download/ecssd.rpm"
	status, out := h.boot(t, s)
	require.Zero(t, status, "%s", out)
	calls := strings.Join(h.calls(t), "\n")
	assert.Regexp(
		t,
		`(?s)curl .*https://example.com/download/ecssd.rpm\nsystemctl stop ecssd.service\nrpm .* ecssd.rpm\n.*systemctl enable --now --no-block ecssd.service$`,
		calls,
	)
}

// A server on which the agent cannot be installed as given never runs ECS, logs the reason, and shuts down.
func TestUserDataShutsDownIfTheAgentCannotBeInstalled(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(h host, s stack)
		says    string
		calls   []string // between the one that keeps ECS off and those that give up
	}{
		"package with another digest": {
			func(h host, s stack) { s.parameters["AgentSha256"] = strings.Repeat("0", 64) },
			"ecssd.rpm: FAILED",
			[]string{"dnf", "aws"},
		},
		"download fails": {
			func(h host, _ stack) { h.write(t, "opt/failing/aws", "") },
			"see above",
			[]string{"dnf", "aws"},
		},
		"download from the web fails": {
			func(h host, s stack) {
				s.parameters["AgentUrl"] = "https://example.com/ecssd.rpm"
				h.write(t, "opt/failing/curl", "")
			},
			"see above",
			[]string{"dnf", "curl"},
		},
		"redirect to plain HTTP": {
			func(h host, s stack) {
				s.parameters["AgentUrl"] = "https://example.com/ecssd.rpm"
				h.web(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.TLS != nil {
						http.Redirect(w, r, "http://example.com/ecssd.rpm", http.StatusFound)
					} else {
						fmt.Fprint(w, pack)
					}
				}))
				// Each attempt fails alike; five more would take half a minute.
				h.write(t, "opt/bin/curl", "#!/bin/bash\nnote \"$@\" && exec /usr/bin/curl \"$@\" --retry 0\n")
			},
			`Protocol "http" not supported or disabled`,
			[]string{"dnf", "curl"},
		},
		"package cannot be installed": {
			func(h host, _ stack) { h.write(t, "opt/failing/rpm", "") },
			"see above",
			[]string{"dnf", "aws", "systemctl", "rpm"},
		},
		"another version in the package": {
			func(_ host, s stack) { s.parameters["AgentVersion"] = "1.2.3" },
			`The package holds "ecssd 1.2.30", not "ecssd 1.2.3"`,
			[]string{"dnf", "aws", "systemctl", "rpm", "ecssd"},
		},
		"ECS cannot be disabled": {
			func(h host, _ stack) { h.write(t, "opt/failing/systemctl", "") },
			"see above",
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHost(t), packaged(t)
			c.prepare(h, s)
			status, out := h.boot(t, s)
			assert.NotZero(t, status)
			assert.Contains(t, out, c.says)
			calls := h.calls(t)
			assert.Equal(t, "systemctl disable --now --no-block ecs.service", calls[0])
			assert.Equal(t, "shutdown -h now", calls[len(calls)-1])
			calls = calls[1 : len(calls)-1]
			if c.calls != nil {
				last := len(calls) - 1
				assert.Equal(t, signalled+"1", calls[last])
				calls = calls[:last]
			}
			var names []string
			for _, call := range calls {
				name, _, _ := strings.Cut(call, " ")
				names = append(names, name)
			}
			assert.Equal(t, c.calls, names)
			assert.Equal(t, "ECS_LOGLEVEL=info\n", h.read(t, "etc/ecs/ecs.config"))
		})
	}
}

// If cfn-signal is missing, or fails, the server shuts down nevertheless.
func TestUserDataShutsDownWithoutASignal(t *testing.T) {
	for _, broken := range []string{"dnf", "cfn-signal"} {
		t.Run(broken, func(t *testing.T) {
			h, s := newHost(t), packaged(t)
			s.parameters["AgentSha256"] = strings.Repeat("0", 64)
			h.write(t, "opt/failing/"+broken, "")
			status, _ := h.boot(t, s)
			assert.NotZero(t, status)
			calls := h.calls(t)
			assert.Equal(t, "shutdown -h now", calls[len(calls)-1])
		})
	}
}

// A parameter's value reaches its destination unchanged, and is never run by a shell.
func TestUserDataRunsNothingOfItsParameters(t *testing.T) {
	h, s := newHost(t), packaged(t)
	odd := map[string]string{
		"AgentUrl":      "https://example.com/$(touch$IFS/opt/run)/;&/a.rpm?b=$(id)&c=*;d",
		"AgentSettings": "ECSSD_ALLOW_NAMES=^(web|$(touch${IFS}/opt/run)|`id`)*$;&>/opt/run ECSSD_LISTEN=/*",
	}
	for name, value := range odd {
		require.True(t, s.accepts(t, name, value), name)
		s.parameters[name] = value
	}
	h.write(t, "opt/bin/curl", "#!/bin/bash\nnote \"$@\" && cp /opt/package ecssd.rpm\n")
	status, out := h.boot(t, s)
	require.Zero(t, status, "%s", out)
	assert.NoFileExists(t, filepath.Join(h.dir, "opt/run"))
	assert.Contains(t, h.read(t, "opt/calls"), "--output ecssd.rpm "+odd["AgentUrl"]+"\n")
	assert.Contains(
		t,
		h.read(t, "etc/ecssd/ecssd.conf"),
		"\nECSSD_ALLOW_NAMES=^(web|$(touch${IFS}/opt/run)|`id`)*$;&>/opt/run\nECSSD_LISTEN=/*\n"+
			"ECSSD_ZONE=servicediscovery.internal\n",
	)
}

// joins boots a host, runs the unit that user data installs, and returns the commands that this ran, except those that
// look for the capacity provider. The agents are servers at two addresses.
func (h host) joins(t *testing.T, agent, ecs http.HandlerFunc) []string {
	t.Helper()
	status, out := h.boot(t, packaged(t))
	require.Zero(t, status, "%s", out)
	return h.joining(t, agent, ecs)
}

// joining runs the unit that user data has installed, as a boot does.
func (h host) joining(t *testing.T, agent, ecs http.HandlerFunc) []string {
	t.Helper()
	before := len(h.calls(t))
	_, rest, _ := strings.Cut(h.read(t, "etc/systemd/system/ecssd-join.service"), "\nExecStart=")
	line, _, _ := strings.Cut(rest, "\n")
	command := strings.Fields(line)
	for _, argument := range command {
		assert.Regexp(
			t,
			`^[\w./-]+$`,
			argument,
			"systemd has a meaning of its own for other characters in a command line",
		)
	}
	agentAt, ecsAt := httptest.NewServer(agent), httptest.NewServer(ecs)
	defer agentAt.Close()
	defer ecsAt.Close()
	h.write(
		t,
		".curlrc",
		fmt.Sprintf(
			"connect-to = \"127.0.0.1:9553:%s\"\nconnect-to = \"127.0.0.1:51678:%s\"\n",
			address(t, agentAt),
			address(t, ecsAt),
		),
	)
	_, out := h.run(t, command...)
	t.Log(out)
	return slices.DeleteFunc(h.calls(t)[before:], func(call string) bool {
		return call == "aws ecs describe-clusters --region eu-central-1 --clusters ECSCluster --query "+
			"clusters[0].capacityProviders --output text"
	})
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

func notReady(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "zone: not found yet", http.StatusServiceUnavailable)
}

// curl retries as user data says, unless the test limits it to one attempt.
const impatient = "#!/bin/bash\nnote \"$@\" && exec /usr/bin/curl \"$@\" --retry 0\n"

const (
	asksAgent = "curl --silent --show-error --fail --fail-early --max-time 5 --retry 120 --retry-delay 5 " +
		"--retry-max-time 600 --retry-all-errors http://127.0.0.1:9553/readyz"
	asksBoth  = asksAgent + " http://127.0.0.1:51678/v1/metadata"
	startsECS = "systemctl enable --now ecs.service"
	isDone    = "systemctl disable ecssd-join.service"
)

func TestServerJoinsAndReportsWhenBothAgentsAreAtWork(t *testing.T) {
	var asked atomic.Int32
	second := func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			notReady(w, r)
		} else {
			ok(w, r)
		}
	}
	assert.Equal(t, []string{startsECS, asksBoth, signalled + "0", isDone}, newHost(t).joins(t, second, ok))
	assert.Equal(t, int32(2), asked.Load())
}

func TestServerReportsThatAnAgentIsNotAtWork(t *testing.T) {
	for name, c := range map[string]struct{ agent, ecs http.HandlerFunc }{
		"ecssd": {notReady, ok},
		"ECS":   {ok, notReady},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.write(t, "opt/bin/curl", impatient)
			assert.Equal(t, []string{startsECS, asksBoth, signalled + "22", isDone}, h.joins(t, c.agent, c.ecs))
		})
	}
}

// While the stack is created the capacity provider waits for the group, the group for the server's signal, and the
// server, with its registration, for the capacity provider.
func TestServerOfANewStackRegistersAfterTheCapacityProvider(t *testing.T) {
	require.Equal(
		t,
		"servers-ecs-shop",
		packaged(t).resources(t)["CapacityProvider"]["Name"],
		"the name that hosts look for",
	)
	h := newHost(t)
	h.write(t, "opt/providers", "None\n")
	assert.Equal(t, []string{
		asksAgent,
		signalled + "0",
		"sleep 5",
		startsECS,
		asksBoth,
		signalled + "0",
		isDone,
	}, h.joins(t, ok, ok))

	h = newHost(t)
	h.write(t, "opt/providers", "None\n")
	h.write(t, "opt/bin/curl", impatient)
	assert.Equal(t, []string{asksAgent, signalled + "22"}, h.joins(t, notReady, ok)[:2])
}

// User data runs only at the first boot, and disables ECS. Therefore a unit joins the cluster, which later boots start
// again until it has succeeded.
func TestServerThatRebootsBeforeItHasJoinedJoinsAfterwards(t *testing.T) {
	h := newHost(t)
	status, out := h.boot(t, packaged(t))
	require.Zero(t, status, "%s", out)
	unit := h.read(t, "etc/systemd/system/ecssd-join.service")
	assert.Contains(t, unit, "\n[Install]\nWantedBy=multi-user.target\n")
	assert.Contains(t, h.calls(t), "systemctl enable --now --no-block ecssd-join.service")
	assert.NotContains(t, h.calls(t), isDone, "before it has run")
	// What it runs is still there after a reboot: nothing below /tmp or /run, and no directory of user data.
	assert.Contains(t, unit, "\nExecStart=/bin/bash /etc/ecssd/join.sh\n")
	// ECS starts at the end of the boot (After=cloud-final.service), which waits for multi-user.target, which waits for
	// a oneshot.
	assert.Contains(t, unit, "\nType=exec\n")

	path := filepath.Join(h.dir, "etc/systemd/system/ecssd-join.service")
	verified, err := exec.Command("systemd-analyze", "verify", path).CombinedOutput()
	assert.NoError(t, err, "%s", verified)
	assert.Empty(t, string(verified))

	// Twice: the server went down before the agents were ready, and did not get as far as to report.
	for range 2 {
		assert.Equal(t, []string{startsECS, asksBoth, signalled + "0", isDone}, h.joining(t, ok, ok))
	}
}

func TestUserDataIsCleanShell(t *testing.T) {
	text := userData(t, environment(t, environmentParameters()))
	assert.LessOrEqual(t, len(text), 16384, "EC2 takes 16 KB of user data")
	_, err := exec.LookPath("shellcheck")
	require.NoError(t, err, "install the package shellcheck")
	// Excluded: functions that are never called; these are called by a trap and by another shell.
	check := exec.Command("shellcheck", "--severity=info", "--exclude=SC2317,SC2329", "-")
	check.Stdin = strings.NewReader(text)
	var out bytes.Buffer
	check.Stdout, check.Stderr = &out, &out
	assert.NoError(t, check.Run(), "%s", out.String())
}
