package zone_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/scimbridge/scimbridge/internal/server/certificates/zone"
)

const (
	name  = "_acme-challenge.scim.example.com"
	value = "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// tape plays a recorded exchange: each request has to be the next one on it, letter by letter where it counts.
type tape struct {
	t     *testing.T
	files []txtar.File
	key   *rsa.PrivateKey // signs for the service account
}

// next is the next file of the tape, which has to be called so.
func (p *tape) next(name string) string {
	p.t.Helper()
	if len(p.files) == 0 || p.files[0].Name != name {
		p.t.Fatalf("the tape does not go on with %q: %d left", name, len(p.files))
	}
	f := p.files[0]
	p.files = p.files[1:]
	return string(f.Data)
}

// RoundTrip implements http.RoundTripper.
func (p *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(p.files) == 0 || p.files[0].Name != "request" {
		p.t.Errorf("a request too many: %s %s", r.Method, r.URL)
		return nil, errors.New("nothing is left on the tape")
	}
	head, body, _ := strings.Cut(p.next("request"), "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	if got := r.Method + " " + r.URL.String(); got != lines[0] {
		p.t.Errorf("request:\n got %s\nwant %s", got, lines[0])
	}
	for _, line := range lines[1:] {
		header, want, _ := strings.Cut(line, ": ")
		got := r.Header.Get(header)
		if start, open := strings.CutSuffix(want, "*"); got != want && !(open && start != "" && strings.HasPrefix(got, start)) {
			p.t.Errorf("%s: %s is %q, want %q", lines[0], header, got, want)
		}
	}
	if r.Header.Get("Authorization") == "" && !strings.Contains(lines[0], "/token") {
		p.t.Errorf("%s is not signed", lines[0])
	}
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	p.compare(lines[0], strings.TrimSpace(body), string(sent))
	status, answer, _ := strings.Cut(p.next("answer"), "\n")
	code, err := strconv.Atoi(strings.TrimSpace(status))
	if err != nil {
		p.t.Fatal(err)
	}
	return &http.Response{
		StatusCode: code, Status: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)),
	}, nil
}

// compare holds a body that was sent against the recorded one.
func (p *tape) compare(line, want, got string) {
	switch {
	case strings.HasPrefix(want, "{"):
		var a, b any
		if err := errors.Join(json.Unmarshal([]byte(want), &a), json.Unmarshal([]byte(got), &b)); err != nil {
			p.t.Errorf("%s: %v in %s", line, err, got)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			p.t.Errorf("%s: body:\n%s", line, diff)
		}
	case strings.Contains(want, "assertion=*"):
		p.assertion(got)
	case want != got && !(strings.HasPrefix(want, "client_id=") && sameForm(want, got)):
		p.t.Errorf("%s: body:\n got %s\nwant %s", line, got, want)
	}
}

func sameForm(a, b string) bool {
	x, err1 := url.ParseQuery(a)
	y, err2 := url.ParseQuery(b)
	return err1 == nil && err2 == nil && cmp.Equal(x, y)
}

// assertion checks a signed assertion (RFC 7523) as Google documents it for service accounts.
func (p *tape) assertion(form string) {
	v, err := url.ParseQuery(form)
	if err != nil || v.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		p.t.Errorf("no assertion: %s", form)
		return
	}
	parts := strings.Split(v.Get("assertion"), ".")
	if len(parts) != 3 {
		p.t.Fatalf("assertion of %d parts", len(parts))
	}
	var claims struct {
		Iss, Scope, Aud string
		Exp, Iat        int64
	}
	raw, err1 := base64.RawURLEncoding.DecodeString(parts[1])
	signature, err2 := base64.RawURLEncoding.DecodeString(parts[2])
	if err := errors.Join(err1, err2, json.Unmarshal(raw, &claims)); err != nil {
		p.t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&p.key.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		p.t.Error(err)
	}
	if claims.Iss != "dns@op-scim-bridge.iam.gserviceaccount.com" || claims.Aud != "https://oauth2.googleapis.com/token" ||
		claims.Scope != "https://www.googleapis.com/auth/ndev.clouddns.readwrite" || claims.Exp-claims.Iat != 3600 {
		p.t.Errorf("claims %+v", claims)
	}
}

// settings are the files that the providers' tapes go with.
func settings(t *testing.T, key *rsa.PrivateKey) map[string]string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "op-scim-bridge", "private_key_id": "k1", "client_email": "dns@op-scim-bridge.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "serviceaccount.json")
	if err := os.WriteFile(path, account, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		// As in the original's example, where the objects of all stand beside each other.
		"googlecloud": `{"provider":"googlecloud","configuration":{"googlecloud":{"gcp_project":"op-scim-bridge","gcp_application_default":"` + path + `"},"azure":{"tenant_id":"tenant-id-goes-here"},"cloudflare":{"api_token":"API-TOKEN-GOES-HERE"}}}`,
		"azure":       `{"provider":"azure","configuration":{"azure":{"tenant_id":"72f988bf","client_id":"6731de76","client_secret":"s3cr3t","subscription_id":"subid","resource_group_name":"rg1"}}}`,
		"cloudflare":  `{"provider":"cloudflare","configuration":{"cloudflare":{"api_token":"cf-token-1"}}}`,
		"route53":     `{"provider":"route53","configuration":{"route53":{"access_key_id":"AKIDEXAMPLE","secret_access_key":"wJalrXUtnFEMI"}}}`,
	}
}

// TestProviders holds the requests to each API against a recorded exchange, from writing the record to taking it away.
func TestProviders(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for provider, text := range settings(t, key) {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(filepath.Join("testdata", provider+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			tape := &tape{t, archive.Files, key}
			p, err := zone.Parse([]byte(text), zone.Config{Transport: tape})
			if err != nil {
				t.Fatal(err)
			}
			zone.Hurry(p, noon)
			servers, err := p.Add(t.Context(), name, value)
			if err != nil {
				t.Fatal(err)
			}
			if tape.files[0].Name == "name servers" {
				if diff := cmp.Diff(strings.Fields(tape.next("name servers")), servers); diff != "" {
					t.Error(diff)
				}
			} else if len(servers) != 0 {
				t.Errorf("name servers %v, though the provider has said that they are done", servers)
			}
			tape.next("remove")
			if err := p.Remove(t.Context(), name, value); err != nil {
				t.Fatal(err)
			}
			if len(tape.files) > 0 {
				t.Errorf("%d exchanges were not made", len(tape.files)/2)
			}
		})
	}
}

// answers gives every request the same answer.
type answers struct {
	status int
	body   string
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "token") {
		a = answers{200, `{"access_token":"t","token_type":"Bearer","expires_in":3600}`}
	}
	return &http.Response{StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// TestRefusals: an API's no says what the API says, and no secret.
func TestRefusals(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	files := settings(t, key)
	for _, c := range []struct {
		provider string
		answers
		want string
		is   error
	}{
		{"cloudflare", answers{403, `{"success":false,"errors":[{"code":9109,"message":"Invalid access token"}]}`}, "status 403: Invalid access token (9109)", nil},
		{"googlecloud", answers{403, `{"error":{"code":403,"message":"Forbidden","errors":[]}}`}, "status 403: Forbidden", nil},
		{"azure", answers{403, `{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization"}}`}, "status 403: AuthorizationFailed: The client", nil},
		{"route53", answers{403, `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User is not authorized</Message></Error><RequestId>1</RequestId></ErrorResponse>`}, "status 403: AccessDenied: User is not authorized", nil},
		{"cloudflare", answers{502, `<html>`}, "status 502: Bad Gateway", nil},
		{"route53", answers{503, ``}, "status 503: Service Unavailable", nil},
		{"cloudflare", answers{200, `{"result":[]}`}, "no zone of " + name + " is to be seen in Cloudflare", zone.ErrNoZone},
		{"googlecloud", answers{200, `{}`}, "no zone of", zone.ErrNoZone},
		{"azure", answers{404, `{}`}, "no zone of", zone.ErrNoZone},
		{"route53", answers{200, `<ListHostedZonesByNameResponse/>`}, "no zone of", zone.ErrNoZone},
		{"cloudflare", answers{200, `no JSON`}, "not what is documented", nil},
		{"route53", answers{200, `no XML`}, "not what is documented", nil},
	} {
		p, err := zone.Parse([]byte(files[c.provider]), zone.Config{Transport: c.answers})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Add(t.Context(), name, value)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.provider, err, c.want)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v is not %v", c.provider, err, c.is)
		}
		for _, secret := range []string{"cf-token-1", "s3cr3t", "wJalrXUtnFEMI"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows %s", c.provider, secret)
			}
		}
	}
}

// TestFile: a file that is of no use is refused with what is wrong in it, and without what is secret in it.
func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", ``, `it is not JSON`},
		{"half", `{"provider":"azure","configuration":{"azure":{"client_secret":"s3cr3t"`, `it is not JSON`},
		{"a list", `["s3cr3t"]`, `it is not JSON of the form`},
		{"no provider", `{"configuration":{"cloudflare":{"api_token":"s3cr3t"}}}`, `provider "" is not one of azure, cloudflare, googlecloud, route53`},
		{"another provider", `{"provider":"godaddy","configuration":{"godaddy":{"key":"s3cr3t"}}}`, `provider "godaddy" is not one of`},
		{"no object", `{"provider":"cloudflare","configuration":{"azure":{"client_secret":"s3cr3t"}}}`, `configuration.cloudflare is missing`},
		{"a null", `{"provider":"cloudflare","configuration":{"cloudflare":null}}`, `configuration.cloudflare is missing`},
		{"no token", `{"provider":"cloudflare","configuration":{"cloudflare":{"api_token":" "}}}`, `configuration.cloudflare: api_token is missing`},
		{"a number", `{"provider":"cloudflare","configuration":{"cloudflare":{"api_token":5}}}`, `api_token is a JSON number and should be a string`},
		{"misspelt", `{"provider":"cloudflare","configuration":{"cloudflare":{"api_tokn":"s3cr3t"}}}`, `"api_tokn" is not known there`},
		{"azure without", `{"provider":"azure","configuration":{"azure":{"tenant_id":"t","client_id":"c","client_secret":"s3cr3t","subscription_id":"s"}}}`, `resource_group_name is missing`},
		{"google without", `{"provider":"googlecloud","configuration":{"googlecloud":{"gcp_application_default":"x"}}}`, `gcp_project is missing`},
		{"google's file", `{"provider":"googlecloud","configuration":{"googlecloud":{"gcp_project":"p","gcp_application_default":"/nowhere/key.json"}}}`, `gcp_application_default: open /nowhere/key.json: no such file`},
		{"google's other file", `{"provider":"googlecloud","configuration":{"googlecloud":{"gcp_project":"p","gcp_application_default":"` + write("user.json", `{"type":"authorized_user","refresh_token":"s3cr3t"}`) + `"}}}`, `not the JSON key of a service account`},
		{"half a key of AWS", `{"provider":"route53","configuration":{"route53":{"secret_access_key":"s3cr3t"}}}`, `belong together`},
	} {
		_, err := zone.Read(write("dns.json", c.text), zone.Config{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "dns.json") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error shows the secret: %v", c.name, err)
		}
	}
	if _, err := zone.Read(filepath.Join(dir, "nowhere"), zone.Config{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestRole: where Route 53 is given no key, it takes what AWS gives to a container.
func TestRole(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	transport := roundTripper(func(r *http.Request) string {
		if r.URL.Host == "169.254.170.2" {
			seen["from"] = r.URL.String()
			return `{"AccessKeyId":"ASIAROLE","SecretAccessKey":"k","Token":"session","Expiration":"2099-01-01T00:00:00Z"}`
		}
		seen["signed"], seen["token"] = r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token")
		return `<ListHostedZonesByNameResponse/>`
	})
	p, err := zone.Parse([]byte(`{"provider":"route53","configuration":{"route53":{}}}`), zone.Config{Transport: transport, Getenv: func(name string) string {
		return map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Add(t.Context(), name, value); !errors.Is(err, zone.ErrNoZone) {
		t.Fatal(err)
	}
	if seen["from"] != "http://169.254.170.2/v2/credentials/x" || seen["token"] != "session" || !strings.Contains(seen["signed"], "Credential=ASIAROLE/") {
		t.Error(seen)
	}
}

type roundTripper func(*http.Request) string

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewBufferString(f(r)))}, nil
}

// FuzzParse: whatever is in the file, it is taken or refused.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"provider":"cloudflare","configuration":{"cloudflare":{"api_token":"t"}}}`,
		`{"provider":"azure","configuration":{"azure":{"tenant_id":"a","client_id":"b","client_secret":"c","subscription_id":"d","resource_group_name":"e"}}}`,
		`{"provider":"route53","configuration":{"route53":{"hosted_zone_id":"Z"}}}`,
		`{"provider":"googlecloud","configuration":{"googlecloud":{"gcp_project":"p","gcp_application_default":"/dev/null"}}}`, `[`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := zone.Parse(raw, zone.Config{}); (p == nil) == (err == nil) {
			t.Errorf("%v, %v", p, err)
		}
	})
}
