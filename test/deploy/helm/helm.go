// Package helm renders the chart of deploy/helm as Helm would, by Helm's own libraries, and makes the table of values in its README.
package helm

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// Rendered is what Helm makes of a chart: what it applies, and what it says.
type Rendered struct {
	Manifests []byte // YAML documents, in the order of the templates' names
	Notes     string
}

// Render renders the chart in dir for the release "demo" in the namespace "scim". Values that the schema or the templates refuse are
// an error.
func Render(dir string, values map[string]any) (*Rendered, error) {
	return Install(dir, "demo", "scim", values)
}

// Install renders the chart in dir for a release in a namespace, on the Kubernetes of the library.
func Install(dir, release, namespace string, values map[string]any) (*Rendered, error) {
	chart, err := loader.Load(dir)
	if err != nil {
		return nil, err
	}
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return nil, err
	}
	r := new(Rendered)
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch content := strings.TrimSpace(files[name]); {
		case strings.HasSuffix(name, "NOTES.txt"):
			r.Notes = content
		case content != "":
			fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", name, content)
		}
	}
	r.Manifests = text.Bytes()
	return r, nil
}

// Value is a line of the table of values.
type Value struct{ Path, Default, Meaning string }

// ReadValues reads values.yaml. What has a comment is a value; what has none is a map of values, or an error.
func ReadValues(text []byte) ([]Value, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("values.yaml is not one document")
	}
	return values(nil, doc.Content[0])
}

func values(path []string, m *yaml.Node) (list []Value, err error) {
	for i := 0; i < len(m.Content); i += 2 {
		key, value := m.Content[i], m.Content[i+1]
		here := append(slices.Clone(path), key.Value)
		meaning := strings.TrimSpace(strings.ReplaceAll(strings.TrimPrefix(key.HeadComment, "# "), "\n# ", " "))
		switch {
		case len(path) == 0 || meaning == "" && value.Kind == yaml.MappingNode:
			deeper, err := values(here, value)
			if err != nil {
				return nil, err
			}
			list = append(list, deeper...)
		case meaning == "":
			return nil, fmt.Errorf("%s has no comment that says what it is", strings.Join(here, "."))
		default:
			text, err := flow(value)
			if err != nil {
				return nil, err
			}
			list = append(list, Value{strings.Join(here, "."), text, meaning})
		}
	}
	return list, nil
}

// flow is a value in one line.
func flow(n *yaml.Node) (string, error) {
	n = &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Content: n.Content, Style: n.Style}
	if n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
	}
	raw, err := yaml.Marshal(n)
	return strings.TrimSpace(strings.Join(strings.Fields(string(raw)), " ")), err
}

// Table is the README's table of values.
func Table(list []Value) string {
	var b strings.Builder
	b.WriteString("| value | default | meaning |\n| --- | --- | --- |\n")
	for _, v := range list {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", v.Path, v.Default, v.Meaning)
	}
	return b.String()
}
