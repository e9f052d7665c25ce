package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthcheckVerb serves images that have no shell and no curl.
type healthcheckVerb struct {
	URL  string `arg:"" optional:"" help:"Base URL of the bridge." placeholder:"URL"`
	Port int    `name:"port" env:"OP_PORT" default:"3002" help:"Port on this machine, where no URL is given."`
}

// Run asks for /ready.
func (v *healthcheckVerb) Run(ctx context.Context, e *environment) error {
	const patience = 5 * time.Second // container platforms wait so long by default
	base := strings.TrimRight(v.URL, "/")
	if base == "" {
		base = fmt.Sprintf("http://127.0.0.1:%d", v.Port)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/ready", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w (is the bridge running there?)", err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	const most = 200       // bytes; the body is one word
	body, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return err
	}
	state := strings.TrimSpace(string(body))
	if res.StatusCode != http.StatusOK {
		return errors.New("not ready: " + state)
	}
	_, err = fmt.Fprintln(e.stdout, state)
	return err
}
