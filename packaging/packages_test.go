package packaging_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rpmArch names what Go calls an architecture.
var rpmArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// What is released is built as it is for a release, once here, and once elsewhere: from a copy of the source, by a
// machine of another name and time zone, for a user with another umask. The copy then becomes the next version, with
// other settings in its packages.
func TestPackages(t *testing.T) {
	t.Parallel()
	require.Zero(t, os.Getuid(), "packages are tested by installing them: run this as root")
	epoch := "0" // outside of git
	if out, err := exec.Command("git", "log", "-1", "--format=%ct").Output(); err == nil {
		epoch = strings.TrimSpace(string(out))
	}
	first := build(t, "..", "1.2.3")
	elsewhere := copySource(t)
	second := build(t, elsewhere, "1.2.3", "env", "SOURCE_DATE_EPOCH="+epoch, "TZ=Pacific/Auckland",
		"unshare", "--uts", "sh", "-c", `umask 077 && hostname elsewhere && exec "$@"`, "sh")
	change(t, filepath.Join(elsewhere, "packaging/ecssd.conf"), "# A line of the next version.\n")
	next := t.TempDir()
	run(t, elsewhere, filepath.Join(elsewhere, "packaging/dist"), filepath.Join(elsewhere, "bin"), next, "1.2.4")

	t.Run("bytes", func(t *testing.T) { sameBytes(t, first, second) })
	t.Run("sums", func(t *testing.T) { trueSums(t, first) })
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(
			"program "+arch,
			func(t *testing.T) { static(t, filepath.Join(first, "ecssd-1.2.3-linux-"+arch), machine) },
		)
		t.Run("deb "+arch, func(t *testing.T) { debContent(t, first, arch, epoch) })
		t.Run("rpm "+arch, func(t *testing.T) { rpmContent(t, first, arch, epoch) })
	}
	t.Run("one version", func(t *testing.T) {
		assert.Equal(
			t,
			"ecssd 1.2.3",
			run(t, ".", filepath.Join(first, "ecssd-1.2.3-linux-"+runtime.GOARCH), "version"),
		)
	})
	t.Run("licences", func(t *testing.T) {
		text, err := os.ReadFile(filepath.Join(first, "LICENSES"))
		require.NoError(t, err)
		for _, line := range []string{
			"ecssd 1.2.3", "Go " + runtime.Version(), "github.com/aws/aws-lambda-go ", "github.com/docker/docker ",
			"Apache License",
		} {
			assert.Contains(t, string(text), line)
		}
	})
	t.Run("deb installed", func(t *testing.T) {
		name := "ecssd_%s-1_" + runtime.GOARCH + ".deb"
		debian{
			newHost(t),
		}.live(t, filepath.Join(first, fmt.Sprintf(name, "1.2.3")), filepath.Join(next, fmt.Sprintf(name, "1.2.4")))
	})
	t.Run("rpm installed", func(t *testing.T) {
		name := "ecssd-%s-1." + rpmArch[runtime.GOARCH] + ".rpm"
		fedora{
			newHost(t),
		}.live(t, filepath.Join(first, fmt.Sprintf(name, "1.2.3")), filepath.Join(next, fmt.Sprintf(name, "1.2.4")))
	})
}

// run runs a command and gives what it prints. A make that runs this test does not count for one that is run.
func run(t *testing.T, dir string, command ...string) string {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	c.Dir = dir
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=") ||
			strings.HasPrefix(v, "SOURCE_DATE_EPOCH=")
	})
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s: %s", strings.Join(command, " "), out)
	return strings.TrimSpace(string(out))
}

// build runs make dist in a source tree, after what is put in front of it, and gives the directory of what is released.
func build(t *testing.T, source, version string, before ...string) string {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(source, "bin")
	if source == ".." {
		out = t.TempDir()
	}
	run(t, source, append(before, "make", "dist", "OUT="+out, "DIST="+dir, "VERSION="+version)...)
	return dir
}

// copySource copies all that git has or would take.
func copySource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(
		t,
		"..",
		"sh",
		"-c",
		`git ls-files -z -co --exclude-standard --deduplicate | tar --null --ignore-failed-read -cT - | tar -xC "$1"`,
		"sh",
		dir,
	)
	return dir
}

func change(t *testing.T, path, more string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(text, more...), 0o644))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return found
}

func sameBytes(t *testing.T, first, second string) {
	assert.ElementsMatch(t, []string{
		"LICENSES", "SHA256SUMS",
		"ecssd-1.2.3-1.aarch64.rpm", "ecssd-1.2.3-1.x86_64.rpm", "ecssd_1.2.3-1_amd64.deb", "ecssd_1.2.3-1_arm64.deb",
		"ecssd-1.2.3-linux-amd64", "ecssd-1.2.3-linux-arm64", "sweeper-1.2.3-amd64.zip", "sweeper-1.2.3-arm64.zip",
	}, names(t, first))
	require.Equal(t, names(t, first), names(t, second))
	for _, name := range names(t, first) {
		before, err := os.ReadFile(filepath.Join(first, name))
		require.NoError(t, err)
		after, err := os.ReadFile(filepath.Join(second, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(before, after), "%s is another each time", name)
		info, err := os.Stat(filepath.Join(second, name))
		require.NoError(t, err)
		mode := "-rw-r--r--"
		if strings.Contains(name, "-linux-") {
			mode = "-rwxr-xr-x"
		}
		assert.Equal(t, mode, info.Mode().String(), name)
	}
}

func trueSums(t *testing.T, dir string) {
	var want strings.Builder
	for _, name := range names(t, dir) {
		if name != "SHA256SUMS" {
			content, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			fmt.Fprintf(&want, "%x  %s\n", sha256.Sum256(content), name)
		}
	}
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	assert.ElementsMatch(t, slices.Collect(strings.Lines(want.String())), slices.Collect(strings.Lines(string(sums))))
}

// static checks that a program runs on any Linux, and has nothing in it that only a debugger reads.
func static(t *testing.T, path string, machine elf.Machine) {
	program, err := elf.Open(path)
	require.NoError(t, err)
	defer program.Close()
	assert.Equal(t, machine, program.Machine)
	for _, p := range program.Progs {
		assert.NotEqual(t, elf.PT_INTERP, p.Type, "dynamic")
	}
	_, err = program.Symbols()
	assert.ErrorIs(t, err, elf.ErrNoSymbols)
	assert.Nil(t, program.Section(".debug_info"))
}

// installed is what both packages put onto a host, beside the licences.
var installed = []string{
	"-rw-r--r-- root root /etc/ecssd/ecssd.conf",
	"-rw-r--r-- root root /usr/lib/systemd/system/ecssd-deregister.service",
	"-rw-r--r-- root root /usr/lib/systemd/system/ecssd.service",
	"-rw-r--r-- root root /usr/share/ecssd/alerts.yml",
	"-rw-r--r-- root root /usr/share/ecssd/grafana.json",
	"-rwxr-xr-x root root /usr/bin/ecssd",
}

// script returns what a script has to be in a package.
func script(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("scripts", name))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

func debContent(t *testing.T, dir, arch, epoch string) {
	path := filepath.Join(dir, "ecssd_1.2.3-1_"+arch+".deb")
	var files []string
	content := tar.NewReader(bytes.NewReader(output(t, "dpkg-deb", "--fsys-tarfile", path)))
	for {
		h, err := content.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		assert.Equal(t, epoch, fmt.Sprint(h.ModTime.Unix()), h.Name)
		if h.Typeflag == tar.TypeDir {
			assert.Equal(t, "drwxr-xr-x root root", fmt.Sprint(h.FileInfo().Mode(), " ", h.Uname, " ", h.Gname), h.Name)
		} else {
			files = append(files, fmt.Sprint(
				h.FileInfo().Mode(), " ", h.Uname, " ", h.Gname, " ", strings.TrimPrefix(h.Name, "."),
			))
		}
	}
	assert.ElementsMatch(
		t,
		append(slices.Clone(installed), "-rw-r--r-- root root /usr/share/doc/ecssd/copyright"),
		files,
	)
	assert.Equal(
		t,
		"Package: ecssd\nVersion: 1.2.3-1\nArchitecture: "+arch+"\nRecommends: systemd",
		run(
			t,
			".",
			"dpkg-deb",
			"--field",
			path,
			"Package",
			"Version",
			"Architecture",
			"Depends",
			"Pre-Depends",
			"Recommends",
		),
	)
	info := func(part string) string { return run(t, ".", "dpkg-deb", "--info", path, part) }
	assert.Equal(t, "/etc/ecssd/ecssd.conf", info("conffiles"))
	assert.Equal(t, script(t, "postinstall"), info("postinst"))
	assert.Equal(t, script(t, "preremove"), info("prerm"))
	assert.Equal(t, script(t, "postremove"), info("postrm"))
}

func rpmContent(t *testing.T, dir, arch, epoch string) {
	path := filepath.Join(dir, "ecssd-1.2.3-1."+rpmArch[arch]+".rpm")
	run(t, ".", "rpm", "--checksig", "--nosignature", path)
	query := func(format string) string { return run(t, ".", "rpm", "-qp", "--queryformat", format, path) }
	assert.ElementsMatch(t, append(
		slices.Clone(installed),
		"drwxr-xr-x root root /etc/ecssd",
		"drwxr-xr-x root root /usr/share/ecssd",
		"drwxr-xr-x root root /usr/share/licenses/ecssd",
		"-rw-r--r-- root root /usr/share/licenses/ecssd/LICENSE",
	), strings.Split(query(`[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]`), "\n"))
	// config, noreplace
	assert.Contains(t, strings.Split(query(`[%{FILENAMES} %{FILEFLAGS:fflags}\n]`), "\n"), "/etc/ecssd/ecssd.conf cn")
	for _, seconds := range strings.Fields(query(`%{BUILDTIME} [%{FILEMTIMES} ]`)) {
		assert.Equal(t, epoch, seconds)
	}
	assert.Equal(t, "ecssd 1.2.3 1 "+rpmArch[arch]+" Apache-2.0 localhost",
		query(`%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{LICENSE} %{BUILDHOST}`))
	assert.Equal(t, "systemd", query(`[%{RECOMMENDNAME}]`))
	assert.Empty(t, query(`[%{REQUIRENAME}]`))
	assert.Equal(t, script(t, "postinstall"), query(`%{POSTIN}`))
	assert.Equal(t, script(t, "preremove"), query(`%{PREUN}`))
	assert.Equal(t, script(t, "postremove"), query(`%{POSTUN}`))
	assert.Equal(t, "(none)", query(`%|PREIN?{is}:{(none)}|`))
}

func output(t *testing.T, command ...string) []byte {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).Output()
	require.NoError(t, err, strings.Join(command, " "))
	return out
}

// host is a small Debian, where no systemd runs.
type host struct {
	t    *testing.T
	root string
}

func newHost(t *testing.T) host {
	t.Helper()
	h := host{t, t.TempDir()}
	run(t, ".", "tar", "-C", h.root, "-xpf", tree(t))
	require.NoError(t, os.Mkdir(h.path("packages"), 0o755))
	return h
}

func (h host) path(name string) string { return filepath.Join(h.root, name) }

// in runs a command there.
func (h host) in(command ...string) string {
	h.t.Helper()
	return run(h.t, ".", append([]string{"env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "chroot", h.root}, command...)...)
}

// offer puts a package there and gives its path.
func (h host) offer(path string) string {
	h.t.Helper()
	name := "/packages/" + filepath.Base(path)
	if _, err := os.Stat(h.path(name)); err == nil {
		return name
	}
	content, err := os.ReadFile(path)
	require.NoError(h.t, err)
	require.NoError(h.t, os.WriteFile(h.path(name), content, 0o644))
	return name
}

// links are the units that are enabled, of ecssd's.
func (h host) links() []string {
	h.t.Helper()
	found, err := filepath.Glob(h.path("etc/systemd/system/*.wants/ecssd*"))
	require.NoError(h.t, err)
	for i, path := range found {
		found[i] = strings.TrimPrefix(path, h.root)
	}
	return found
}

var enabled = []string{
	"/etc/systemd/system/ecssd.service.wants/ecssd-deregister.service",
	"/etc/systemd/system/multi-user.target.wants/ecssd.service",
}

// files lists what is there, but for what package managers write of themselves, and logs.
func (h host) files() map[string]bool {
	h.t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(h.root, func(path string, _ fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, h.root)
		if name == "/var/lib/dpkg" || name == "/var/lib/rpm" || name == "/var/log" || name == "/packages" {
			return fs.SkipDir
		}
		found[name] = true
		return err
	})
	require.NoError(h.t, err)
	return found
}

// same checks that all is there that was before, and nothing else.
func (h host) same(before map[string]bool) {
	h.t.Helper()
	after := h.files()
	for name := range before {
		assert.True(h.t, after[name], "%s is gone", name)
	}
	for name := range after {
		assert.True(h.t, before[name], "%s is left over", name)
	}
}

// boot makes the host look as if systemd ran, with a systemctl that fails whatever it is asked for, and notes it. An
// agent that was said to be in some state is in it.
func (h host) boot() {
	h.t.Helper()
	require.NoError(h.t, os.MkdirAll(h.path("run/systemd/system"), 0o755))
	require.NoError(h.t, os.Rename(h.path("usr/bin/systemctl"), h.path("usr/bin/systemctl.real")))
	require.NoError(
		h.t,
		os.WriteFile(
			h.path("usr/bin/systemctl"),
			[]byte("#!/bin/sh\necho \"$*\" >>/calls\n[ \"$1\" != is-active ] || cat /state\nexit 1\n"),
			0o755,
		),
	)
	h.state("inactive")
}

// state says what the agent's unit is from now on, as "systemctl is-active" prints it.
func (h host) state(is string) {
	h.t.Helper()
	require.NoError(h.t, os.WriteFile(h.path("state"), []byte(is+"\n"), 0o644))
}

// What systemctl is asked for when the agent is upgraded.
var (
	left     = []string{"daemon-reload", "is-active ecssd.service"}
	replaced = append(slices.Clone(left), "restart --no-block ecssd.service")
)

// upgrade installs one package after the other, in turns, while the agent is in several states.
func (h host) upgrade(install func(path string), packages ...string) {
	h.t.Helper()
	for i, c := range []struct {
		state string
		want  []string
	}{
		{"active", replaced},
		{"activating", replaced}, // it waits for Docker, for instance
		{"reloading", replaced},
		{"deactivating", left},
		{"inactive", left},
	} {
		h.state(c.state)
		install(packages[i%len(packages)])
		assert.Equal(h.t, c.want, h.calls(), c.state)
	}
}

// calls returns what systemctl was asked for since it was last asked.
func (h host) calls() []string {
	h.t.Helper()
	file, err := os.Open(h.path("calls"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(h.t, err)
	defer file.Close()
	var found []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		found = append(found, lines.Text())
	}
	require.NoError(h.t, os.Remove(h.path("calls")))
	return found
}

func (h host) settings() string {
	h.t.Helper()
	text, err := os.ReadFile(h.path("etc/ecssd/ecssd.conf"))
	require.NoError(h.t, err)
	return string(text)
}

// edit makes a setting, as an operator does.
func (h host) edit() string {
	h.t.Helper()
	change(h.t, h.path("etc/ecssd/ecssd.conf"), "ECSSD_ZONE=example.internal\n")
	return h.settings()
}

// work leaves what an agent under systemd leaves.
func (h host) work() {
	h.t.Helper()
	require.NoError(h.t, os.MkdirAll(h.path("var/lib/private/ecssd"), 0o700))
	require.NoError(h.t, os.WriteFile(h.path("var/lib/private/ecssd/records.json"), nil, 0o600))
	require.NoError(h.t, os.Symlink("private/ecssd", h.path("var/lib/ecssd")))
}

// debian is a host whose packages dpkg manages.
type debian struct{ host }

func (h debian) install(path string) {
	h.t.Helper()
	h.in("dpkg", "--force-confold", "-i", h.offer(path))
}

// live goes through the life of the package, first where systemd does not run and then where it does.
func (h debian) live(t *testing.T, first, next string) {
	before := h.files()
	h.install(first)
	assert.Equal(t, "ecssd 1.2.3", h.in("ecssd", "version"))
	assert.Equal(t, enabled, h.links())
	edited := h.edit()
	h.work()
	h.in("systemctl", "disable", "ecssd.service")
	h.install(next)
	assert.Equal(t, "1.2.4-1", h.in("dpkg-query", "--show", "--showformat=${Version}", "ecssd"))
	assert.Empty(t, h.links(), "an upgrade enables what was disabled")
	assert.Equal(t, edited, h.settings())
	h.in("systemctl", "enable", "ecssd.service")
	h.install(first)
	assert.Equal(t, edited, h.settings())
	h.in("dpkg", "-r", "ecssd")
	assert.NoFileExists(t, h.path("usr/bin/ecssd"))
	assert.Equal(t, edited, h.settings())
	h.install(next)
	assert.Equal(t, edited, h.settings())
	assert.Equal(t, enabled, h.links(), "what is removed and installed again is as it was")
	h.in("dpkg", "-P", "ecssd")
	h.same(before)

	h.boot()
	before = h.files()
	h.install(first)
	assert.Equal(t, []string{"daemon-reload", "enable ecssd.service"}, h.calls())
	h.upgrade(h.install, next, first)
	h.in("dpkg", "-r", "ecssd")
	assert.Equal(t, []string{"stop ecssd.service", "daemon-reload"}, h.calls())
	h.in("dpkg", "-P", "ecssd")
	assert.Equal(t, []string{"daemon-reload"}, h.calls())
	h.same(before)

	require.NoError(t, os.Remove(h.path("usr/bin/systemctl")))
	require.NoError(t, os.Remove(h.path("run/systemd/system")))
	h.install(first)
	h.install(next)
	h.in("dpkg", "-P", "ecssd")
	assert.Empty(t, h.calls())
}

// fedora is a host whose packages rpm manages, as on Amazon Linux.
type fedora struct{ host }

// rpm is this machine's. Debian's would keep the database elsewhere.
func (h fedora) rpm(args ...string) string {
	h.t.Helper()
	return run(h.t, ".", append([]string{"rpm", "--root", h.root, "--dbpath", "/var/lib/rpm"}, args...)...)
}

func (h fedora) live(t *testing.T, first, next string) {
	require.NoError(t, os.Mkdir(h.path("usr/share/licenses"), 0o755)) // which belongs to another package there
	before := h.files()
	h.rpm("-i", first)
	assert.Equal(t, "ecssd 1.2.3", h.in("ecssd", "version"))
	assert.Equal(t, enabled, h.links())
	edited := h.edit()
	h.in("systemctl", "disable", "ecssd.service")
	h.rpm("-U", next)
	assert.Equal(t, "1.2.4", h.rpm("-q", "--queryformat", "%{VERSION}", "ecssd"))
	assert.Empty(t, h.links(), "an upgrade enables what was disabled")
	assert.Equal(t, edited, h.settings())
	require.NoError(t, os.Remove(h.path("etc/ecssd/ecssd.conf.rpmnew")))
	h.in("systemctl", "enable", "ecssd.service")
	h.rpm("-U", "--oldpackage", first)
	assert.Equal(t, edited, h.settings())
	require.NoError(t, os.Remove(h.path("etc/ecssd/ecssd.conf.rpmnew")))
	h.rpm("-e", "ecssd")
	assert.Empty(t, h.links())
	require.NoError(t, os.Remove(h.path("etc/ecssd/ecssd.conf.rpmsave")), "the settings that were edited are lost")
	require.NoError(t, os.Remove(h.path("etc/ecssd")))
	h.same(before)

	h.boot()
	before = h.files()
	h.rpm("-i", first)
	assert.Equal(t, []string{"daemon-reload", "enable ecssd.service"}, h.calls())
	h.upgrade(func(path string) { h.rpm("-U", "--oldpackage", path) }, next, first)
	h.rpm("-U", "--replacepkgs", next)
	assert.Equal(t, left, h.calls(), "the same again")
	h.rpm("-e", "ecssd")
	assert.Equal(t, []string{"stop ecssd.service", "--no-reload disable ecssd.service", "daemon-reload"}, h.calls())
	h.same(before)

	require.NoError(t, os.Remove(h.path("usr/bin/systemctl")))
	require.NoError(t, os.Remove(h.path("run/systemd/system")))
	h.rpm("-i", first)
	h.rpm("-U", next)
	h.rpm("-e", "ecssd")
	assert.Empty(t, h.calls())
}

func TestScriptsAreSound(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*")
	require.NoError(t, err)
	require.Len(t, scripts, 3)
	run(t, ".", append([]string{"shellcheck", "--enable=all"}, scripts...)...)
}
