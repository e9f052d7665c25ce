package zone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"
)

const (
	// googleURL is version 1 of the Cloud DNS API (cloud.google.com/dns/docs/reference/rest/v1).
	googleURL = "https://dns.googleapis.com/dns/v1"
	// googleScope is the least that may change records.
	googleScope = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"
)

// googleZones writes into the managed zones of a project at Google Cloud. The service account needs the role DNS
// Administrator there, or: dns.managedZones.list, dns.resourceRecordSets.list, .create, .update, .delete, dns.changes.create, .get.
type googleZones struct {
	rest
	poll time.Duration
}

func googleCloud(settings json.RawMessage, c Config) (Provider, error) {
	var s struct {
		Project string `json:"gcp_project"`
		Account string `json:"gcp_application_default"`
	}
	if err := object(settings, &s); err != nil {
		return nil, err
	}
	if err := present(member{"gcp_project", s.Project}, member{"gcp_application_default", s.Account}); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(s.Account)
	if err != nil {
		return nil, fmt.Errorf("gcp_application_default: %w", err)
	}
	account, err := serviceAccount(raw)
	if err != nil {
		return nil, fmt.Errorf("gcp_application_default: %s: %w", s.Account, err)
	}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: c.Transport, Timeout: patience})
	return &googleZones{rest{
		client: account.Client(ctx), base: googleURL + "/projects/" + url.PathEscape(s.Project), detail: errorMember,
	}, poll}, nil
}

// serviceAccount reads the JSON file that Google makes for a service account's key.
func serviceAccount(raw []byte) (*jwt.Config, error) {
	var key struct {
		Type     string `json:"type"`
		Email    string `json:"client_email"`
		ID       string `json:"private_key_id"`
		Key      string `json:"private_key"`
		TokenURI string `json:"token_uri"`
	}
	if err := json.Unmarshal(raw, &key); err != nil {
		return nil, reason(err)
	}
	if key.Type != "service_account" {
		return nil, errors.New("it is not the JSON key of a service account (IAM & Admin → Service accounts → Keys)")
	}
	if err := present(member{"client_email", key.Email}, member{"private_key", key.Key}, member{"token_uri", key.TokenURI}); err != nil {
		return nil, err
	}
	return &jwt.Config{Email: key.Email, PrivateKey: []byte(key.Key), PrivateKeyID: key.ID, Scopes: []string{googleScope}, TokenURL: key.TokenURI}, nil
}

// recordSet is all records of a name and a type.
type recordSet struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	TTL    int      `json:"ttl"`
	Values []string `json:"rrdatas"`
}

// Add implements Provider.
func (p *googleZones) Add(ctx context.Context, name, value string) ([]string, error) {
	return nil, p.change(ctx, name, func(values []string) []string {
		if slices.Contains(values, quoted(value)) {
			return values
		}
		return append(values, quoted(value))
	})
}

// Remove implements Provider.
func (p *googleZones) Remove(ctx context.Context, name, value string) error {
	return p.change(ctx, name, func(values []string) []string {
		return slices.DeleteFunc(values, func(v string) bool { return v == quoted(value) })
	})
}

// change replaces the values of a name. A change names what it expects to be there, and is refused where that has changed.
func (p *googleZones) change(ctx context.Context, name string, edit func([]string) []string) error {
	zone, err := p.zone(ctx, name)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := p.once(ctx, zone, name, edit)
		if !refused(err, http.StatusConflict, http.StatusPreconditionFailed) || try == tries {
			return err
		}
	}
}

func (p *googleZones) once(ctx context.Context, zone, name string, edit func([]string) []string) error {
	path := "/managedZones/" + url.PathEscape(zone)
	var found struct {
		Sets []recordSet `json:"rrsets"`
	}
	if err := p.do(ctx, http.MethodGet, path+"/rrsets?name="+url.QueryEscape(name+".")+"&type=TXT", nil, &found); err != nil {
		return err
	}
	var c struct {
		Additions []recordSet `json:"additions,omitempty"`
		Deletions []recordSet `json:"deletions,omitempty"`
	}
	set := recordSet{name + ".", "TXT", ttl, nil}
	if len(found.Sets) > 0 {
		set = found.Sets[0]
		c.Deletions = []recordSet{set}
	}
	before := len(set.Values)
	set.Values = edit(slices.Clone(set.Values))
	if len(set.Values) == before {
		return nil
	}
	if len(set.Values) > 0 {
		c.Additions = []recordSet{set}
	}
	var state struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
	if err := p.do(ctx, http.MethodPost, path+"/changes", c, &state); err != nil {
		return err
	}
	return until(ctx, p.poll, func() (bool, error) {
		if state.Status == "done" { // all name servers have it
			return true, nil
		}
		return false, p.do(ctx, http.MethodGet, path+"/changes/"+url.PathEscape(state.ID), nil, &state)
	})
}

// zone finds the managed zone that the world sees.
func (p *googleZones) zone(ctx context.Context, name string) (string, error) {
	for _, parent := range parents(name) {
		var list struct {
			Zones []struct {
				Name       string `json:"name"`
				Visibility string `json:"visibility"`
			} `json:"managedZones"`
		}
		if err := p.do(ctx, http.MethodGet, "/managedZones?dnsName="+url.QueryEscape(parent+"."), nil, &list); err != nil {
			return "", err
		}
		for _, z := range list.Zones {
			if z.Visibility != "private" {
				return z.Name, nil
			}
		}
	}
	return "", noZone(name, "the project at Google Cloud DNS")
}
