// Command schemas takes out of Kubernetes' own API description, and of the Prometheus operator's, what the manifests of deploy/
// use, as JSON schemas in which nothing else may stand. It writes schemas.json.gz in the folder above:
//
//	go run ./kubernetes/schemas
//
// Both come from the Go module proxy and are under the Apache License 2.0 (Copyright The Kubernetes Authors, and The
// prometheus-operator Authors).
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// releases are the oldest and the newest Kubernetes that the manifests are to fit. What stands in both of them stands in those between.
var releases = []string{"v1.29.15", "v1.36.3"}

const operator = "github.com/prometheus-operator/prometheus-operator@v0.94.1"

// kinds are those that deploy/ uses, as kubeconform names their schemas.
var kinds = []string{
	"configmap-v1", "deployment-apps-v1", "horizontalpodautoscaler-autoscaling-v2", "ingress-networking-v1", "networkpolicy-networking-v1",
	"pod-v1", "poddisruptionbudget-policy-v1", "secret-v1", "service-v1", "serviceaccount-v1",
}

func main() {
	all := map[string]any{} // by path
	for _, release := range releases {
		if err := kubernetes(all, release); err != nil {
			log.Fatal(err)
		}
		if err := serviceMonitor(all, release); err != nil {
			log.Fatal(err)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		log.Fatal(err)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := z.Write(text); err != nil {
		log.Fatal(err)
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("kubernetes", "schemas.json.gz"), packed.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

// module is the folder of a module's version, which is downloaded where it is not there.
func module(name string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", name)
	cmd.Dir = os.TempDir() // outside of any module, so that none requires it
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w: %s", name, err, out)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", err
	}
	return found.Dir, nil
}

// kubernetes adds the kinds of a release, and the definitions that they lead to.
func kubernetes(all map[string]any, release string) error {
	dir, err := module("k8s.io/kubernetes@" + release)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		return err
	}
	var swagger struct{ Definitions map[string]map[string]any }
	if err := json.Unmarshal(raw, &swagger); err != nil {
		return err
	}
	used := map[string]any{}
	var want func(name string)
	want = func(name string) {
		if used[name] != nil {
			return
		}
		d := strict(swagger.Definitions[name])
		used[name] = d
		for _, other := range references(d) {
			want(other)
		}
	}
	missing := slices.Clone(kinds)
	for name, d := range swagger.Definitions {
		list, _ := d["x-kubernetes-group-version-kind"].([]any)
		for _, one := range list {
			gvk := one.(map[string]any)
			group, _, _ := strings.Cut(gvk["group"].(string), ".")
			parts := slices.DeleteFunc([]string{strings.ToLower(gvk["kind"].(string)), group, gvk["version"].(string)}, func(s string) bool { return s == "" })
			kind := strings.Join(parts, "-")
			if at := slices.Index(missing, kind); at >= 0 {
				missing = slices.Delete(missing, at, at+1)
				want(name)
				all[release+"/"+kind+".json"] = map[string]any{"$ref": definitions + name}
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s has no %v", release, missing)
	}
	all[release+"/_definitions.json"] = map[string]any{"definitions": used}
	return nil
}

const definitions = "_definitions.json#/definitions/"

// strict lets nothing but what is described stand in objects, and drops what validates nothing.
func strict(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v["format"] == "int-or-string" || v["x-kubernetes-int-or-string"] == true {
			return map[string]any{"oneOf": []any{map[string]any{"type": "string"}, map[string]any{"type": "integer"}}}
		}
		out := map[string]any{}
		for key, inner := range v {
			text, isText := inner.(string)
			switch {
			case isText && key == "description", strings.HasPrefix(key, "x-kubernetes-"):
			case isText && key == "$ref":
				out[key] = definitions + strings.TrimPrefix(text, "#/definitions/")
			default:
				out[key] = strict(inner)
			}
		}
		if _, ok := out["properties"].(map[string]any); ok && out["type"] != nil && out["additionalProperties"] == nil {
			out["additionalProperties"] = false
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = strict(v[i])
		}
		return out
	}
	return v
}

// references are the names of the definitions that v leads to.
func references(v any) (names []string) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			names = append(names, strings.TrimPrefix(ref, definitions))
		}
		for _, inner := range v {
			names = append(names, references(inner)...)
		}
	case []any:
		for _, inner := range v {
			names = append(names, references(inner)...)
		}
	}
	return names
}

// serviceMonitor adds the operator's kind to those of a release.
func serviceMonitor(all map[string]any, release string) error {
	dir, err := module(operator)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_servicemonitors.yaml"))
	if err != nil {
		return err
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		return err
	}
	s := strict(crd.Spec.Versions[0].Schema.OpenAPIV3Schema).(map[string]any)
	all[release+"/servicemonitor-monitoring-"+crd.Spec.Versions[0].Name+".json"] = s
	return nil
}
