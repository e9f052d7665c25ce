package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// bom is a bill of materials in CycloneDX 1.6 (ECMA-424), as far as we use it.
type bom struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Purl       string     `json:"purl"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// bom says what is in the image: the program, the modules that its build put into it, Go itself, and the module that the
// certificate authorities are from.
func (p *platformImage) bom() ([]byte, error) {
	digest, err := p.image.Digest()
	if err != nil {
		return nil, err
	}
	own := module("application", p.program.info.Main.Path, "v"+p.program.version, "")
	executable, err := os.ReadFile(p.program.path)
	if err != nil {
		return nil, err
	}
	own.Hashes = []hash{{"SHA-256", fmt.Sprintf("%x", sha256.Sum256(executable))}}
	own.Properties = []property{{"scimbridge:platform", p.program.platform().String()}, {"scimbridge:commit", p.program.commit}, {"scimbridge:image", digest.String()}}
	b := bom{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Serial: serial(digest.Hex),
		Metadata: metadata{p.program.created.Format("2006-01-02T15:04:05Z07:00"), own},
		// Time zones are from the same release of Go.
		Components: []component{module("library", "std", p.program.info.GoVersion, "")},
	}
	list := p.program.info.Deps
	tool, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, fmt.Errorf("this program does not know its own modules; build it with go build or go run")
	}
	for _, m := range tool.Deps {
		if m.Path == authoritiesModule {
			list = append(list[:len(list):len(list)], m)
		}
	}
	for _, m := range list {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, module("library", m.Path, m.Version, m.Sum))
	}
	all := dependency{Ref: own.Ref}
	for _, c := range b.Components {
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{all}
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

// module names a Go module by its package URL; Go's version has no v there.
func module(kind, path, version, sum string) component {
	version = strings.TrimPrefix(version, "go")
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	c := component{Type: kind, Ref: purl, Name: path, Version: version, Purl: purl}
	if sum != "" {
		c.Properties = []property{{"go:sum", sum}} // of the module's files; no hash that CycloneDX knows
	}
	return c
}

// serial is a UUID (version 8, RFC 9562 §5.8) made of what the bill is about, so that it is the same on each run.
func serial(of string) string {
	u := sha256.Sum256([]byte(of))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
