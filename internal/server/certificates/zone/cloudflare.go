package zone

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// cloudflareURL is version 4 of Cloudflare's API (developers.cloudflare.com/api).
const cloudflareURL = "https://api.cloudflare.com/client/v4"

// cloudflareZones writes into zones at Cloudflare. The token needs Zone:Read and DNS:Edit.
type cloudflareZones struct {
	rest

	mu   sync.Mutex
	made map[[2]string]cloudflareRecord // by name and value
}

type cloudflareRecord struct{ zone, id string }

func cloudflare(settings json.RawMessage, c Config) (Provider, error) {
	var s struct {
		Token string `json:"api_token"`
	}
	if err := object(settings, &s); err != nil {
		return nil, err
	}
	if err := present(member{"api_token", s.Token}); err != nil {
		return nil, err
	}
	return &cloudflareZones{
		rest: rest{
			client: &http.Client{Transport: bearer{secret(s.Token), c.Transport}}, base: cloudflareURL, detail: cloudflareDetail,
		},
		made: map[[2]string]cloudflareRecord{},
	}, nil
}

// bearer signs requests with a token that does not change.
type bearer struct {
	token secret
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b.token))
	return b.next.RoundTrip(r)
}

func cloudflareDetail(body []byte) string {
	var a struct {
		Errors []struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &a) != nil {
		return ""
	}
	var list []string
	for _, e := range a.Errors {
		list = append(list, fmt.Sprintf("%s (%d)", e.Message, e.Code))
	}
	return strings.Join(list, "; ")
}

// Add implements Provider. Cloudflare does not say when its servers have a record.
func (p *cloudflareZones) Add(ctx context.Context, name, value string) ([]string, error) {
	zone, servers, err := p.zone(ctx, name)
	if err != nil {
		return nil, err
	}
	var made struct {
		Result struct {
			ID string `json:"id"`
		} `json:"result"`
	}
	err = p.do(ctx, http.MethodPost, "/zones/"+url.PathEscape(zone)+"/dns_records", map[string]any{
		"type": "TXT", "name": name, "content": quoted(value), "ttl": ttl, "comment": "ACME challenge of scimbridge",
	}, &made)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[[2]string{name, value}] = cloudflareRecord{zone, made.Result.ID}
	return servers, nil
}

func (p *cloudflareZones) zone(ctx context.Context, name string) (id string, servers []string, err error) {
	for _, parent := range parents(name) {
		var list struct {
			Result []struct {
				ID          string   `json:"id"`
				NameServers []string `json:"name_servers"`
			} `json:"result"`
		}
		if err := p.do(ctx, http.MethodGet, "/zones?name="+url.QueryEscape(parent), nil, &list); err != nil {
			return "", nil, err
		}
		if len(list.Result) > 0 {
			return list.Result[0].ID, list.Result[0].NameServers, nil
		}
	}
	return "", nil, noZone(name, "Cloudflare")
}

// Remove implements Provider.
func (p *cloudflareZones) Remove(ctx context.Context, name, value string) error {
	p.mu.Lock()
	r, ok := p.made[[2]string{name, value}]
	delete(p.made, [2]string{name, value})
	p.mu.Unlock()
	if !ok {
		return nil
	}
	err := p.do(ctx, http.MethodDelete, "/zones/"+url.PathEscape(r.zone)+"/dns_records/"+url.PathEscape(r.id), nil, nil)
	if refused(err, http.StatusNotFound) {
		return nil
	}
	return err
}
