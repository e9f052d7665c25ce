package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
)

// devVerb runs account and bridge in one process.
type devVerb struct {
	Data   string `name:"data" env:"OP_DATA_DIR" placeholder:"DIR" help:"Folder for the account and its credentials. Not set: scimbridge in the user's data folder."`
	Listen string `name:"listen" default:"127.0.0.1:3002" placeholder:"ADDR" help:"Address and port; port 0 takes a free one."`
	JSON   bool   `name:"json" help:"Print one line of JSON when ready: bridge, scim, token, data."`
	bridgeSettings
	logSettings
}

// The owner that dev makes. Okta's test of a new integration reads name and e-mail of the first person listed.
const (
	devAccount   = "Example Company"
	devOwner     = "Olivia Owner"
	devOwnerMail = "owner@example.com"
)

// Run makes what is missing in the data folder, serves, and says how to use it.
func (v *devVerb) Run(ctx context.Context, e *environment) error {
	log, tail := v.tailed(e.stderr)
	e.announce(log)
	dir, err := v.folder()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	session, token, fresh, err := prepare(ctx, dir, log)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // stretching the owner's password takes 64 MiB, once
	tracer, lastTraces := e.traces(ctx, "scimbridge", log)
	defer lastTraces()
	a := &assembly{tracer: tracer, bridgeSettings: v.bridgeSettings, session: session, data: dir, log: log, tail: tail, onThisMachine: true}
	return a.run(ctx, v.Listen, func(url string) error {
		if v.JSON {
			return json.NewEncoder(e.stdout).Encode(struct {
				Bridge string `json:"bridge"`
				SCIM   string `json:"scim"`
				Token  string `json:"token"`
				Data   string `json:"data"`
			}{url, url + "/scim/v2", token, dir})
		}
		return welcome(e, url, token, dir, fresh)
	})
}

func (v *devVerb) folder() (string, error) {
	if v.Data != "" {
		return filepath.Abs(v.Data)
	}
	if base := os.Getenv("XDG_DATA_HOME"); base != "" {
		return filepath.Join(base, "scimbridge"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w (name a folder with --data DIR)", err)
	}
	return filepath.Join(home, ".local", "share", "scimbridge"), nil
}

// welcome tells a person what to do with the running bridge.
func welcome(e *environment, url, token, dir string, fresh bool) error {
	what := "The account from the last time is there again."
	if fresh {
		what = "A new account with one owner, " + devOwnerMail + ", has been made."
	}
	_, err := fmt.Fprintf(e.stdout, `
scimbridge %s is running. %s

  SCIM URL      %s/scim/v2
  Bearer token  %s
  Pages         %s/app
  Data          %s

Create a person (paste this into another terminal):

  curl -sS %s/scim/v2/Users \
    -H 'Authorization: Bearer %s' \
    -H 'Content-Type: application/scim+json' \
    -d '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com","name":{"givenName":"Ada","familyName":"Lovelace"},"emails":[{"value":"ada@example.com","type":"work","primary":true}]}'

Ctrl-C stops it; people and groups stay in the data folder.

`, version, what, url, token, url, dir, url, token)
	return err
}
