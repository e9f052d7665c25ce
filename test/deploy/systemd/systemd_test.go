package systemd

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/test/deploy/product"
	"github.com/scimbridge/scimbridge/test/program"
)

func TestMain(m *testing.M) {
	if c := os.Getenv(confined); c != "" {
		fmt.Fprintln(os.Stderr, becomeConfined(c))
		os.Exit(127)
	}
	var err error
	if dist, err = os.MkdirTemp("", "scimbridge-packages-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dist) //nolint:errcheck // of this process only
	os.Exit(code)
}

// needs says how to get a program that is missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is missing: make deploy-packages installs it", p)
		}
	}
}

func folder(t *testing.T) (root, dir string) {
	t.Helper()
	root, err := product.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root, filepath.Join(root, "deploy", "systemd")
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dist is where the packages are built.
var dist string

var build = sync.OnceValue(func() error {
	root, err := product.Root()
	if err != nil {
		return err
	}
	out, err := exec.Command(filepath.Join(root, "deploy/systemd/build.sh"), dist).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build.sh: %w\n%s", err, out)
	}
	return err
})

// built is the path of a package.
func built(t *testing.T, pattern string) string {
	t.Helper()
	needs(t, "dpkg-deb", "rpmbuild")
	must(t, build())
	found, err := filepath.Glob(filepath.Join(dist, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// ── Units ───────────────────────────────────────────────────────────────────────────────────────────────────────────

var units = []string{"scimbridge.service", "scimbridge-account.service"}

// verified is what systemd-analyze verify says about our units, changed by edit, beside those of this machine.
func verified(t *testing.T, edit func(string) string) string {
	t.Helper()
	needs(t, "systemd-analyze")
	_, dir := folder(t)
	root := t.TempDir()
	at := filepath.Join(root, "usr/lib/systemd/system")
	must(t, os.CopyFS(at, unitsOfMachine()))
	must(t, os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "usr/bin/scimbridge"), nil, 0o755)) //nolint:gosec // a program
	for _, name := range units {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(at, name), []byte(edit(string(raw))), 0o644)) //nolint:gosec // as installed
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--root=" + root}, units...)...).CombinedOutput()
	if err != nil {
		return err.Error() + "\n" + string(out)
	}
	return string(out)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	if got := verified(t, func(s string) string { return s }); got != "" {
		t.Errorf("systemd-analyze verify:\n%s", got)
	}
	for _, m := range []struct{ old, new, want string }{
		{"ProtectSystem=", "ProtectSystm=", "Unknown key"},
		{"ExecStart=/usr/bin/scimbridge", "ExecStart=/usr/bin/scimbridg", "not executable"},
		{"Type=exec", "Type=execute", "Failed to parse service type"},
		{"After=network-online.target", "After=network-onlin", "network-onlin"},
	} {
		if got := verified(t, func(s string) string { return strings.Replace(s, m.old, m.new, 1) }); !strings.Contains(got, m.want) {
			t.Errorf("%s is not found: got %q, want %q", m.new, got, m.want)
		}
	}
}

// exposure is the most that systemd-analyze security may give a unit, of 100: what it counts against ours is the network, without
// which there is no service.
const exposure = "11"

func tooExposed(unit string) (string, bool) {
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+exposure, unit).CombinedOutput()
	return string(out), err != nil
}

func TestSecurity(t *testing.T) {
	t.Parallel()
	needs(t, "systemd-analyze")
	_, dir := folder(t)
	for _, name := range units {
		path := filepath.Join(dir, name)
		if out, bad := tooExposed(path); bad {
			t.Errorf("%s is exposed to more than %s:\n%s", name, exposure, out)
		}
		raw, err := os.ReadFile(path)
		must(t, err)
		for _, line := range []string{"CapabilityBoundingSet=\n", "ProtectSystem=strict\n", "PrivateUsers=yes\n", "SystemCallFilter=@system-service\n", "RestrictNamespaces=yes\n"} {
			broken := filepath.Join(t.TempDir(), name)
			must(t, os.WriteFile(broken, []byte(strings.Replace(string(raw), line, "", 1)), 0o600))
			if _, bad := tooExposed(broken); !bad {
				t.Errorf("%s without %q passes", name, strings.TrimSpace(line))
			}
		}
	}
}

// Both services are confined alike.
func TestUnitsAreConfinedAlike(t *testing.T) {
	t.Parallel()
	_, dir := folder(t)
	tail := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		_, tail, ok := strings.Cut(string(raw), "StateDirectoryMode=")
		if !ok {
			t.Fatalf("%s has no StateDirectoryMode", name)
		}
		return tail
	}
	if tail(units[0]) != tail(units[1]) {
		t.Error("the units differ after StateDirectoryMode")
	}
}

// ── Scripts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

func TestShellcheck(t *testing.T) {
	t.Parallel()
	needs(t, "shellcheck", "git")
	root, _ := folder(t)
	var scripts []string
	for _, name := range strings.Fields(run(t, "git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard")) {
		path := filepath.Join(root, name)
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // taken away, and not committed yet
		}
		must(t, err)
		head := make([]byte, 64)
		n, err := f.Read(head)
		must(t, errors.Join(f.Close()))
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		first, _, _ := bytes.Cut(head[:n], []byte("\n"))
		if bytes.HasPrefix(first, []byte("#!")) && bytes.HasSuffix(first, []byte("sh")) {
			scripts = append(scripts, path)
		}
	}
	if len(scripts) < 5 {
		t.Fatalf("only %q are scripts", scripts)
	}
	if out, err := exec.Command("shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
	broken := filepath.Join(t.TempDir(), "broken.sh")
	must(t, os.WriteFile(broken, []byte("#!/bin/sh\nrm -r $1/usr\n"), 0o600))
	if out, err := exec.Command("shellcheck", broken).CombinedOutput(); err == nil || !strings.Contains(string(out), "SC2086") {
		t.Errorf("an unquoted variable is not found: %s", out)
	}
}

// ── Packages ────────────────────────────────────────────────────────────────────────────────────────────────────────

// files are what a package installs: mode, owner and group, path.
var files = []string{
	"0640 root root /etc/scimbridge/account.env",
	"0640 root root /etc/scimbridge/scimbridge.env",
	"0644 root root /usr/lib/systemd/system/scimbridge-account.service",
	"0644 root root /usr/lib/systemd/system/scimbridge.service",
	"0644 root root /usr/lib/sysusers.d/scimbridge.conf",
	"0644 root root /usr/share/doc/scimbridge/CHANGELOG.md",
	"0644 root root /usr/share/doc/scimbridge/copyright",
	"0644 root root /usr/share/doc/scimbridge/examples/port-443.conf",
	"0644 root root /usr/share/doc/scimbridge/examples/unlock.conf",
	"0644 root root /usr/share/man/man8/scimbridge.8.gz",
	"0644 root root /usr/share/scimbridge/next.txt",
	"0755 root root /usr/bin/scimbridge",
}

// inDeb lists the files of a .deb in the form of files.
func inDeb(t *testing.T, deb string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(run(t, "dpkg-deb", "-c", deb)) {
		f := strings.Fields(line) // -rwxr-xr-x root/root 44282018 2026-11-25 11:06 ./usr/bin/scimbridge
		if f[0][0] == 'd' {
			continue
		}
		list = append(list, fmt.Sprintf("%04o %s %s", mode(f[0]), strings.ReplaceAll(f[1], "/", " "), strings.TrimPrefix(f[5], ".")))
	}
	slices.Sort(list)
	return list
}

// mode reads -rwxr-xr-x.
func mode(text string) (m int) {
	for _, c := range text[1:] {
		m <<= 1
		if c != '-' {
			m |= 1
		}
	}
	return m
}

// inRPM lists the files of a .rpm in the form of files, and which of them are configuration.
func inRPM(t *testing.T, rpm string) (list, config []string) {
	t.Helper()
	for line := range strings.Lines(run(t, "rpm", "-qpl", "--dump", rpm)) {
		f := strings.Fields(line) // path size mtime digest mode owner group isconfig isdoc rdev symlink
		if strings.HasPrefix(f[4], "04") {
			continue
		}
		list = append(list, fmt.Sprintf("%s %s %s %s", f[4][len(f[4])-4:], f[5], f[6], f[0]))
		if f[7] == "1" {
			config = append(config, f[0])
		}
	}
	slices.Sort(list)
	return list, config
}

func TestFiles(t *testing.T) {
	t.Parallel()
	needs(t, "rpm")
	root, _ := folder(t)
	version, err := product.Version(root)
	must(t, err)
	for _, arch := range []string{"amd64", "arm64"} {
		deb := built(t, "scimbridge_"+version+"_"+arch+".deb")
		if got := inDeb(t, deb); !slices.Equal(got, files) {
			t.Errorf("%s has\n%s\nwant\n%s", deb, strings.Join(got, "\n"), strings.Join(files, "\n"))
		}
		if got := strings.TrimSpace(run(t, "dpkg-deb", "-f", deb, "Architecture")); got != arch {
			t.Errorf("%s is for %s", deb, got)
		}
	}
	for _, arch := range []string{"x86_64", "aarch64"} {
		rpm := built(t, "scimbridge-"+version+"-1."+arch+".rpm")
		got, config := inRPM(t, rpm)
		if !slices.Equal(got, files) {
			t.Errorf("%s has\n%s\nwant\n%s", rpm, strings.Join(got, "\n"), strings.Join(files, "\n"))
		}
		if want := []string{"/etc/scimbridge/account.env", "/etc/scimbridge/scimbridge.env"}; !slices.Equal(config, want) {
			t.Errorf("%s: configuration is %q", rpm, config)
		}
		if got := run(t, "rpm", "-qp", "--qf", "%{ARCH}", rpm); got != arch {
			t.Errorf("%s is for %s", rpm, got)
		}
	}
}

// The same source makes the same packages; another time of the source makes others.
func TestReproducible(t *testing.T) {
	t.Parallel()
	needs(t, "dpkg-deb", "rpmbuild")
	_, dir := folder(t)
	sums := func(dist string) (sums [2][32]byte) {
		for i, pattern := range []string{"*_amd64.deb", "*.x86_64.rpm"} {
			found, err := filepath.Glob(filepath.Join(dist, pattern))
			must(t, err)
			raw, err := os.ReadFile(found[0])
			must(t, err)
			sums[i] = sha256.Sum256(raw)
		}
		return sums
	}
	made := func() [2][32]byte {
		dist := t.TempDir()
		cmd := exec.Command(filepath.Join(dir, "build.sh"), dist)
		cmd.Env = append(os.Environ(), "GOARCHS=amd64", "SOURCE_DATE_EPOCH=1700000000")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return sums(dist)
	}
	must(t, build())
	first, again, later := made(), made(), sums(dist) // the last one of the commit's time
	for i, kind := range []string{".deb", ".rpm"} {
		if first[i] != again[i] {
			t.Errorf("the %s differs when it is made again", kind)
		}
		if first[i] == later[i] {
			t.Errorf("the %s does not bear the time of its source", kind)
		}
	}
}

// installed is a system of its own with the .deb installed.
func installed(t *testing.T) (root, said string) {
	t.Helper()
	needs(t, "dpkg", "systemd-sysusers")
	if os.Getuid() != 0 {
		t.Fatal("this installs a package and becomes its users, which takes root: run it by sudo, or in a container")
	}
	root = t.TempDir()
	must(t, os.Chmod(filepath.Dir(root), 0o755)) //nolint:gosec // users of that system pass through
	for _, d := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "run", "tmp"} {
		must(t, os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o600))
	return root, install(t, root)
}

func install(t *testing.T, root string) string {
	t.Helper()
	deb := built(t, "*_"+strings.TrimSpace(run(t, "dpkg", "--print-architecture"))+".deb")
	return run(t, "dpkg", "--root="+root, "--force-script-chrootless", "--force-depends", "--force-confold", "-i", deb)
}

func TestInstall(t *testing.T) {
	t.Parallel()
	root, said := installed(t)
	if !strings.Contains(said, "Next:") || !strings.Contains(said, "systemctl enable --now") {
		t.Errorf("installing does not say what to do next:\n%s", said)
	}
	for _, name := range []string{"scimbridge", "scimbridge-account"} {
		if uid, _, err := user(root, name); err != nil || uid == 0 {
			t.Errorf("user %s: %d, %v", name, uid, err)
		}
	}
	if links, err := filepath.Glob(filepath.Join(root, "etc/systemd/system/*/*")); err != nil || len(links) > 0 {
		t.Errorf("installing switches on %q (%v)", links, err)
	}
	if out := run(t, "dpkg", "--root="+root, "--verify", "scimbridge"); out != "" {
		t.Errorf("dpkg --verify: %s", out)
	}

	env := filepath.Join(root, "etc/scimbridge/scimbridge.env")
	must(t, os.WriteFile(env, []byte("OP_DEBUG=1\n"), 0o640)) //nolint:gosec // as installed
	account := filepath.Join(root, "var/lib/scimbridge-account")
	must(t, os.MkdirAll(account, 0o700))
	if said := install(t, root); strings.Contains(said, "Next:") {
		t.Errorf("installing again begins anew:\n%s", said)
	}
	if raw, err := os.ReadFile(env); err != nil || string(raw) != "OP_DEBUG=1\n" {
		t.Errorf("an upgrade overwrites settings: %q, %v", raw, err)
	}
	said = run(t, "dpkg", "--root="+root, "--force-script-chrootless", "--force-depends", "--purge", "scimbridge")
	if _, err := os.Stat(account); err != nil || !strings.Contains(said, "stays in /var/lib/scimbridge-account") {
		t.Errorf("purging touches the account (%v), or does not say that it stays:\n%s", err, said)
	}
	if _, err := os.Stat(filepath.Join(root, "usr/bin/scimbridge")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("purging leaves the program: %v", err)
	}
}

// ── Running as the units say ────────────────────────────────────────────────────────────────────────────────────────

// patience bounds each wait for a process.
const patience = 60 * time.Second

// process is a running unit.
type process struct {
	cmd    *exec.Cmd
	log    *transcript
	exited chan error
}

// transcript is what a process has said so far.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// start starts a unit of the system below root.
func start(t *testing.T, root string, u Unit) *process {
	t.Helper()
	cmd, err := u.Command(root)
	must(t, err)
	return launch(t, cmd)
}

func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, log: &transcript{}, exited: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	must(t, cmd.Start())
	go func() { p.exited <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	return p
}

// answer waits for an answer at a URL, or for the end of the process.
func (p *process) answer(t *testing.T, url, token string) (int, string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		must(t, err)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			body, err := io.ReadAll(res.Body)
			must(t, errors.Join(err, res.Body.Close()))
			return res.StatusCode, strings.TrimSpace(string(body))
		}
		select {
		case err := <-p.exited:
			p.exited <- err
			t.Fatalf("it has ended: %v\n%s", err, p.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not answer\n%s", url, p.log)
	return 0, ""
}

// ended waits for the end of the process.
func (p *process) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.exited:
		p.exited <- err
		return err
	case <-time.After(patience):
		t.Fatal("it does not end")
		return nil
	}
}

// site is a system with an account and its credentials, as scimbridge(8) has it.
func site(t *testing.T) (root, accountAt, bridgeAt string) {
	t.Helper()
	root, _ = installed(t)
	accountAt, err := program.Address()
	must(t, err)
	bridgeAt, err = program.Address()
	must(t, err)
	add(t, filepath.Join(root, "etc/scimbridge/account.env"), "OP_ACCOUNT_URL=http://"+accountAt+"\nOP_ACCOUNT_LISTEN="+accountAt+"\n")
	add(t, filepath.Join(root, "etc/scimbridge/scimbridge.env"), "OP_LISTEN="+bridgeAt+"\n")
	u := unit(t, root, "scimbridge-account.service")
	uid, gid, err := user(root, "scimbridge-account")
	must(t, err)
	state := filepath.Join(root, "var/lib/scimbridge-account")
	must(t, u.makeState(state, uid, gid))
	must(t, os.WriteFile(filepath.Join(state, "password"), []byte("correct horse battery staple"), 0o644)) //nolint:gosec // of a test
	cmd, err := AsUser(root, "scimbridge-account", "/usr/bin/scimbridge", "credentials", "new", "--data", "/var/lib/scimbridge-account", "--owner", "you@example.com",
		"--kit", "/var/lib/scimbridge-account/kit.txt", "--password-file", "/var/lib/scimbridge-account/password", "--url", "http://"+accountAt,
		"--out", "/var/lib/scimbridge-account/scimsession", "--token-file", "/var/lib/scimbridge-account/token")
	must(t, err)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("credentials new: %v\n%s", err, out)
	}
	run(t, "install", "-m", "0600", filepath.Join(state, "scimsession"), filepath.Join(root, "etc/scimbridge/scimsession"))
	return root, accountAt, bridgeAt
}

func add(t *testing.T, path, text string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, append(raw, text...), 0o640)) //nolint:gosec // as installed
}

func unit(t *testing.T, root, name string, dropins ...string) Unit {
	t.Helper()
	u, err := ReadUnit(filepath.Join(root, "usr/lib/systemd/system", name), dropins...)
	must(t, err)
	return u
}

func TestRuns(t *testing.T) {
	t.Parallel()
	root, accountAt, bridgeAt := site(t)
	account := start(t, root, unit(t, root, "scimbridge-account.service"))
	if status, body := account.answer(t, "http://"+accountAt+"/ready", ""); status != 200 {
		t.Errorf("the account service's /ready: %d %s", status, body)
	}
	bridge := start(t, root, unit(t, root, "scimbridge.service"))
	if status, body := bridge.answer(t, "http://"+bridgeAt+"/ping", ""); status != 200 || body != "pong" {
		t.Errorf("/ping: %d %s", status, body)
	}
	if _, body := bridge.answer(t, "http://"+bridgeAt+"/ready", ""); body != "locked" {
		t.Errorf("/ready: %s", body)
	}
	token, err := os.ReadFile(filepath.Join(root, "var/lib/scimbridge-account/token"))
	must(t, err)
	if status, body := bridge.answer(t, "http://"+bridgeAt+"/scim/v2/Users", strings.TrimSpace(string(token))); status != 200 || !strings.Contains(body, "totalResults") {
		t.Errorf("/Users: %d %s\n%s", status, body, bridge.log)
	}
	confinedAsTold(t, root, bridge, "scimbridge")
	confinedAsTold(t, root, account, "scimbridge-account")
	for _, p := range []*process{bridge, account} {
		must(t, p.cmd.Process.Signal(syscall.SIGTERM))
		if err := p.ended(t); err != nil {
			t.Errorf("SIGTERM: %v\n%s", err, p.log)
		}
	}
}

// confinedAsTold looks at a running process: whose it is, and what it may.
func confinedAsTold(t *testing.T, root string, p *process, name string) {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(t, err)
	uid, _, err := user(root, name)
	must(t, err)
	for _, want := range []string{fmt.Sprintf("Uid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", uid), "CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s: its status has no %q:\n%s", name, want, raw)
		}
	}
	// MemoryDenyWriteExecute
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", p.cmd.Process.Pid))
	must(t, err)
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); strings.Contains(f[1], "w") && strings.Contains(f[1], "x") {
			t.Errorf("%s has memory that it may write and execute: %s", name, line)
		}
	}
}

// With the drop-in the bridge starts unlocked.
func TestUnlockDropIn(t *testing.T) {
	t.Parallel()
	root, accountAt, bridgeAt := site(t)
	start(t, root, unit(t, root, "scimbridge-account.service")).answer(t, "http://"+accountAt+"/ready", "")
	run(t, "install", "-m", "0600", filepath.Join(root, "var/lib/scimbridge-account/token"), filepath.Join(root, "etc/scimbridge/token"))
	bridge := start(t, root, unit(t, root, "scimbridge.service", filepath.Join(root, "usr/share/doc/scimbridge/examples/unlock.conf")))
	for end := time.Now().Add(patience); ; {
		_, body := bridge.answer(t, "http://"+bridgeAt+"/ready", "")
		if body == "ready" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("/ready: %s\n%s", body, bridge.log)
		}
	}
}

// What breaks a unit is seen when it runs.
func TestRunsMutations(t *testing.T) {
	t.Parallel()
	root, _, _ := site(t)
	for _, m := range []struct{ name, old, new, want string }{
		{"no network calls", "SystemCallFilter=@system-service", "SystemCallFilter=@system-service\nSystemCallFilter=~@network-io", "operation not permitted"},
		{"no address family", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictAddressFamilies=AF_UNIX", "operation not permitted"},
		{"a setting that is none", "serve\n", "serve --listn x\n", "unknown flag"},
		{"no user", "User=scimbridge\n", "User=scimbridg\n", `no user "scimbridg"`},
		{"no file", "LoadCredential=scimsession:/etc/scimbridge/scimsession", "LoadCredential=scimsession:/etc/scimbridge/session", "set up credentials"},
		{"another name of the credential", "OP_SESSION=%d/scimsession", "OP_SESSION=%d/session", "no scimsession"},
	} {
		t.Run(m.name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/scimbridge.service"))
			must(t, err)
			if !strings.Contains(string(raw), m.old) {
				t.Fatalf("the unit has no %q: the mutation is out of date", m.old)
			}
			path := filepath.Join(t.TempDir(), "scimbridge.service")
			must(t, os.WriteFile(path, []byte(strings.Replace(string(raw), m.old, m.new, 1)), 0o600))
			u, err := ReadUnit(path)
			must(t, err)
			cmd, err := u.Command(root)
			if err != nil {
				if !strings.Contains(err.Error(), m.want) {
					t.Errorf("got %v, want %q", err, m.want)
				}
				return
			}
			p := launch(t, cmd)
			for end := time.Now().Add(patience); !strings.Contains(p.log.String(), m.want); {
				select {
				case err := <-p.exited:
					p.exited <- err
					if log := p.log.String(); !strings.Contains(log, m.want) {
						t.Fatalf("it has ended (%v) and said %q, want %q", err, log, m.want)
					}
				case <-time.After(10 * time.Millisecond):
				}
				if time.Now().After(end) {
					t.Fatalf("it has said %q, want %q", p.log, m.want)
				}
			}
		})
	}
}
