package account_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/deploy/image"
	"github.com/scimbridge/scimbridge/test/deploy/run"
	"github.com/scimbridge/scimbridge/test/deploy/taskdef"
	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
	"github.com/scimbridge/scimbridge/test/program"
)

// The task runs as ECS would run it, at a database that is reached as RDS is: by TLS, with a certificate of an authority
// that no system knows, and with the password that Terraform wrote. Then an owner makes the account through a tunnel, as
// the README says, and the service has it without being started anew.
func TestRun(t *testing.T) {
	t.Parallel()
	say := func(format string, args ...any) { fmt.Fprintf(t.Output(), format+"\n", args...) }
	cluster, err := run.NewCluster(say)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	gateway := net.IP(cluster.Subnet.Gateway.AsSlice())
	certificates, err := program.MakeCertificates(dir, gateway)
	if err != nil {
		t.Fatal(err)
	}
	d := terraformtest.Copy(t, folder)
	d.Write(t, "rds-ca.pem", read(t, certificates.CA))
	definition := rendered(t, d.Apply(t, domain))
	images(t, cluster, definition)
	written := d.Written(t)
	password, _ := written[len(written)-1].Values["password_wo"].(string)
	cluster.Secret = func(string) (string, error) { return password, nil } // the only one of this definition
	database := front(t, gateway, certificates, password)
	reached := at(t, definition, database)

	running, err := cluster.Start(t.Context(), definition)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range running.Verify(t.Context(), definition.Container("account")) {
		t.Error(p)
	}
	balancer := run.NewBalancer(run.TargetGroup{Port: 3003, Path: "/ready", Matcher: "200"})
	t.Cleanup(balancer.Close)
	if err := balancer.Healthy(t.Context(), running); err != nil {
		t.Error(err)
	}
	say("         the balancer finds it healthy: /ready answers 200")

	// As in the README, from the machine of the owner.
	reached = strings.ReplaceAll(reached, definition.Container("account").MountPoints[0].Path+"/rds-ca.pem", certificates.CA)
	owner := []string{"PGPASSWORD=" + password, "OP_DATABASE_URL=" + strings.Replace(reached, "verify-full", "verify-ca", 1)}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := scimbridge(t, dir, owner, "credentials", "new", "--account", "Acme", "--owner", "ann@example.com", "--kit", "kit.txt",
		"--password-file", "password", "--url", "https://account.example.com", "--out", "scimsession", "--token-file", "token")
	if err != nil {
		t.Fatalf("credentials new: %v: %s", err, out)
	}
	if out, err := scimbridge(t, dir, owner, "account", "people"); err != nil || !strings.Contains(out, "ann@example.com") {
		t.Errorf("account people: %v: %s", err, out)
	}
	stopped, err := running.Stop(t.Context())
	if err != nil || len(stopped) != 1 || stopped[0].Code != 0 {
		t.Errorf("stopped: %+v, %v", stopped, err)
	}
	if t.Failed() {
		t.Log(running.Log(t.Context(), "account"))
	}
	if err := running.Remove(); err != nil {
		t.Error(err)
	}

	// Neither one that the password does not open, nor a server with another certificate, nor without the files.
	if out, err := scimbridge(t, dir, []string{"PGPASSWORD=wrong", "OP_DATABASE_URL=" + reached}, "account", "people"); err == nil {
		t.Errorf("a wrong password opens the database: %s", out)
	}
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	impostor, err := program.MakeCertificates(other, gateway)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		name, want string
		change     func(d *run.Definition)
	}{
		{"a database with another certificate", "certificate signed by unknown authority", func(d *run.Definition) { at(t, *d, front(t, gateway, impostor, password)) }},
		{"no certificates", "open /run/files/rds-ca.pem: no such file or directory", func(d *run.Definition) { d.Container("files").Command = []string{"true"} }},
		{"a volume that is root's", "failed to resolve container ordering dependency [files] for target [account]", func(d *run.Definition) {
			c := d.Container("files")
			c.MountPoints[0].Path, c.Command[0] = "/out", strings.ReplaceAll(c.Command[0], "/data", "/out")
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			d := definition.Clone()
			h := d.Container("account").HealthCheck
			h.StartPeriod, h.Interval = 0, 2 // it waits for a database that it cannot use, and its log says why
			m.change(&d)
			if _, err := cluster.Start(t.Context(), d); err == nil || !strings.Contains(err.Error(), m.want) {
				t.Errorf("error %v, want %q", err, m.want)
			}
		})
	}
}

// rendered is the task definition of a state.
func rendered(t *testing.T, s *terraformtest.State) run.Definition {
	t.Helper()
	values := s.One(t, task).Values
	def, err := taskdef.Parse(values)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "task.json")
	if err := os.WriteFile(path, []byte(values["container_definitions"].(string)), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := run.Load(path, def.CPU, def.Memory, def.Volumes...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// images puts the product's own in place, and what stands for Valkey's, whose shell writes the files.
func images(t *testing.T, c *run.Cluster, d run.Definition) {
	t.Helper()
	dir := t.TempDir()
	if err := image.Build(dir); err != nil {
		t.Fatal(err)
	}
	built, err := image.Open(filepath.Join(dir, "image"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		c.Store(filepath.Join(dir, "image"), built.Tag, d.Container("account").Image),
		run.Redis(filepath.Join(dir, "redis"), "stand-in"),
		c.Store(filepath.Join(dir, "redis"), "stand-in", d.Container("files").Image),
	); err != nil {
		t.Fatal(err)
	}
	c.Say("%s stands for %s; an image with this machine's own shell and the volume /data of 999:1000 for %s", built.Tag, d.Container("account").Image, d.Container("files").Image)
}

// at has the service look for its database at an address of this machine instead of RDS's, and returns the URL of it.
func at(t *testing.T, d run.Definition, address string) string {
	t.Helper()
	list := d.Container("account").Environment
	i := slices.IndexFunc(list, func(v run.Variable) bool { return v.Name == "OP_DATABASE_URL" })
	u, err := url.Parse(list[i].Value)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = address
	list[i].Value = u.String()
	return list[i].Value
}

func scimbridge(t *testing.T, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(program.Path(t), args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// front is a real PostgreSQL behind what speaks TLS and asks for a password, as RDS does.
func front(t *testing.T, address net.IP, files program.Certificates, password string) string {
	t.Helper()
	server := postgrestest.Start(t, postgrestest.Options{})
	c, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"CREATE ROLE scimbridge LOGIN", "CREATE DATABASE scimbridge OWNER scimbridge"} {
		if _, err := c.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = admit(conn, pair, password, server.Socket())
			}()
		}
	}()
	return l.Addr().String()
}

// admit speaks the beginning of PostgreSQL's protocol (https://www.postgresql.org/docs/17/protocol-message-formats.html), then
// hands over to the server.
func admit(raw net.Conn, pair tls.Certificate, password, socket string) error {
	const cancelRequest, protocol = 80877102, 8 // bytes of length and code
	wantsTLS := make([]byte, protocol)
	if _, err := io.ReadFull(raw, wantsTLS); err != nil {
		return err
	}
	if _, err := raw.Write([]byte("S")); err != nil {
		return err
	}
	conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	startup, err := message(conn, nil)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(startup[4:]) != cancelRequest {
		if _, err := conn.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3}); err != nil { // AuthenticationCleartextPassword
			return err
		}
		kind := make([]byte, 1)
		answer, err := message(conn, kind)
		if err != nil {
			return err
		}
		if kind[0] != 'p' || string(answer[4:len(answer)-1]) != password {
			return errors.New("another password")
		}
	}
	behind, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer behind.Close()
	if _, err := behind.Write(startup); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(behind, conn)
		_ = behind.(*net.UnixConn).CloseWrite()
	}()
	_, err = io.Copy(conn, behind)
	return err
}

// message reads one with its length, after its kind where it has one.
func message(r io.Reader, kind []byte) ([]byte, error) {
	const most = 1 << 16
	if _, err := io.ReadFull(r, kind); err != nil {
		return nil, err
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < 8 || n > most {
		return nil, errors.New("no message")
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(r, body)
	return slices.Concat(head, body), err
}
