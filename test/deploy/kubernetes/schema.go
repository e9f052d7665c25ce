package kubernetes

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yannh/kubeconform/pkg/validator"
)

//go:embed schemas.json.gz
var packed []byte // see schemas/main.go: path → JSON schema

// Schemas are those of several releases of Kubernetes.
type Schemas struct {
	releases []string
	by       []validator.Validator // kubeconform in strict mode, each for a release
}

// NewSchemas unpacks the schemas into dir, where they have to stay.
func NewSchemas(dir string) (*Schemas, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	files := map[string]json.RawMessage{}
	if err := json.NewDecoder(z).Decode(&files); err != nil {
		return nil, err
	}
	s := new(Schemas)
	for path, text := range files {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(full, text, 0o644); err != nil {
			return nil, err
		}
		if release := filepath.Dir(path); !slices.Contains(s.releases, release) {
			s.releases = append(s.releases, release)
		}
	}
	slices.Sort(s.releases)
	for _, release := range s.releases {
		v, err := validator.New([]string{filepath.Join(dir, release, "{{.ResourceKind}}{{.KindSuffix}}.json")},
			validator.Opts{Strict: true, KubernetesVersion: strings.TrimPrefix(release, "v")})
		if err != nil {
			return nil, err
		}
		s.by = append(s.by, v)
	}
	return s, nil
}

// Complaints says what does not fit the schema of each release.
func (s *Schemas) Complaints(text []byte) []string {
	var list []string
	for i, v := range s.by {
		for _, r := range v.Validate("", io.NopCloser(bytes.NewReader(text))) {
			if r.Status == validator.Valid || r.Status == validator.Empty {
				continue
			}
			what := "?"
			if sig, err := r.Resource.Signature(); err == nil {
				what = sig.Kind + "/" + sig.Name
			}
			err := r.Err
			for _, e := range r.ValidationErrors {
				err = errors.Join(err, &e)
			}
			list = append(list, fmt.Sprintf("%s: Kubernetes %s: %v", what, s.releases[i], err))
		}
	}
	return list
}
