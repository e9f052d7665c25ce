package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
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
	// So are these, which say whether it terminates TLS.
	TLSDomain   string `name:"tls-domain" env:"OP_TLS_DOMAIN,OP_LETSENCRYPT_DOMAIN" placeholder:"NAME" help:"Name for which the bridge terminates TLS: it is asked by HTTPS, on port 8443 instead of --port."`
	TLSCertFile string `name:"tls-cert-file" env:"OP_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate with which it does; that it is there is enough to know."`
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
	client := http.DefaultClient
	if v.URL == "" { // on this machine it is known whom one talks to, and the certificate names another
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: v.TLSDomain, MinVersion: tls.VersionTLS12}}} //nolint:gosec // see above
	}
	res, err := client.Do(req)
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
	scheme, port := "http", strconv.Itoa(v.Port)
	if v.TLSDomain != "" || v.TLSCertFile != "" {
		scheme, port = "https", tlsPort
	}
	switch {
	case base == "" && v.Listen != "":
		return scheme + "://" + localAddress(v.Listen)
	case base == "":
		return scheme + "://127.0.0.1:" + port
	case !strings.Contains(base, "://"):
		return "http://" + base
	}
	return base
}
