package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/sys/unix"
)

// docker stands in for the commands "docker compose up", "run" and "down" where there is no Docker, so that what a guide tells
// people to paste can be run as it stands. It reads the files with Compose's own loader. A service of ours is the program in a
// root of its own: read-only, with the secrets, volumes, user and environment that the file gives it, and no others.
// PostgreSQL and Redis are this machine's, with the settings that the file gives the images. All share one localhost, on which
// the services' names are found.
type docker struct {
	state   string // folder for what is made meanwhile
	program string // the program that is tried
	project *types.Project
}

// run carries out a command line.
func (d *docker) run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "localhost" {
		return errors.Join(raiseLoopback(), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	}
	if len(args) < 2 || args[0] != "compose" {
		return fmt.Errorf("docker %q is not played here", args)
	}
	if err := d.load(ctx); err != nil {
		return err
	}
	command := strings.Join(args[1:], " ")
	switch {
	case command == "up -d --wait":
		for name, s := range d.project.Services {
			if !once(s) {
				if err := d.up(ctx, name); err != nil {
					return err
				}
			}
		}
		return nil
	case strings.HasPrefix(command, "run --rm ") && len(args) > 3:
		return d.once(ctx, args[3], args[4:])
	case command == "down --volumes":
		return d.down()
	}
	return fmt.Errorf("docker compose %s is not played here", command)
}

func (d *docker) load(ctx context.Context) (err error) {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	c := types.ConfigDetails{WorkingDir: dir, Environment: types.NewMapping(os.Environ())}
	for name := range strings.SplitSeq(os.Getenv("COMPOSE_FILE"), ":") {
		c.ConfigFiles = append(c.ConfigFiles, types.ConfigFile{Filename: filepath.Join(dir, name)})
	}
	d.project, err = loader.LoadWithContext(ctx, c, loader.WithProfiles([]string{"*"}), func(o *loader.Options) { o.SetProjectName("scimbridge", false) })
	return err
}

// up starts a service and those that it depends on, and waits until it is well.
func (d *docker) up(ctx context.Context, name string) error {
	s := d.project.Services[name]
	if _, err := os.Stat(d.file(name, "pid")); err == nil {
		return nil
	}
	if err := d.dependencies(ctx, s); err != nil {
		return err
	}
	cmd, err := d.command(s, s.Command)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	log, err := os.Create(d.file(name, "log"))
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := os.WriteFile(d.file(name, "pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return d.await(ctx, s, ended)
}

func (d *docker) dependencies(ctx context.Context, s types.ServiceConfig) error {
	for other := range s.DependsOn {
		if err := d.up(ctx, other); err != nil {
			return err
		}
	}
	return nil
}

// await asks the service's own check until it is content.
func (d *docker) await(ctx context.Context, s types.ServiceConfig, ended <-chan error) error {
	const patience = 60 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		check, err := d.check(s)
		if err != nil {
			return err
		}
		out, err := check.CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s has ended: %v", s.Name, err)
		case <-ctx.Done():
			return fmt.Errorf("%s is not healthy: %w: %s", s.Name, err, out)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// once runs a service for one command.
func (d *docker) once(ctx context.Context, name string, args []string) error {
	s, ok := d.project.Services[name]
	if !ok {
		return fmt.Errorf("no such service: %s", name)
	}
	if err := d.dependencies(ctx, s); err != nil {
		return err
	}
	if len(args) == 0 {
		args = s.Command
	}
	cmd, err := d.command(s, args)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// down ends all services, and waits for them.
func (d *docker) down() error {
	pids, err := filepath.Glob(d.file("*", "pid"))
	if err != nil {
		return err
	}
	for _, file := range pids {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(string(raw))
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

func (d *docker) file(name, kind string) string { return filepath.Join(d.state, name+"."+kind) }

// command is what a service runs.
func (d *docker) command(s types.ServiceConfig, args []string) (*exec.Cmd, error) {
	switch {
	case ours(s):
		if len(args) == 0 {
			args = []string{"serve"}
		}
		return d.contained(s, append([]string{"/op-scim/op-scim"}, args...))
	case s.Name == "redis":
		return exec.Command("redis-server", args[1:]...), nil
	case s.Name == "postgres":
		return d.postgres(s)
	}
	return nil, fmt.Errorf("image %s is not played here", s.Image)
}

// check is the health check of a service.
func (d *docker) check(s types.ServiceConfig) (*exec.Cmd, error) {
	test := s.HealthCheck.Test
	switch {
	case ours(s):
		return d.contained(s, test[1:])
	case test[0] == "CMD-SHELL":
		return exec.Command("sh", "-c", strings.ReplaceAll(test[1], "valkey-cli", "redis-cli")), nil
	}
	return exec.Command(test[1], test[2:]...), nil
}

// contained is a command in the root of a service.
func (d *docker) contained(s types.ServiceConfig, args []string) (*exec.Cmd, error) {
	root := d.file(s.Name, "root")
	if _, err := os.Stat(root); err != nil {
		if err := d.makeRoot(s, root); err != nil {
			return nil, fmt.Errorf("root of %s: %w", s.Name, err)
		}
	}
	user, group, _ := strings.Cut(s.User, ":")
	uid, err := strconv.ParseUint(user, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(group, 10, 32)
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{Path: args[0], Args: args, Dir: "/", Env: []string{"HOME=/"}}
	if s.WorkingDir != "" {
		cmd.Dir = s.WorkingDir
	}
	for name, value := range s.Environment {
		if value != nil {
			cmd.Env = append(cmd.Env, name+"="+*value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return cmd, nil
}

// makeRoot makes the file system that a service sees.
func (d *docker) makeRoot(s types.ServiceConfig, root string) error {
	hosts := "127.0.0.1 localhost"
	for name := range d.project.AllServices() {
		hosts += " " + name
	}
	for _, dir := range []string{"op-scim", "etc", "run/secrets", "home/opuser/.op"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(root, "etc/hosts"), []byte(hosts+"\n"), 0o644), //nolint:gosec // as in any system
		os.Chown(filepath.Join(root, "home/opuser/.op"), 999, 999),
		unix.Mount(root, root, "", unix.MS_BIND, ""),
		bindFile(d.program, filepath.Join(root, "op-scim/op-scim")),
	)
	for _, secret := range s.Secrets {
		err = errors.Join(err, bindFile(d.project.Secrets[secret.Source].File, filepath.Join(root, secret.Target)))
	}
	for _, v := range s.Volumes {
		to := filepath.Join(root, v.Target)
		err = errors.Join(err, os.MkdirAll(to, 0o755), unix.Mount(v.Source, to, "", unix.MS_BIND, ""))
	}
	if s.ReadOnly {
		err = errors.Join(err, unix.Mount("", root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	}
	return err
}

// bindFile shows a file at a second place, with owner and mode as they are, as Compose does with secrets.
func bindFile(from, to string) error {
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}

// postgres is this machine's PostgreSQL, set up as the image does by its variables.
func (d *docker) postgres(s types.ServiceConfig) (*exec.Cmd, error) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		return nil, errors.New("PostgreSQL is missing: make packages installs it")
	}
	bin := bins[len(bins)-1]
	password := ""
	for _, secret := range s.Secrets {
		if secret.Target == value(s, "POSTGRES_PASSWORD_FILE") {
			password = d.project.Secrets[secret.Source].File
		}
	}
	const nobody = 65534 // PostgreSQL refuses root, and wants a user with a name
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	data := filepath.Join(d.state, "database")
	raw, err := os.ReadFile(password)
	given := data + ".password"
	if err := errors.Join(err, os.MkdirAll(data, 0o700), os.WriteFile(given, raw, 0o600), os.Chown(data, nobody, nobody), os.Chown(given, nobody, nobody)); err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), slices.Concat([]string{
		"--pgdata", data, "--username", value(s, "POSTGRES_USER"), "--pwfile", given,
		"--auth", "scram-sha-256", "--no-sync", "--locale=C.UTF-8",
	}, strings.Fields(value(s, "POSTGRES_INITDB_ARGS")))...)
	initdb.SysProcAttr, initdb.Dir = as, data
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	single := exec.Command(filepath.Join(bin, "postgres"), "--single", "-D", data, "postgres")
	single.SysProcAttr, single.Dir = as, data
	single.Stdin = strings.NewReader("CREATE DATABASE " + value(s, "POSTGRES_DB") + "\n")
	if out, err := single.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("CREATE DATABASE: %w: %s", err, out)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=on")
	cmd.SysProcAttr, cmd.Dir = as, data
	return cmd, nil
}

// raiseLoopback switches on the loopback of a network namespace that has just been made.
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
