package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/server"
	"github.com/scimbridge/scimbridge/internal/server/certificates"
)

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
