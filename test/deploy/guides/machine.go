// Package guides follows the pages of docs/deploy on a machine of its own: a network with nothing but a localhost on which the names of
// the pages are found, the real program, a real PostgreSQL and Redis, and Terraform with a stand-in for AWS. What deploys elsewhere (kubectl, helm,
// atmos, aws) is played: it reads the repository's files, and starts the program with what they give it. What it does not know it refuses.
package guides

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// Where bridge and account service listen unless they are told otherwise.
const (
	bridgePort  = "3002"
	accountPort = "3003"
)

// machine is what the programs of one run share: a folder, by its files.
type machine struct{ dir string }

func (m machine) file(parts ...string) string {
	return filepath.Join(append([]string{m.dir}, parts...)...)
}

// play carries out one command line of a program that is played.
func (m machine) play(name string, args []string) error {
	switch name {
	case "machine":
		return m.begin()
	case "balancer":
		return m.balance()
	case "terraform":
		return m.terraform(args)
	case "kubectl":
		return cluster{m}.kubectl(args)
	case "helm":
		return cluster{m}.helm(args)
	case "atmos":
		return m.atmos(args)
	case "aws":
		return m.aws(args)
	}
	return fmt.Errorf("nobody plays %s", name)
}

// begin brings up the network: a localhost, the names, a Redis, and what stands in front of bridge and account service.
func (m machine) begin() error {
	if err := errors.Join(
		raiseLoopback(),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		os.WriteFile(m.file("hosts"), []byte("127.0.0.1 localhost op-scim-redis scim-scimbridge-redis scim.example.com 1pass-scim.example.com account.example.com\n"), 0o644), //nolint:gosec // as it is
		unix.Mount(m.file("hosts"), "/etc/hosts", "", unix.MS_BIND, ""),
	); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	redis, err := exec.LookPath("redis-server")
	if err != nil {
		if redis, err = exec.LookPath("valkey-server"); err != nil {
			return errors.New("neither redis-server nor valkey-server: make packages installs one")
		}
	}
	return errors.Join(
		m.start("redis", nil, []string{"--save", "", "--dir", m.dir}, listens("6379"), "redis-server", redis),
		m.start("balancer", nil, nil, listens("443"), "balancer", self),
	)
}

// listens is well once somebody listens on a port.
func listens(port string) func() error {
	return func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// raiseLoopback brings up the network's localhost.
func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket) //nolint:errcheck // nothing was written
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

// balance brings TLS, as a load balancer or an ingress does: the account service by its name, the bridge by the others.
func (m machine) balance() error {
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		port := bridgePort
		if strings.HasPrefix(r.In.Host, "account.") {
			port = accountPort
		}
		r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + port})
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}}
	const patience = 10 * time.Second
	s := &http.Server{Addr: "127.0.0.1:443", Handler: proxy, ReadHeaderTimeout: patience, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	return s.ListenAndServeTLS(m.file("cert.pem"), m.file("key.pem"))
}

// start starts a program in the background, in the place of the one of that name, and waits until it is well.
func (m machine) start(name string, env, args []string, well func() error, as string, program string) error {
	if err := m.stop(name); err != nil {
		return err
	}
	log, err := os.OpenFile(m.file(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has it
	cmd := exec.Command(program)
	cmd.Args = append([]string{as}, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GUIDES=" + m.dir, "HOME=" + m.dir, "SSL_CERT_FILE=" + m.file("ca.pem")}, env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(m.file(name+".pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	const patience, pause = 90 * time.Second, 50 * time.Millisecond
	late := time.After(patience)
	for {
		reason := well()
		if reason == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s has ended: %w", name, errors.Join(err, m.lastLine(name)))
		case <-late:
			return fmt.Errorf("%s is not well: %w", name, errors.Join(reason, m.lastLine(name)))
		case <-time.After(pause):
		}
	}
}

func (m machine) lastLine(name string) error {
	raw, err := os.ReadFile(m.file(name + ".log"))
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return errors.New(lines[len(lines)-1])
}

// stop ends what was started under a name, if anything was.
func (m machine) stop(name string) error {
	raw, err := os.ReadFile(m.file(name + ".pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(raw))
	if err != nil {
		return err
	}
	if err := os.Remove(m.file(name + ".pid")); err != nil {
		return err
	}
	// It becomes readable when all threads have ended, and with them what they held, such as a port.
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); !errors.Is(err, unix.EINTR) { //nolint:gosec // small
			return err
		}
	}
}

// bridge runs an image as the bridge, with an environment. One that is not ours is not run: it is noted that it would be.
func (m machine) bridge(image string, env map[string]string) error {
	if !strings.HasPrefix(image, product.Image+":v") {
		return errors.Join(m.stop("bridge"), os.WriteFile(m.file("theirs"), []byte(image), 0o600))
	}
	return m.serve("bridge", bridgePort, env, "serve")
}

// account runs the account service, on the machine's database.
func (m machine) account(env map[string]string) error {
	env["OP_DATABASE_URL"] = os.Getenv("OP_DATABASE_URL")
	return m.serve("account", accountPort, env, "account", "serve")
}

// serve runs the program, and waits until it answers at /ready.
func (m machine) serve(name, port string, env map[string]string, args ...string) error {
	var list []string
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	ready := "http://127.0.0.1:" + port + "/ready"
	return m.start(name, list, args, func() error {
		r, err := http.Get(ready) //nolint:noctx,gosec // on this machine
		if err != nil {
			return err
		}
		defer r.Body.Close() //nolint:errcheck // its status is all
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", ready, r.Status)
		}
		return nil
	}, "scimbridge", os.Getenv("GUIDES_PROGRAM"))
}
