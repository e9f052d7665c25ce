package account_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/deploy/taskdef"
	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
	"github.com/scimbridge/scimbridge/test/program"
)

// The program starts with what the task gives it, at a database that is reached as RDS is: by TLS, with a certificate of an
// authority that no system knows, and with the password that Terraform wrote. Then an owner makes the account through a
// tunnel, as the README says, and the service has it without being started anew.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificates, err := program.MakeCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := terraformtest.Copy(t, folder)
	d.Write(t, "rds-ca.pem", read(t, certificates.CA))
	def, err := taskdef.Parse(d.Apply(t, domain).One(t, task).Values)
	if err != nil {
		t.Fatal(err)
	}
	written := d.Written(t)
	password, _ := written[len(written)-1].Values["password_wo"].(string)
	database := front(t, certificates, password)

	// The container that writes files, with its own command, in another folder.
	writer, _ := def.Container("files")
	mounted := filepath.Join(dir, "data")
	if err := os.Mkdir(mounted, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(writer.EntryPoint[0], append(writer.EntryPoint[1:], strings.ReplaceAll(writer.Command[0], "/data", mounted))...)
	cmd.Env = []string{*writer.Environment[0].Name + "=" + *writer.Environment[0].Value}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	c, _ := def.Container("account")
	listen, err := program.Address()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"PGPASSWORD=" + password}
	var databaseURL string
	for _, e := range c.Environment {
		switch *e.Name {
		case "OP_ACCOUNT_LISTEN":
			env = append(env, *e.Name+"="+listen)
		case "OP_DATABASE_URL":
			u, err := url.Parse(strings.ReplaceAll(*e.Value, *c.MountPoints[0].ContainerPath, mounted))
			if err != nil {
				t.Fatal(err)
			}
			u.Host = database
			databaseURL = u.String()
			env = append(env, *e.Name+"="+databaseURL)
		default:
			env = append(env, *e.Name+"="+*e.Value)
		}
	}
	p := program.Launch(t, env, c.Command...)
	healthy(t, p, "http://"+listen)

	// As in the README, from the machine of the owner.
	owner := []string{"PGPASSWORD=" + password, "OP_DATABASE_URL=" + strings.Replace(databaseURL, "verify-full", "verify-ca", 1)}
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
	p.Stop()

	// Neither a server with another certificate, nor one that the password does not open.
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	impostor, err := program.MakeCertificates(other)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := scimbridge(t, dir, []string{"PGPASSWORD=" + password, "OP_DATABASE_URL=" + strings.Replace(databaseURL, database, front(t, impostor, password), 1)}, "account", "people"); err == nil || !strings.Contains(out, "certificate") {
		t.Errorf("a database with another certificate: %v: %s", err, out)
	}
	if out, err := scimbridge(t, dir, []string{"PGPASSWORD=wrong", "OP_DATABASE_URL=" + databaseURL}, "account", "people"); err == nil {
		t.Errorf("a wrong password opens the database: %s", out)
	}
}

func scimbridge(t *testing.T, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(program.Path(t), args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// healthy waits as ECS does, with the program's own check.
func healthy(t *testing.T, p *program.Process, base string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for {
		if _, err := scimbridge(t, ".", nil, "healthcheck", base); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("it did not become healthy:\n%s", p.Log())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// front is a real PostgreSQL behind what speaks TLS and asks for a password, as RDS does.
func front(t *testing.T, files program.Certificates, password string) string {
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
