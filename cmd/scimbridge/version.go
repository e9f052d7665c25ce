package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version and build are this release's. The build number is the version's digits: major, two each of minor and
// patch, one of the build, as monitors of the original expect.
const (
	version = "0.1.0"
	build   = "001001"
)

type versionVerb struct{}

// Run prints version, build, commit and platform.
func (versionVerb) Run(_ context.Context, e *environment) error {
	_, err := fmt.Fprintf(e.stdout, "scimbridge %s (build %s%s, %s, %s/%s)\n", version, build, commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// commit is the commit the program was built from, where the build knows it.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return ", commit " + s.Value
		}
	}
	return ""
}
