package zone

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	// azureURL is the Azure Resource Manager, azureVersion the version of its DNS part
	// (learn.microsoft.com/rest/api/dns/record-sets).
	azureURL     = "https://management.azure.com"
	azureVersion = "?api-version=2018-05-01"
	azureLogin   = "https://login.microsoftonline.com/"
)

// azureZones writes into the DNS zones of a resource group. The application needs the role DNS Zone Contributor there.
type azureZones struct{ rest }

func azure(settings json.RawMessage, c Config) (Provider, error) {
	var s struct {
		Tenant       string `json:"tenant_id"`
		Client       string `json:"client_id"`
		Secret       string `json:"client_secret"`
		Subscription string `json:"subscription_id"`
		Group        string `json:"resource_group_name"`
	}
	if err := object(settings, &s); err != nil {
		return nil, err
	}
	if err := present(member{"tenant_id", s.Tenant}, member{"client_id", s.Client}, member{"client_secret", s.Secret},
		member{"subscription_id", s.Subscription}, member{"resource_group_name", s.Group}); err != nil {
		return nil, err
	}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: c.Transport, Timeout: patience})
	login := clientcredentials.Config{
		ClientID: s.Client, ClientSecret: s.Secret, AuthStyle: oauth2.AuthStyleInParams,
		TokenURL: azureLogin + url.PathEscape(s.Tenant) + "/oauth2/v2.0/token", Scopes: []string{azureURL + "/.default"},
	}
	return &azureZones{rest{
		client: login.Client(ctx), detail: errorMember,
		base: azureURL + "/subscriptions/" + url.PathEscape(s.Subscription) + "/resourceGroups/" + url.PathEscape(s.Group) + "/providers/Microsoft.Network/dnsZones/",
	}}, nil
}

// azureSet is a record set of type TXT.
type azureSet struct {
	ETag       string          `json:"etag,omitempty"`
	Properties azureProperties `json:"properties"`
}

type azureProperties struct {
	TTL     int         `json:"TTL"`
	Records []azureText `json:"TXTRecords"`
}

// azureText is a record: a list of strings, of which a resolver makes one.
type azureText struct {
	Value []string `json:"value"`
}

// Add implements Provider. Azure does not say when its servers have a record.
func (p *azureZones) Add(ctx context.Context, name, value string) ([]string, error) {
	return p.change(ctx, name, func(list []azureText) []azureText {
		if slices.ContainsFunc(list, func(t azureText) bool { return strings.Join(t.Value, "") == value }) {
			return list
		}
		return append(list, azureText{[]string{value}})
	})
}

// Remove implements Provider.
func (p *azureZones) Remove(ctx context.Context, name, value string) error {
	_, err := p.change(ctx, name, func(list []azureText) []azureText {
		return slices.DeleteFunc(list, func(t azureText) bool { return strings.Join(t.Value, "") == value })
	})
	return err
}

// change replaces the records of a name, unless somebody else has changed them meanwhile: then it begins anew.
func (p *azureZones) change(ctx context.Context, name string, edit func([]azureText) []azureText) ([]string, error) {
	zone, servers, err := p.zone(ctx, name)
	if err != nil {
		return nil, err
	}
	relative := "@"
	if name != zone {
		relative = strings.TrimSuffix(name, "."+zone)
	}
	path := url.PathEscape(zone) + "/TXT/" + url.PathEscape(relative) + azureVersion
	for try := 1; ; try++ {
		err := p.once(ctx, path, edit)
		if !refused(err, http.StatusConflict, http.StatusPreconditionFailed) || try == tries {
			return servers, err
		}
	}
}

func (p *azureZones) once(ctx context.Context, path string, edit func([]azureText) []azureText) error {
	var set azureSet
	condition := []string{"If-None-Match", "*"}
	err := p.do(ctx, http.MethodGet, path, nil, &set)
	switch {
	case err == nil:
		condition = []string{"If-Match", set.ETag}
	case !refused(err, http.StatusNotFound):
		return err
	}
	before := len(set.Properties.Records)
	set.Properties.Records = edit(slices.Clone(set.Properties.Records))
	switch after := len(set.Properties.Records); {
	case after == before:
		return nil
	case after == 0:
		return p.do(ctx, http.MethodDelete, path, nil, nil, condition...)
	}
	if set.Properties.TTL == 0 {
		set.Properties.TTL = ttl
	}
	set.ETag = ""
	return p.do(ctx, http.MethodPut, path, set, nil, condition...)
}

func (p *azureZones) zone(ctx context.Context, name string) (string, []string, error) {
	for _, parent := range parents(name) {
		var z struct {
			Properties struct {
				NameServers []string `json:"nameServers"`
			} `json:"properties"`
		}
		err := p.do(ctx, http.MethodGet, url.PathEscape(parent)+azureVersion, nil, &z)
		if err == nil {
			return parent, z.Properties.NameServers, nil
		}
		if !refused(err, http.StatusNotFound) {
			return "", nil, err
		}
	}
	return "", nil, noZone(name, "the resource group at Azure DNS")
}
