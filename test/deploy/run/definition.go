// Package run runs a rendered ECS task definition as Fargate would, as far as a machine without AWS can: its containers
// in one podman pod with a network of its own, each with exactly the environment, secrets, user, root, volumes, capabilities,
// limits, health check and dependencies that it has there; a balancer in front that asks the target group's path; a service that
// rolls from one definition to the next.
//
// What is not as on AWS it says in its transcript: no registry is asked (images are put in place beforehand), secrets are
// whatever the caller says, volumes are folders of this machine, logs are read from podman, and health checks are asked more
// often than they say, so that nobody waits for their intervals.
package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Definition is a task definition.
type Definition struct {
	CPU        int // units, 1,024 of them a virtual CPU
	Memory     int // MiB
	Volumes    []string
	Containers []Container
}

// Container is an element of a task definition's containerDefinitions, with the members that this package honours. Others
// are refused, so that nothing is tried here that means something else there.
type Container struct {
	Name                   string            `json:"name"`
	Image                  string            `json:"image"`
	CPU                    int               `json:"cpu"`
	Memory                 int               `json:"memory"`
	MemoryReservation      int               `json:"memoryReservation"`
	Essential              *bool             `json:"essential"` // not set: yes
	User                   string            `json:"user"`
	ReadonlyRootFilesystem bool              `json:"readonlyRootFilesystem"`
	StopTimeout            int               `json:"stopTimeout"` // seconds; 0: 30
	StartTimeout           int               `json:"startTimeout"`
	EntryPoint             []string          `json:"entryPoint"`
	Command                []string          `json:"command"`
	WorkingDirectory       string            `json:"workingDirectory"`
	DependsOn              []Dependency      `json:"dependsOn"`
	PortMappings           []PortMapping     `json:"portMappings"`
	Environment            []Variable        `json:"environment"`
	Secrets                []Secret          `json:"secrets"`
	HealthCheck            *HealthCheck      `json:"healthCheck"`
	LinuxParameters        *LinuxParameters  `json:"linuxParameters"`
	LogConfiguration       *LogConfiguration `json:"logConfiguration"`
	RestartPolicy          *RestartPolicy    `json:"restartPolicy"`
	DockerLabels           map[string]string `json:"dockerLabels"`
	VersionConsistency     string            `json:"versionConsistency"`
	MountPoints            []MountPoint      `json:"mountPoints"`

	// Terraform renders these empty; filled they are refused.
	VolumesFrom    []json.RawMessage `json:"volumesFrom"`
	SystemControls []json.RawMessage `json:"systemControls"`
	Ulimits        []json.RawMessage `json:"ulimits"`
}

// Dependency is what has to be before a container starts.
type Dependency struct {
	Container string `json:"containerName"`
	Condition string `json:"condition"` // START, HEALTHY or SUCCESS: it has ended with 0
}

// MountPoint is where a container has a volume of the task.
type MountPoint struct {
	Volume   string `json:"sourceVolume"`
	Path     string `json:"containerPath"`
	ReadOnly bool   `json:"readOnly"`
}

// PortMapping is a port that the task's address has.
type PortMapping struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol"`
	Name          string `json:"name"`
	AppProtocol   string `json:"appProtocol"`
}

// Variable is one of the environment.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Secret is a variable whose value is somewhere else.
type Secret struct {
	Name      string `json:"name"`
	ValueFrom string `json:"valueFrom"`
}

// HealthCheck is a command that ends with 0 in a container that is well.
type HealthCheck struct {
	Command     []string `json:"command"`
	Interval    int      `json:"interval"` // seconds, as the next
	Timeout     int      `json:"timeout"`
	StartPeriod int      `json:"startPeriod"`
	Retries     int      `json:"retries"`
}

// LinuxParameters are what the kernel is told.
type LinuxParameters struct {
	InitProcessEnabled bool `json:"initProcessEnabled"`
	Capabilities       struct {
		Add  []string `json:"add"`
		Drop []string `json:"drop"`
	} `json:"capabilities"`
}

// LogConfiguration says where the log goes.
type LogConfiguration struct {
	Driver  string            `json:"logDriver"`
	Options map[string]string `json:"options"`
}

// RestartPolicy lets a container that has ended start again within its task.
type RestartPolicy struct {
	Enabled          bool  `json:"enabled"`
	AttemptPeriod    int   `json:"restartAttemptPeriod"` // seconds that it must have run
	IgnoredExitCodes []int `json:"ignoredExitCodes"`
}

// Load reads a file with the rendered containerDefinitions of a task of so many CPU units and MiB, and with these volumes.
func Load(path string, cpu, memory int, volumes ...string) (Definition, error) {
	d := Definition{CPU: cpu, Memory: memory, Volumes: volumes}
	text, err := os.ReadFile(path)
	if err != nil {
		return d, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d.Containers); err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, d.check()
}

// check refuses what would not be honoured.
func (d Definition) check() error {
	for _, c := range d.Containers {
		for what, list := range map[string][]json.RawMessage{"volumesFrom": c.VolumesFrom, "systemControls": c.SystemControls, "ulimits": c.Ulimits} {
			if len(list) > 0 {
				return fmt.Errorf("container %s: this runner does not know %s", c.Name, what)
			}
		}
		for _, m := range c.MountPoints {
			if !slices.Contains(d.Volumes, m.Volume) {
				return fmt.Errorf("container %s mounts %q, which is no volume of the task", c.Name, m.Volume)
			}
		}
		for _, dep := range c.DependsOn {
			other := d.Container(dep.Container)
			switch {
			case other == nil:
				return fmt.Errorf("container %s depends on %s, which is not there", c.Name, dep.Container)
			case dep.Condition == "HEALTHY" && other.HealthCheck == nil:
				return fmt.Errorf("container %s waits for the health of %s, which has no health check", c.Name, dep.Container)
			case dep.Condition == "SUCCESS" && other.essential():
				return fmt.Errorf("container %s waits for the end of %s, with which the task ends", c.Name, dep.Container)
			case !slices.Contains([]string{"START", "HEALTHY", "SUCCESS"}, dep.Condition):
				return fmt.Errorf("container %s: this runner does not know the condition %q", c.Name, dep.Condition)
			}
		}
	}
	_, err := d.order()
	return err
}

// Container finds one by its name; nil: there is none.
func (d Definition) Container(name string) *Container {
	for i := range d.Containers {
		if d.Containers[i].Name == name {
			return &d.Containers[i]
		}
	}
	return nil
}

// order is that in which containers start: each after those it depends on.
func (d Definition) order() (names []string, err error) {
	for len(names) < len(d.Containers) {
		before := len(names)
		for _, c := range d.Containers {
			waits := slices.ContainsFunc(c.DependsOn, func(dep Dependency) bool { return !slices.Contains(names, dep.Container) })
			if !waits && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
		if len(names) == before {
			return nil, fmt.Errorf("the containers wait for each other: only %q could start", names)
		}
	}
	return names, nil
}

// Clone is a copy whose containers can be changed.
func (d Definition) Clone() Definition {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // of a value that was read from JSON
	}
	var c Definition
	if err := json.Unmarshal(text, &c); err != nil {
		panic(err)
	}
	return c
}

func (c *Container) essential() bool { return c.Essential == nil || *c.Essential }

// stream is the name of a container's log stream in a task.
func (c *Container) stream(task string) string {
	prefix := ""
	if c.LogConfiguration != nil {
		prefix = c.LogConfiguration.Options["awslogs-stream-prefix"]
	}
	return prefix + "/" + c.Name + "/" + task
}
