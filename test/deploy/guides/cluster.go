package guides

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/scimbridge/scimbridge/test/deploy/helm"
	"github.com/scimbridge/scimbridge/test/deploy/kubernetes"
	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// cluster is Kubernetes as far as the guides see it: namespaces and secrets by hand, and Deployments of which one pod each is started.
type cluster struct{ m machine }

func (c cluster) kubectl(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "create" && args[1] == "namespace":
		return os.MkdirAll(c.m.file("namespaces", args[2]), 0o700)
	case len(args) == 4 && args[0] == "config" && args[1] == "set-context" && args[2] == "--current":
		namespace, ok := strings.CutPrefix(args[3], "--namespace=")
		if _, err := os.Stat(c.m.file("namespaces", namespace)); !ok || err != nil {
			return fmt.Errorf("%s: no such namespace", args[3])
		}
		return os.Symlink(c.m.file("namespaces", namespace), c.m.file("current"))
	case len(args) == 5 && args[0] == "create" && args[1] == "secret" && args[2] == "generic":
		return c.secret(args[3], args[4])
	case len(args) == 3 && args[0] == "apply" && args[1] == "-k":
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), args[2])
		if err != nil {
			return err
		}
		text, err := built.AsYaml()
		if err != nil {
			return err
		}
		return c.apply(text)
	case len(args) == 3 && args[0] == "rollout" && args[1] == "status":
		name, ok := strings.CutPrefix(args[2], "deployment/")
		if _, err := os.Stat(c.m.file("current", "deployments", name)); !ok || err != nil {
			return fmt.Errorf("%s not found", args[2])
		}
		return nil // apply has waited for it
	}
	return refused("kubectl", args)
}

// secret makes a secret of one file.
func (c cluster) secret(name, from string) error {
	from, ok := strings.CutPrefix(from, "--from-file=")
	key, file, named := strings.Cut(from, "=")
	if !ok || !named {
		return refused("kubectl create secret generic", []string{name, from})
	}
	var raw []byte
	var err error
	if file == "/dev/stdin" {
		raw, err = io.ReadAll(os.Stdin)
	} else {
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return err
	}
	to := c.m.file("current", "secrets", name)
	return errors.Join(os.MkdirAll(to, 0o700), os.WriteFile(path.Join(to, key), raw, 0o600))
}

func (c cluster) helm(args []string) error {
	if len(args) != 7 || args[0] != "-n" || args[2] != "install" || args[5] != "--values" {
		return refused("helm", args)
	}
	if _, err := os.Stat(c.m.file("namespaces", args[1])); err != nil {
		return fmt.Errorf("no namespace %s", args[1])
	}
	raw, err := os.ReadFile(args[6])
	if err != nil {
		return err
	}
	var values map[string]any
	if err := yaml.Unmarshal(raw, &values); err != nil {
		return err
	}
	r, err := helm.Install(args[4], args[3], args[1], values)
	if err != nil {
		return err
	}
	return c.apply(r.Manifests)
}

// apply starts a pod of each Deployment of ours, and waits until it is ready.
func (c cluster) apply(manifests []byte) error {
	set, err := kubernetes.Parse(bytes.TrimSpace(manifests))
	if err != nil {
		return err
	}
	for _, d := range set.Deployments {
		pod := d.Spec.Template.Spec
		if strings.HasPrefix(pod.Containers[0].Image, product.Image+":") {
			env, err := c.environment(set, pod)
			if err != nil {
				return fmt.Errorf("%s: %w", d.Name, err)
			}
			if slices.Contains(pod.Containers[0].Args, "account") {
				err = c.m.account(env)
			} else {
				err = c.m.bridge(pod.Containers[0].Image, env)
			}
			if err != nil {
				return err
			}
		}
		if err := os.MkdirAll(c.m.file("current", "deployments", d.Name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// session is where a bridge looks for its scimsession when nothing else is said.
const session = "/home/opuser/.op/scimsession"

// environment is what a pod's first container gets. Each secret that it mounts or reads has to be there.
func (c cluster) environment(set *kubernetes.Set, pod corev1.PodSpec) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range pod.Containers[0].EnvFrom {
		for _, m := range set.ConfigMaps {
			if from.ConfigMapRef != nil && m.Name == from.ConfigMapRef.Name {
				for name, value := range m.Data {
					env[name] = value
				}
			}
		}
	}
	for _, v := range pod.Containers[0].Env {
		env[v.Name] = v.Value
		if v.ValueFrom == nil || v.ValueFrom.SecretKeyRef == nil {
			continue
		}
		raw, err := os.ReadFile(c.m.file("current", "secrets", v.ValueFrom.SecretKeyRef.Name, v.ValueFrom.SecretKeyRef.Key))
		if err != nil {
			return nil, err
		}
		env[v.Name] = string(raw)
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		for _, v := range pod.Volumes {
			if v.Name != mount.Name {
				continue
			}
			for _, name := range secrets(v) {
				at := c.m.file("current", "secrets", name)
				if _, err := os.Stat(at); err != nil {
					return nil, fmt.Errorf("secret %q not found", name)
				}
				if _, ok := env["OP_SESSION"]; !ok && path.Dir(session) == mount.MountPath {
					env["OP_SESSION"] = path.Join(at, path.Base(session))
				}
			}
		}
	}
	return env, nil
}

// secrets are the names of those that a volume has.
func secrets(v corev1.Volume) []string {
	if v.Secret != nil {
		return []string{v.Secret.SecretName}
	}
	var list []string
	if v.Projected != nil {
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				list = append(list, s.Secret.Name)
			}
		}
	}
	return list
}
