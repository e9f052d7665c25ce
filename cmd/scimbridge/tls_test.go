package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/server"
	"github.com/scimbridge/scimbridge/internal/server/certificates"
	"github.com/scimbridge/scimbridge/internal/server/web"
	"github.com/scimbridge/scimbridge/test/program"
)

// TestPingBeforeCertificate: while there is no certificate yet, and so no HTTPS, the ping server says that the bridge lives, and
// serves nothing else.
func TestPingBeforeCertificate(t *testing.T) {
	t.Parallel()
	pings, err := program.Address()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	a := &assembly{
		bridgeSettings: bridgeSettings{ConfirmationInterval: leastInterval}, missing: &web.Missing{Problem: "none"}, ping: pings, log: log,
		tls: &termination{acme: certificates.ACMEConfig{Domain: "scim.example.com", Directory: "https://127.0.0.1:1/directory", Storage: certificates.Memory(), Log: log}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = a.run(ctx, "127.0.0.1:0", func(url string) error {
		defer cancel()
		for path, want := range map[string]int{"/ping": http.StatusOK, "/ready": http.StatusNotFound, "/app": http.StatusNotFound, "/scim/v2/Users": http.StatusNotFound} {
			res, err := http.Get("http://" + pings + path)
			if err != nil {
				return err
			}
			body, err := io.ReadAll(res.Body)
			if err = errors.Join(err, res.Body.Close()); err != nil {
				return err
			}
			if res.StatusCode != want || path == "/ping" && string(body) != "pong\n" {
				t.Errorf("%s: %s %q", path, res.Status, body)
			}
		}
		address, https := strings.CutPrefix(url, "https://")
		if !https {
			t.Errorf("it listens at %s", url)
		}
		if c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}); err == nil { //nolint:gosec // that there is none
			t.Error("a handshake without a certificate", c.Close())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if s := certificateReport(a.certificate(), time.Now()); s.State == server.Healthy {
		t.Errorf("%+v", s)
	}
}

// TestCertificateReport: the states of CertificateManager, and what the status page says with them.
func TestCertificateReport(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	no := errors.New("the ACME server says no")
	for _, c := range []struct {
		name          string
		in            certificates.State
		state, detail string
	}{
		{"not yet", certificates.State{}, server.Starting, "the first certificate is being ordered"},
		{"none", certificates.State{Problem: no}, server.Unhealthy, "there is no certificate: the ACME server says no"},
		{"valid", certificates.State{From: now.Add(-30 * day), Expires: now.Add(60 * day)}, server.Healthy, "valid until 2027-01-23T12:00:00Z"},
		{"valid, not renewed", certificates.State{From: now.Add(-70 * day), Expires: now.Add(20 * day), Problem: no}, server.Attention, "ends at 2026-12-14T12:00:00Z, and there is no newer one: the ACME server says no"},
		{"ends soon", certificates.State{From: now.Add(-360 * day), Expires: now.Add(6 * day)}, server.Attention, "ends at 2026-11-30T12:00:00Z, and there is no newer one"},
		{"short, not soon", certificates.State{From: now.Add(-5 * day), Expires: now.Add(day)}, server.Healthy, "valid until"},
		{"short, soon", certificates.State{From: now.Add(-6 * day), Expires: now.Add(day / 2)}, server.Attention, "and there is no newer one"},
		{"ended", certificates.State{From: now.Add(-91 * day), Expires: now.Add(-day), Problem: no}, server.Unhealthy, "has ended at 2026-11-23T12:00:00Z: the ACME server says no"},
	} {
		r := certificateReport(c.in, now)
		if r.Source != "CertificateManager" || !r.Time.Equal(now) || r.State != c.state || !strings.Contains(r.Detail, c.detail) {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}
