package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/server"
)

// healthcheckVerb serves images that have no shell and no curl.
type healthcheckVerb struct {
	URL  string `arg:"" optional:"" help:"Base URL of the bridge." placeholder:"URL"`
	Port int    `name:"port" env:"OP_PORT" default:"3002" help:"Port on this machine, where no URL is given."`
	// Listen is read too, so that the check finds the bridge wherever the same environment puts it.
	Listen string `name:"listen" env:"OP_LISTEN" placeholder:"ADDR" help:"Address that the bridge listens on, instead of --port."`
}

// Run asks for /ready.
func (v *healthcheckVerb) Run(ctx context.Context, e *environment) error {
	const patience = 5 * time.Second // container platforms wait so long by default
	base := v.base()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/ready", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w. Start the bridge, or say where it is: scimbridge healthcheck URL", err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	const most = 200       // bytes; the body is one word
	body, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return err
	}
	state := strings.TrimSpace(string(body))
	switch {
	case res.StatusCode == http.StatusServiceUnavailable && state == server.Draining:
		return errors.New("not ready: it is shutting down. Ask again when it has been started anew")
	case res.StatusCode != http.StatusOK || !slices.Contains([]string{server.Ready, server.Locked, server.Degraded, server.Setup}, state):
		return fmt.Errorf("what answers at %s/ready (status %d) is no bridge. Give the bridge's base URL, without a path: scimbridge healthcheck URL", base, res.StatusCode)
	}
	_, err = fmt.Fprintln(e.stdout, state)
	return err
}

// base is the URL to ask.
func (v *healthcheckVerb) base() string {
	base := strings.TrimRight(v.URL, "/")
	switch {
	case base == "" && v.Listen != "":
		return "http://" + localAddress(v.Listen)
	case base == "":
		return fmt.Sprintf("http://127.0.0.1:%d", v.Port)
	case !strings.Contains(base, "://"):
		return "http://" + base
	}
	return base
}
