// Package kubernetes reads what is to be applied to a cluster and says what is wrong with it: by Kubernetes' own schemas (schema.go),
// and by what the product and its documents hold true (rules.go, pod.go, network.go). It knows neither kustomize nor Helm, whose output it is given.
package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Set is what is applied together.
type Set struct {
	ConfigMaps      []corev1.ConfigMap
	Secrets         []corev1.Secret
	ServiceAccounts []corev1.ServiceAccount
	Services        []corev1.Service
	Pods            []corev1.Pod // Helm's tests
	Deployments     []appsv1.Deployment
	Autoscalers     []autoscalingv2.HorizontalPodAutoscaler
	Disruptions     []policyv1.PodDisruptionBudget
	Networks        []networkingv1.NetworkPolicy
	Ingresses       []networkingv1.Ingress
	Monitors        []ServiceMonitor
}

// ServiceMonitor is what the rules ask of the Prometheus operator's kind; the schema has seen the rest.
type ServiceMonitor struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port, Path, Scheme string
			Authorization      struct {
				Credentials corev1.SecretKeySelector `json:"credentials"`
			} `json:"authorization"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// Parse decodes YAML documents into the types of Kubernetes. A field that a type does not have is an error.
func Parse(text []byte) (*Set, error) {
	s := new(Set)
	docs := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		if err := s.add(doc); err != nil {
			return nil, err
		}
	}
}

func (s *Set) add(doc []byte) error {
	var head struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
	}
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return fmt.Errorf("%w in %s", err, doc)
	}
	if head.Kind == "" && len(bytes.TrimSpace(doc)) == 0 {
		return nil
	}
	var err error
	switch head.APIVersion + " " + head.Kind {
	case "v1 ConfigMap":
		err = strict(doc, &s.ConfigMaps)
	case "v1 Secret":
		err = strict(doc, &s.Secrets)
	case "v1 ServiceAccount":
		err = strict(doc, &s.ServiceAccounts)
	case "v1 Service":
		err = strict(doc, &s.Services)
	case "v1 Pod":
		err = strict(doc, &s.Pods)
	case "apps/v1 Deployment":
		err = strict(doc, &s.Deployments)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		err = strict(doc, &s.Autoscalers)
	case "policy/v1 PodDisruptionBudget":
		err = strict(doc, &s.Disruptions)
	case "networking.k8s.io/v1 NetworkPolicy":
		err = strict(doc, &s.Networks)
	case "networking.k8s.io/v1 Ingress":
		err = strict(doc, &s.Ingresses)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		var m ServiceMonitor
		err = yaml.Unmarshal(doc, &m)
		s.Monitors = append(s.Monitors, m)
	default:
		err = errors.New("is a kind that these checks do not know")
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", head.Kind, head.Name, err)
	}
	return nil
}

func strict[T any](doc []byte, list *[]T) error {
	var v T
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}
