package guides

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/test/deploy/atmos"
)

// terraform is the real one. What an apply has made is then started.
func (m machine) terraform(args []string) error {
	cmd := exec.Command(os.Getenv("GUIDES_TERRAFORM"), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil || len(args) == 0 || args[0] != "apply" {
		return err
	}
	raw, err := exec.Command(os.Getenv("GUIDES_TERRAFORM"), "show", "-json").Output()
	if err != nil {
		return err
	}
	var state struct {
		Values struct {
			Root struct {
				Resources []resource `json:"resources"`
			} `json:"root_module"`
		} `json:"values"`
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		return err
	}
	return m.ecs(state.Values.Root.Resources)
}

type resource struct {
	Address string         `json:"address"`
	Values  map[string]any `json:"values"`
}

// ecs starts what a state's task definitions say, as ECS would: the bridge, or the account service.
func (m machine) ecs(all []resource) error {
	for _, r := range all {
		if r.Address != "aws_ecs_task_definition.op_scim_bridge" && r.Address != "aws_ecs_task_definition.this" {
			continue
		}
		var containers []struct {
			Name, Image          string
			Command              []string
			Environment, Secrets []struct{ Name, Value, ValueFrom string }
		}
		text, _ := r.Values["container_definitions"].(string)
		if err := json.Unmarshal([]byte(text), &containers); err != nil {
			return err
		}
		for _, c := range containers {
			env := map[string]string{}
			for _, e := range c.Environment {
				env[e.Name] = e.Value
			}
			if c.Name == "account" {
				return m.account(env)
			}
			if c.Name != "op_scim_bridge" {
				continue
			}
			for _, s := range c.Secrets {
				if s.Name == "OP_SESSION" {
					session, err := m.session(all)
					if err != nil {
						return err
					}
					env[s.Name] = session
				}
			}
			return m.bridge(c.Image, env)
		}
	}
	return errors.New("nothing was made that could be started")
}

// session is the scimsession that Secrets Manager has after an apply: in the state, as with the original, or written past it.
func (m machine) session(all []resource) (string, error) {
	for _, r := range all {
		if s, _ := r.Values["secret_string"].(string); strings.HasPrefix(r.Address, "aws_secretsmanager_secret_version.scimsession") && s != "" {
			return s, nil
		}
	}
	f, err := os.Open(m.file("writes"))
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	var session string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var w struct {
			Values map[string]any `json:"values"`
		}
		if err := json.Unmarshal(sc.Bytes(), &w); err != nil {
			return "", err
		}
		s, _ := w.Values["secret_string_wo"].(string)
		if raw, err := base64.StdEncoding.DecodeString(s); err == nil && json.Valid(raw) {
			session = s
		}
	}
	if session == "" {
		return "", errors.New("no scimsession has been written to Secrets Manager")
	}
	return session, nil
}

// aws keeps parameters of SSM.
func (m machine) aws(args []string) error {
	name, value := option(args, "--name"), option(args, "--value")
	want := []string{"ssm", "put-parameter", "--region", option(args, "--region"), "--type", "SecureString", "--name", name, "--value", value}
	if !slices.Equal(args, want) || option(args, "--region") == "" || !strings.HasPrefix(name, "/") || value == "" {
		return refused("aws", args)
	}
	path := m.file("ssm", name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(value), 0o600))
}

// atmos reads the stacks of the folder that it is started in, and starts the bridge of one as its component would.
func (m machine) atmos(args []string) error {
	all, err := atmos.Load(".")
	if err != nil {
		return err
	}
	if slices.Equal(args, []string{"validate", "stacks"}) {
		return nil
	}
	if len(args) != 5 || args[3] != "-s" {
		return refused("atmos", args)
	}
	i := slices.IndexFunc(all, func(c atmos.Component) bool { return c.Name == args[2] && c.Stack == args[4] })
	if i < 0 {
		return errors.New("there is no " + args[2] + " in " + args[4])
	}
	switch strings.Join(args[:2], " ") {
	case "validate component", "terraform plan":
		return nil // test/deploy/atmos looks at the values
	case "terraform apply":
	default:
		return refused("atmos", args)
	}
	raw, err := json.Marshal(all[i].Vars)
	if err != nil {
		return err
	}
	var vars struct {
		Containers map[string]struct {
			Image       string            `json:"image"`
			Environment map[string]string `json:"map_environment"`
			Secrets     map[string]string `json:"map_secrets"`
		} `json:"containers"`
	}
	if err := json.Unmarshal(raw, &vars); err != nil {
		return err
	}
	c := vars.Containers["service"]
	for name, parameter := range c.Secrets {
		value, err := os.ReadFile(m.file("ssm", parameter))
		if err != nil {
			return err
		}
		c.Environment[name] = string(value)
	}
	return m.bridge(c.Image, c.Environment)
}

// option is what follows a flag, "" where it is not there.
func option(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func refused(name string, args []string) error {
	return errors.New(name + " " + strings.Join(args, " ") + " is not played here")
}
