package atmos

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Product is what a stack is measured against.
type Product struct {
	Image    string   // with its version
	Port     int      // where the bridge listens unless OP_PORT says otherwise
	Settings []string // the variables that it knows
}

// Check returns what is wrong with a component's values, a sentence each, sorted: what its schemas do not take, and what
// would not come out as the stack says although they take it.
func Check(c Component, p Product) ([]string, error) {
	if len(c.Schemas) == 0 {
		return nil, fmt.Errorf("%s of %s has no schema in settings.validation", c.Name, c.Stack)
	}
	var out []string
	for _, path := range c.Schemas {
		found, err := checkSchema(path, c.Vars)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if _, ok := c.Vars["containers"]; ok {
		out = append(out, checkTask(c.Vars, p)...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// checkSchema validates what Atmos would give to the schema, as far as ours looks at it.
func checkSchema(path string, vars map[string]any) ([]string, error) {
	s, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		return nil, err
	}
	doc, err := document(path)
	if err != nil {
		return nil, err
	}
	// Through JSON, so that numbers are as Atmos hands them over.
	body, err := json.Marshal(map[string]any{"vars": vars})
	if err != nil {
		return nil, err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	var wrong *jsonschema.ValidationError
	if err := s.Validate(value); errors.As(err, &wrong) {
		return complaints(doc, wrong), nil
	} else if err != nil {
		return nil, err
	}
	return nil, nil
}

func document(path string) (any, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return jsonschema.UnmarshalJSON(f)
}

// complaints are the leaves of an error in sentences, with the reasons that the schema gives in its descriptions.
func complaints(doc any, e *jsonschema.ValidationError) []string {
	var out []string
	for _, cause := range e.Causes {
		out = append(out, complaints(doc, cause)...)
	}
	at := strings.Join(e.InstanceLocation, ".")
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			out = append(out, fmt.Sprintf("%s: the component has no key %q; %s", at, name, dropped(e.InstanceLocation)))
		}
	case *kind.Required:
		for _, name := range k.Missing {
			out = append(out, fmt.Sprintf("%s: %q is missing%s", at, name, reason(property(doc, e.SchemaURL, name))))
		}
	case *kind.Not:
		out = append(out, fmt.Sprintf("%s: what stands there is refused%s", at, reason(subschema(doc, e.SchemaURL))))
	default:
		if len(e.Causes) == 0 {
			out = append(out, fmt.Sprintf("%s: %s%s", at, k.LocalizedString(message.NewPrinter(language.English)), reason(subschema(doc, e.SchemaURL))))
		}
	}
	return out
}

// dropped says what becomes of a key that the component does not know.
func dropped(at []string) string {
	if len(at) == 1 { // a variable
		return "Terraform warns of it and goes on without it"
	}
	return "Terraform drops it without a word"
}

func reason(schema map[string]any) string {
	if text, ok := schema["description"].(string); ok {
		return ": " + text
	}
	return ""
}

// property is the subschema of a property.
func property(doc any, url, name string) map[string]any {
	props, _ := subschema(doc, url)["properties"].(map[string]any)
	p, _ := props[name].(map[string]any)
	return p
}

// subschema finds the schema that a URL points to by its fragment, a JSON pointer.
func subschema(doc any, url string) map[string]any {
	_, pointer, _ := strings.Cut(url, "#")
	for part := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch v := doc.(type) {
		case map[string]any:
			doc = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(v) {
				return nil
			}
			doc = v[i]
		}
	}
	s, _ := doc.(map[string]any)
	return s
}

// task is what the rules below look at.
type task struct {
	Containers map[string]container `json:"containers"`
	Task       struct {
		CPU    float64 `json:"task_cpu"`
		Memory float64 `json:"task_memory"`
	} `json:"task"`
}

type container struct {
	Name      string  `json:"name"`
	Image     string  `json:"image"`
	CPU       float64 `json:"cpu"`
	Memory    float64 `json:"memory"`
	DependsOn []struct {
		Name      string `json:"containerName"`
		Condition string `json:"condition"`
	} `json:"container_depends_on"`
	Ports []struct {
		Container int `json:"containerPort"`
		Host      int `json:"hostPort"`
	} `json:"port_mappings"`
	Health      *struct{}      `json:"healthcheck"`
	Environment map[string]any `json:"map_environment"`
	Secrets     map[string]any `json:"map_secrets"`
}

// checkTask looks at what a schema cannot: sums, and values that stand in relation to one another.
func checkTask(vars map[string]any, p Product) []string {
	body, err := json.Marshal(vars)
	if err != nil {
		return []string{err.Error()}
	}
	var t task
	if err := json.Unmarshal(body, &t); err != nil {
		return []string{"vars: " + err.Error()}
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	var cpu, memory float64
	byName := map[string]container{}
	for _, key := range slices.Sorted(maps.Keys(t.Containers)) {
		c := t.Containers[key]
		cpu, memory = cpu+c.CPU, memory+c.Memory
		if _, twice := byName[c.Name]; twice {
			say("vars.containers.%s: a second container with the name %q", key, c.Name)
		}
		byName[c.Name] = c
	}
	if t.Task.CPU > 0 && cpu > t.Task.CPU {
		say("vars.containers: the containers want %g units of CPU, the task has %g", cpu, t.Task.CPU)
	}
	if t.Task.Memory > 0 && memory > t.Task.Memory {
		say("vars.containers: the containers want %g MiB, the task has %g", memory, t.Task.Memory)
	}
	for _, key := range slices.Sorted(maps.Keys(t.Containers)) {
		c := t.Containers[key]
		at := "vars.containers." + key
		for _, d := range c.DependsOn {
			on, ok := byName[d.Name]
			switch {
			case !ok:
				say("%s: it waits for a container %q, which the task does not have", at, d.Name)
			case d.Name == c.Name || waits(byName, on, c.Name):
				say("%s: it waits for %q, which waits for it", at, d.Name)
			case d.Condition == "HEALTHY" && on.Health == nil:
				say("%s: it waits until %q is healthy, which has no healthcheck", at, d.Name)
			}
		}
		for _, m := range c.Ports {
			if m.Host != 0 && m.Host != m.Container {
				say("%s: port %d is mapped to %d; containers of a Fargate task have the ports that they have", at, m.Container, m.Host)
			}
		}
	}
	if c, ok := t.Containers["service"]; ok {
		out = append(out, checkBridge("vars.containers.service", c, p)...)
	}
	return out
}

// waits reports whether c waits for a container of that name, directly or by way of others.
func waits(byName map[string]container, c container, name string) bool {
	seen := map[string]bool{}
	var look func(container) bool
	look = func(c container) bool {
		for _, d := range c.DependsOn {
			if d.Name == name {
				return true
			}
			if !seen[d.Name] {
				seen[d.Name] = true
				if look(byName[d.Name]) {
					return true
				}
			}
		}
		return false
	}
	return look(c)
}

// checkBridge looks at the container with the bridge.
func checkBridge(at string, c container, p Product) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	if c.Image != p.Image {
		say("the image is %s, not %s", c.Image, p.Image)
	}
	port := p.Port
	if set, err := strconv.Atoi(fmt.Sprint(c.Environment["OP_PORT"])); err == nil {
		port = set
	}
	if len(c.Ports) > 0 && c.Ports[0].Container != port {
		say("the load balancer would ask port %d, and the bridge listens on %d", c.Ports[0].Container, port)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		if _, both := c.Secrets[name]; both {
			say("%s is a variable and a secret; ECS takes one", name)
		}
	}
	for _, from := range []map[string]any{c.Environment, c.Secrets} {
		for _, name := range slices.Sorted(maps.Keys(from)) {
			if strings.HasPrefix(name, "OP_") && !slices.Contains(p.Settings, name) {
				say("%s is no setting of docs/configuration.md", name)
			}
		}
	}
	for _, name := range []string{"OP_SESSION", "OP_REDIS_PASSWORD"} {
		if _, open := c.Environment[name]; open {
			say("%s stands in the task definition for all to read; name it in map_secrets", name)
		}
	}
	return out
}
