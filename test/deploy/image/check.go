package image

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// most is how many bytes an image may have as it travels: pulling it is part of every start on Fargate.
const most = 25e6

// fewest authorities: Mozilla trusts some 150.
const fewest = 100

// machines are the processors of the platforms that there have to be.
var machines = map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}

// Check says what is wrong with the image for one platform, a line each.
func Check(img v1.Image, platform string) []string {
	c, err := img.ConfigFile()
	if err != nil {
		return []string{err.Error()}
	}
	files, err := Files(img)
	if err != nil {
		return []string{err.Error()}
	}
	problems := checkConfig(c, platform)
	problems = append(problems, checkSize(img)...)
	problems = append(problems, checkFiles(files)...)
	problems = append(problems, checkProgram(files, machines[platform])...)
	problems = append(problems, checkAuthorities(files["etc/ssl/certs/ca-certificates.crt"].Content)...)
	return append(problems, checkZones(files)...)
}

func checkConfig(c *v1.ConfigFile, platform string) (problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if got := c.OS + "/" + c.Architecture; got != platform {
		complain("the configuration is for %s, the index says %s", got, platform)
	}
	if c.Config.User != "999:999" {
		complain("it runs as %q, want 999:999", c.Config.User)
	}
	if !slices.Equal(c.Config.Entrypoint, []string{"/op-scim/op-scim"}) || !slices.Equal(c.Config.Cmd, []string{"serve"}) {
		complain("it runs %q %q, want [/op-scim/op-scim] [serve]", c.Config.Entrypoint, c.Config.Cmd)
	}
	if len(c.Config.Volumes) > 0 {
		complain("it declares volumes: %v", c.Config.Volumes)
	}
	for _, port := range []string{"3002/tcp", "8443/tcp", "8080/tcp"} {
		if _, ok := c.Config.ExposedPorts[port]; !ok {
			complain("port %s is not exposed", port)
		}
	}
	for _, e := range c.Config.Env {
		if strings.HasPrefix(e, "OP_") {
			complain("it brings a setting along: %s", e)
		}
	}
	for _, name := range []string{"title", "version", "revision", "source", "licenses", "created"} {
		if c.Config.Labels["org.opencontainers.image."+name] == "" {
			complain("no label org.opencontainers.image.%s", name)
		}
	}
	return problems
}

func checkSize(img v1.Image) []string {
	m, err := img.Manifest()
	if err != nil {
		return []string{err.Error()}
	}
	var size int64
	for _, l := range m.Layers {
		size += l.Size
	}
	if size > most {
		return []string{fmt.Sprintf("its layers are %d bytes, more than %.0f", size, most)}
	}
	return nil
}

// checkFiles looks at who may do what with which file.
func checkFiles(files map[string]File) (problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for name, f := range files {
		switch {
		case f.Mode&0o6000 != 0:
			complain("%s gives its owner's rights away (mode %o)", name, f.Mode)
		case f.Mode&0o022 != 0 && f.Typeflag != tar.TypeSymlink && name != "tmp":
			complain("%s can be written by others (mode %o)", name, f.Mode)
		}
	}
	for _, shell := range []string{"bin/sh", "bin/bash", "bin/busybox", "usr/bin/sh"} {
		if _, ok := files[shell]; ok {
			complain("there is a shell: %s", shell)
		}
	}
	if f := files["home/opuser/.op"]; f.Typeflag != tar.TypeDir || f.Mode != 0o700 || f.Uid != 999 || f.Gid != 999 {
		complain("/home/opuser/.op is %d:%d %o, want a folder of 999:999 with mode 700", f.Uid, f.Gid, f.Mode)
	}
	if f := files["tmp"]; f.Typeflag != tar.TypeDir || f.Mode != 0o1777 {
		complain("/tmp has mode %o, want 1777", f.Mode)
	}
	if !strings.Contains(string(files["etc/passwd"].Content), "\nopuser:x:999:999::/home/opuser:") {
		complain("/etc/passwd does not know opuser: %q", files["etc/passwd"].Content)
	}
	if !strings.Contains(string(files["etc/group"].Content), "\nopuser:x:999:") {
		complain("/etc/group does not know opuser: %q", files["etc/group"].Content)
	}
	if f := files["usr/local/bin/scimbridge"]; f.Typeflag != tar.TypeSymlink || f.Linkname != "/op-scim/op-scim" {
		complain("/usr/local/bin/scimbridge is no link to /op-scim/op-scim")
	}
	return problems
}

// checkProgram looks into the executable: for this processor, static, and all that it was made of with a licence.
func checkProgram(files map[string]File, machine elf.Machine) (problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	f := files["op-scim/op-scim"]
	if f.Mode != 0o755 || f.Uid != 0 {
		complain("/op-scim/op-scim has owner %d and mode %o, want 0 and 755", f.Uid, f.Mode)
	}
	e, err := elf.NewFile(bytes.NewReader(f.Content))
	if err != nil {
		return append(problems, "/op-scim/op-scim: "+err.Error())
	}
	if e.Machine != machine {
		complain("/op-scim/op-scim is for %s, want %s", e.Machine, machine)
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			complain("/op-scim/op-scim is not static")
		}
	}
	info, err := buildinfo.Read(bytes.NewReader(f.Content))
	if err != nil {
		return append(problems, "/op-scim/op-scim: "+err.Error())
	}
	for _, path := range append(modules(info), "go") {
		found := false
		for name := range files {
			found = found || strings.HasPrefix(name, "usr/share/doc/scimbridge/licences/"+path+"/")
		}
		if !found {
			complain("no licence of %s", path)
		}
	}
	return problems
}

// modules are the paths of all modules in a program but its own.
func modules(info *buildinfo.BuildInfo) (paths []string) {
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		paths = append(paths, m.Path)
	}
	return paths
}

func checkAuthorities(text []byte) (problems []string) {
	n := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !cert.IsCA {
			problems = append(problems, fmt.Sprintf("authority %d is none: %v", n+1, err))
		}
		n++
	}
	if n < fewest {
		problems = append(problems, fmt.Sprintf("%d authorities, want at least %d", n, fewest))
	}
	return problems
}

func checkZones(files map[string]File) (problems []string) {
	n := 0
	for name, f := range files {
		zone, ok := strings.CutPrefix(name, "usr/share/zoneinfo/")
		if !ok || f.Typeflag == tar.TypeDir {
			continue
		}
		n++
		if _, err := time.LoadLocationFromTZData(zone, f.Content); err != nil {
			problems = append(problems, fmt.Sprintf("time zone %s: %v", zone, err))
		}
	}
	if _, ok := files["usr/share/zoneinfo/Europe/Berlin"]; !ok {
		problems = append(problems, fmt.Sprintf("%d time zones, and none of Berlin", n))
	}
	return problems
}

// CheckBOM says what is missing in a bill of materials (CycloneDX, JSON) for what is in an image.
func CheckBOM(text []byte, img v1.Image) (problems []string) {
	var bom struct {
		Format     string `json:"bomFormat"`
		Spec       string `json:"specVersion"`
		Components []struct{ Name, Version, Purl string }
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		return []string{err.Error()}
	}
	if bom.Format != "CycloneDX" || bom.Spec != "1.6" {
		problems = append(problems, fmt.Sprintf("it is %s %s, want CycloneDX 1.6", bom.Format, bom.Spec))
	}
	files, err := Files(img)
	if err != nil {
		return []string{err.Error()}
	}
	info, err := buildinfo.Read(bytes.NewReader(files["op-scim/op-scim"].Content))
	if err != nil {
		return []string{err.Error()}
	}
	named := map[string]bool{}
	for _, c := range bom.Components {
		named[c.Name] = c.Version != "" && strings.HasPrefix(c.Purl, "pkg:golang/"+c.Name+"@")
	}
	for _, path := range append(modules(info), "std", "golang.org/x/crypto/x509roots/fallback") {
		if !named[path] {
			problems = append(problems, "it does not name "+path)
		}
	}
	return problems
}
