package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

// Cluster is where tasks run.
type Cluster struct {
	// Secret says what a secret's valueFrom stands for.
	Secret func(valueFrom string) (string, error)
	// Authorities is a file of certificates that takes the place of the images' own: those of a test cannot be in them.
	Authorities string
	// Say takes the transcript, a line at a time.
	Say    func(format string, args ...any)
	Subnet *Subnet

	engine *engine
}

// NewCluster makes one without tasks or images; it needs root and ends with Close.
func NewCluster(say func(format string, args ...any)) (*Cluster, error) {
	e, err := newEngine()
	if err != nil {
		return nil, err
	}
	s, err := NewSubnet()
	return &Cluster{Say: say, Subnet: s, engine: e}, err
}

// Close ends whatever runs.
func (c *Cluster) Close() error { return errors.Join(c.engine.Close(), c.Subnet.Close()) }

// Store puts the image of an OCI layout where tasks find it, under a name as in their definitions.
func (c *Cluster) Store(layout, tag, name string) error { return c.engine.store(layout, tag, name) }

// Task is a definition that runs.
type Task struct {
	Definition
	Interface
	ID      string
	Began   time.Time            // when it was asked for
	Started map[string]time.Time // containers, by name
	well    map[string]bool      // those whose health check has been content once
	ended   map[string]bool      // those that others waited for, and that have ended with 0
	cluster *Cluster
}

// Start runs a task, its containers in the order of their dependencies, and returns when the last one has started and all
// that have a health check are healthy. A task that does not get there is stopped; the error is what ECS would say.
func (c *Cluster) Start(ctx context.Context, d Definition) (*Task, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	t := &Task{Definition: d, ID: fmt.Sprintf("%016x", rand.Uint64()), Began: time.Now(), Started: map[string]time.Time{}, well: map[string]bool{}, ended: map[string]bool{}, cluster: c} //nolint:gosec // a name
	values, err := t.secrets()
	if err != nil {
		return nil, err
	}
	if t.Interface, err = c.Subnet.attach(); err != nil {
		return nil, err
	}
	if err := t.startAll(ctx, values); err != nil {
		return nil, errors.Join(err, t.Remove())
	}
	return t, nil
}

func (t *Task) startAll(ctx context.Context, values map[string][]string) error {
	const units = 1024 // of a virtual CPU
	if _, err := t.podman(ctx, "pod", "create", "--name", t.ID, "--network", "host", "--share", "net",
		"--cpus", strconv.FormatFloat(float64(t.CPU)/units, 'f', -1, 64), "--memory", fmt.Sprintf("%dm", t.Memory)); err != nil {
		return err
	}
	t.cluster.Say("task %s: %d CPU units, %d MiB, address %s", t.ID, t.CPU, t.Memory, t.IP)
	order, err := t.order()
	if err != nil {
		return err
	}
	for _, name := range order {
		if err := t.start(ctx, t.Container(name), values[name]); err != nil {
			return err
		}
	}
	for _, name := range order {
		if t.Container(name).HealthCheck != nil {
			if err := t.healthy(ctx, t.Container(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// secrets fetches the values of all containers' secrets, as variables.
func (t *Task) secrets() (map[string][]string, error) {
	values := map[string][]string{}
	for _, c := range t.Containers {
		for _, s := range c.Secrets {
			value, err := t.cluster.Secret(s.ValueFrom)
			if err != nil {
				return nil, fmt.Errorf("ResourceInitializationError: unable to pull secrets: %s of %s: %w", s.Name, c.Name, err)
			}
			values[c.Name] = append(values[c.Name], s.Name+"="+value)
		}
	}
	return values, nil
}

func (t *Task) podman(ctx context.Context, args ...string) (string, error) {
	return t.cluster.engine.podman(ctx, t.Namespace, nil, args...)
}

// name is what podman calls a container.
func (t *Task) name(c *Container) string { return t.ID + "-" + c.Name }

// start waits for what a container depends on, and starts it.
func (t *Task) start(ctx context.Context, c *Container, secrets []string) error {
	for _, dep := range c.DependsOn {
		var err error
		switch dep.Condition {
		case "HEALTHY":
			err = t.healthy(ctx, t.Container(dep.Container))
		case "SUCCESS":
			err = t.succeeds(ctx, t.Container(dep.Container), c)
		}
		if err != nil {
			return err
		}
	}
	args := append([]string{"create", "--pull", "never", "--pod", t.ID, "--name", t.name(c), "--log-driver", "k8s-file"}, c.flags()...)
	if t.cluster.Authorities != "" {
		args = append(args, "--volume", t.cluster.Authorities+":/etc/ssl/certs/ca-certificates.crt:ro")
	}
	for _, m := range c.MountPoints {
		volume, err := t.mount(ctx, c, m)
		if err != nil {
			return err
		}
		args = append(args, "--volume", volume)
	}
	for _, s := range secrets { // by podman's environment, so that no list of processes shows them
		name, _, _ := strings.Cut(s, "=")
		args = append(args, "--env", name)
	}
	args = append(append(args, c.Image), c.Command...)
	if _, err := t.cluster.engine.podman(ctx, t.Namespace, secrets, args...); err != nil {
		if strings.Contains(err.Error(), "image not known") {
			return fmt.Errorf("CannotPullContainerError: %s: %w", c.Image, err)
		}
		return err
	}
	if _, err := t.podman(ctx, "start", t.name(c)); err != nil {
		return err
	}
	t.Started[c.Name] = time.Now()
	t.cluster.Say("%6.2f s  %s has started (%s)", time.Since(t.Began).Seconds(), c.Name, c.Image)
	return nil
}

// flags say to podman what the definition says to ECS.
func (c *Container) flags() []string {
	args := []string{
		"--cpu-shares", strconv.Itoa(max(c.CPU, 2)), // 2 is the least that the kernel takes, and what ECS gives then
		"--stop-timeout", strconv.Itoa(c.stopTimeout()),
	}
	if c.Memory > 0 {
		args = append(args, "--memory", fmt.Sprintf("%dm", c.Memory))
	}
	if c.MemoryReservation > 0 {
		args = append(args, "--memory-reservation", fmt.Sprintf("%dm", c.MemoryReservation))
	}
	if c.User != "" {
		args = append(args, "--user", c.User)
	}
	if c.ReadonlyRootFilesystem {
		args = append(args, "--read-only", "--read-only-tmpfs=false") // ECS adds no places to write to
	}
	if l := c.LinuxParameters; l != nil {
		if l.InitProcessEnabled {
			args = append(args, "--init")
		}
		for _, name := range l.Capabilities.Add {
			args = append(args, "--cap-add", name)
		}
		for _, name := range l.Capabilities.Drop {
			args = append(args, "--cap-drop", name)
		}
	}
	if c.RestartPolicy != nil && c.RestartPolicy.Enabled {
		args = append(args, "--restart", "always") // at once, and not only after restartAttemptPeriod
	}
	if len(c.EntryPoint) > 0 {
		args = append(args, "--entrypoint", `["`+strings.Join(c.EntryPoint, `","`)+`"]`)
	}
	if c.WorkingDirectory != "" {
		args = append(args, "--workdir", c.WorkingDirectory)
	}
	for name, value := range c.DockerLabels {
		args = append(args, "--label", name+"="+value)
	}
	for _, v := range c.Environment {
		args = append(args, "--env", v.Name+"="+v.Value)
	}
	return args
}

func (c *Container) stopTimeout() int {
	const usual = 30
	if c.StopTimeout > 0 {
		return c.StopTimeout
	}
	return usual
}

// succeeds waits until a container that another one waits for has ended with 0, as long as its startTimeout allows.
func (t *Task) succeeds(ctx context.Context, c, waits *Container) error {
	if t.ended[c.Name] {
		return nil
	}
	const usual = 180 // seconds, on Fargate
	limit := usual
	if c.StartTimeout > 0 {
		limit = c.StartTimeout
	}
	within, cancel := context.WithTimeout(ctx, time.Duration(limit)*time.Second)
	defer cancel()
	out, err := t.podman(within, "wait", t.name(c))
	if err != nil {
		return fmt.Errorf("%s waits for the end of %s, for %d s at most: %w", waits.Name, c.Name, limit, err)
	}
	if code := strings.TrimSpace(out); code != "0" {
		return fmt.Errorf("failed to resolve container ordering dependency [%s] for target [%s] as dependency did not exit successfully, but with %s:\n%s", c.Name, waits.Name, code, t.Log(ctx, c.Name))
	}
	t.ended[c.Name] = true
	t.cluster.Say("%6.2f s  %s has ended with 0", time.Since(t.Began).Seconds(), c.Name)
	return nil
}

// healthy asks a container's health check until it is content, as long as its numbers allow.
func (t *Task) healthy(ctx context.Context, c *Container) error {
	if t.well[c.Name] {
		return nil
	}
	const often = 100 * time.Millisecond // instead of each interval
	h := c.HealthCheck
	end := t.Started[c.Name].Add(time.Duration(h.StartPeriod+h.Retries*h.Interval) * time.Second)
	again := time.NewTicker(often)
	defer again.Stop()
	for ; ; <-again.C {
		err := t.Check(ctx, c)
		if err == nil {
			t.well[c.Name] = true
			t.cluster.Say("%6.2f s  %s is healthy", time.Since(t.Began).Seconds(), c.Name)
			return nil
		}
		if !t.running(ctx, c) {
			return fmt.Errorf("EssentialContainerExited: %s has ended:\n%s", c.Name, t.Log(ctx, c.Name))
		}
		if time.Now().After(end) {
			return fmt.Errorf("task failed container health checks: %s: %w:\n%s", c.Name, err, t.Log(ctx, c.Name))
		}
	}
}

// Check runs a container's health check once.
func (t *Task) Check(ctx context.Context, c *Container) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.HealthCheck.Timeout)*time.Second)
	defer cancel()
	command := c.HealthCheck.Command
	switch command[0] {
	case "CMD":
		command = command[1:]
	case "CMD-SHELL":
		command = append([]string{"/bin/sh", "-c"}, command[1:]...)
	default:
		return fmt.Errorf("a health check begins with CMD or CMD-SHELL, not %q", command[0])
	}
	_, err := t.podman(ctx, append([]string{"exec", t.name(c)}, command...)...)
	return err
}

func (t *Task) running(ctx context.Context, c *Container) bool {
	out, err := t.podman(ctx, "inspect", "--format", "{{.State.Running}}", t.name(c))
	return err == nil && strings.TrimSpace(out) == "true"
}

// Kill ends a container's program at once, as lack of memory would.
func (t *Task) Kill(ctx context.Context, name string) error {
	_, err := t.podman(ctx, "exec", "--user", "0", t.name(t.Container(name)), "/bin/sh", "-c", "kill -9 -1")
	return err
}

// Stream is the name of a container's log stream, as CloudWatch shows it.
func (t *Task) Stream(name string) string { return t.Container(name).stream(t.ID) }

// Log is what a container has written.
func (t *Task) Log(ctx context.Context, name string) string {
	file, err := t.podman(ctx, "inspect", "--format", "{{.HostConfig.LogConfig.Path}}", t.name(t.Container(name)))
	if err != nil {
		return err.Error()
	}
	text, err := os.ReadFile(strings.TrimSpace(file))
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) { // time, stream, F or P, text
		if fields := strings.SplitN(line, " ", 4); len(fields) == 4 {
			b.WriteString(fields[3])
		}
	}
	return b.String()
}

// Stopped is how a container ended.
type Stopped struct {
	Name string
	Code int // 137: it had to be killed
	Took time.Duration
}

// Stop ends a task as ECS does: SIGTERM, those who depend on others first, and SIGKILL for whoever has not ended within its
// stopTimeout.
func (t *Task) Stop(ctx context.Context) ([]Stopped, error) {
	order, err := t.order()
	if err != nil {
		return nil, err
	}
	var list []Stopped
	for i := range order {
		c := t.Container(order[len(order)-1-i])
		if t.ended[c.Name] {
			continue
		}
		begin := time.Now()
		if _, err := t.podman(ctx, "stop", "--time", strconv.Itoa(c.stopTimeout()), t.name(c)); err != nil {
			return list, err
		}
		s := Stopped{Name: c.Name, Took: time.Since(begin)}
		code, err := t.podman(ctx, "inspect", "--format", "{{.State.ExitCode}}", t.name(c))
		if err != nil {
			return list, err
		}
		if s.Code, err = strconv.Atoi(strings.TrimSpace(code)); err != nil {
			return list, err
		}
		t.cluster.Say("         %s ended with %d, %.2f s after SIGTERM; it may take %d s", s.Name, s.Code, s.Took.Seconds(), c.stopTimeout())
		list = append(list, s)
	}
	return list, nil
}

// Remove ends whatever still runs, and forgets the task, its log and its volumes.
func (t *Task) Remove() error {
	_, err := t.podman(context.Background(), "pod", "rm", "--force", "--time", "0", t.ID)
	return errors.Join(err, t.cluster.Subnet.detach(t.Interface), os.RemoveAll(t.cluster.engine.volumes(t.ID)))
}
