package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/internal/conformance"
)

// checkVerb checks a SCIM server, any SCIM server, against the RFCs.
type checkVerb struct {
	URL       string `arg:"" help:"SCIM base URL, such as https://bridge.example.com/scim/v2."`
	TokenFile string `name:"token-file" required:"" placeholder:"FILE" help:"File with the bearer token."`
	JSON      bool   `name:"json" help:"Print JSON."`
	All       bool   `name:"all" help:"List also what passes."`
}

// errMust ends the program with exit code 1.
var errMust = errors.New("a requirement that the RFCs call MUST is not met; see the table")

// Run checks and prints what it found. It makes people and groups of its own and deletes them again.
func (v *checkVerb) Run(ctx context.Context, e *environment) error {
	token, err := secretFile("--token-file", v.TokenFile)
	if err != nil {
		return err
	}
	report, err := conformance.Run(ctx, conformance.Config{
		BaseURL: v.URL, Token: func() string { return token },
		Progress: func(done, all int) {
			if e.terminal && !v.JSON {
				fmt.Fprintf(e.stderr, "\r%d of %d", done, all)
			}
		},
	})
	if e.terminal && !v.JSON {
		fmt.Fprint(e.stderr, "\r                \r")
	}
	if err != nil {
		return err
	}
	if v.JSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.WriteTable(e.stdout, conformance.Layout{Colour: e.terminal, All: v.All})
	}
	if err == nil && !report.OK() {
		err = errMust
	}
	return err
}
