// Package atmos checks the stacks in deploy/atmos without Atmos: it resolves imports and inheritance as Atmos does, and then
// looks at what a component would get. Atmos itself sees to no more than YAML and imports, and Terraform drops the keys of an
// object that a variable's type does not name, without a word; so a stack can be valid and do something else than it says.
package atmos

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Component is a component of a stack with all that it imports and inherits.
type Component struct {
	Stack, Name string
	Terraform   string // folder below components/terraform
	Schemas     []string
	Vars        map[string]any
}

// config is what counts of atmos.yaml.
type config struct {
	Stacks struct {
		BasePath      string   `yaml:"base_path"`
		IncludedPaths []string `yaml:"included_paths"`
		ExcludedPaths []string `yaml:"excluded_paths"`
		NamePattern   string   `yaml:"name_pattern"`
	} `yaml:"stacks"`
	Schemas struct {
		JSONSchema struct {
			BasePath string `yaml:"base_path"`
		} `yaml:"jsonschema"`
	} `yaml:"schemas"`
}

// Load resolves all components of all stacks below dir, where atmos.yaml is, but abstract ones. They come in the order of
// stacks and names.
func Load(dir string) ([]Component, error) {
	var c config
	body, err := os.ReadFile(filepath.Join(dir, "atmos.yaml"))
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("atmos.yaml: %w", err)
	}
	stacks := filepath.Join(dir, c.Stacks.BasePath)
	// The one form of paths that the repository uses: all below a folder, but files of a name.
	if !slices.Equal(c.Stacks.IncludedPaths, []string{"orgs/**/*"}) || !slices.Equal(c.Stacks.ExcludedPaths, []string{"**/_defaults.yaml"}) {
		return nil, errors.New("atmos.yaml: this check knows one form of included_paths and excluded_paths; teach it yours")
	}
	var out []Component
	err = filepath.WalkDir(filepath.Join(stacks, "orgs"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" || e.Name() == "_defaults.yaml" {
			return err
		}
		name, err := filepath.Rel(stacks, path)
		if err != nil {
			return err
		}
		m, err := read(stacks, strings.TrimSuffix(name, ".yaml"), nil)
		if err != nil {
			return err
		}
		found, err := m.components(c.Stacks.NamePattern)
		for i := range found {
			for k, s := range found[i].Schemas {
				found[i].Schemas[k] = filepath.Join(dir, c.Schemas.JSONSchema.BasePath, s)
			}
		}
		out = append(out, found...)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	return out, err
}

// manifest is a stack's file, after its imports.
type manifest struct {
	Import     []string       `yaml:"import"`
	Vars       map[string]any `yaml:"vars"`
	Terraform  section        `yaml:"terraform"`
	Components struct {
		Terraform map[string]map[string]any `yaml:"terraform"`
	} `yaml:"components"`
}

type section struct {
	Vars map[string]any `yaml:"vars"`
}

// read reads a manifest by its name below the folder of stacks; above are those that import it.
func read(stacks, name string, above []string) (manifest, error) {
	var m, own manifest
	if slices.Contains(above, name) {
		return m, fmt.Errorf("import %s: it imports itself", name)
	}
	f, err := os.Open(filepath.Join(stacks, filepath.FromSlash(strings.TrimSuffix(name, ".yaml")+".yaml")))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("stack import not found: '%s'", name)
	}
	if err != nil {
		return m, err
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true) // a section that is not known here is not checked either
	if err := d.Decode(&own); err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	for _, i := range own.Import {
		imported, err := read(stacks, i, append(above, name))
		if err != nil {
			return m, err
		}
		m.merge(imported)
	}
	m.merge(own)
	return m, nil
}

func (m *manifest) merge(over manifest) {
	m.Vars = merged(m.Vars, over.Vars)
	m.Terraform.Vars = merged(m.Terraform.Vars, over.Terraform.Vars)
	if m.Components.Terraform == nil {
		m.Components.Terraform = map[string]map[string]any{}
	}
	for name, c := range over.Components.Terraform {
		m.Components.Terraform[name] = merged(m.Components.Terraform[name], c)
	}
}

// merged lays over on base, as Atmos does unless it is told otherwise: maps key by key, lists and all else as a whole.
func merged(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range over {
		was, both := out[k].(map[string]any)
		is, ok := v.(map[string]any)
		if both && ok {
			v = merged(was, is)
		}
		out[k] = v
	}
	return out
}

func (m manifest) components(pattern string) ([]Component, error) {
	var out []Component
	for _, name := range slices.Sorted(maps.Keys(m.Components.Terraform)) {
		metadata, _ := m.Components.Terraform[name]["metadata"].(map[string]any)
		if metadata["type"] == "abstract" {
			continue
		}
		own, err := m.inherited(name, nil)
		if err != nil {
			return out, err
		}
		c := Component{Name: name, Terraform: name}
		if t, ok := metadata["component"].(string); ok {
			c.Terraform = t
		}
		// The narrower wins: all components, those of Terraform, what is inherited, the component.
		vars, _ := own["vars"].(map[string]any)
		c.Vars = merged(merged(m.Vars, m.Terraform.Vars), vars)
		if c.Stack, err = stackName(pattern, c.Vars); err != nil {
			return out, err
		}
		settings, _ := own["settings"].(map[string]any)
		validation, _ := settings["validation"].(map[string]any)
		for _, v := range validation {
			if v, _ := v.(map[string]any); v["schema_type"] == "jsonschema" {
				c.Schemas = append(c.Schemas, fmt.Sprint(v["schema_path"]))
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// inherited is a component on top of those that it inherits from, but for their metadata, which nobody inherits.
func (m manifest) inherited(name string, above []string) (map[string]any, error) {
	own, ok := m.Components.Terraform[name]
	if !ok {
		return nil, fmt.Errorf("component '%s' inherits from '%s', which the stack does not have", above[len(above)-1], name)
	}
	if slices.Contains(above, name) {
		return nil, fmt.Errorf("component '%s' inherits from itself", name)
	}
	out := map[string]any{}
	metadata, _ := own["metadata"].(map[string]any)
	bases, _ := metadata["inherits"].([]any)
	for _, b := range bases {
		base, err := m.inherited(fmt.Sprint(b), append(above, name))
		if err != nil {
			return nil, err
		}
		delete(base, "metadata")
		out = merged(out, base)
	}
	return merged(out, own), nil
}

func stackName(pattern string, vars map[string]any) (string, error) {
	for _, part := range []string{"namespace", "tenant", "environment", "stage"} {
		mark := "{" + part + "}"
		if !strings.Contains(pattern, mark) {
			continue
		}
		value, ok := vars[part].(string)
		if !ok {
			return "", fmt.Errorf("the variable %s is missing, of which the stack's name is made", part)
		}
		pattern = strings.ReplaceAll(pattern, mark, value)
	}
	return pattern, nil
}
