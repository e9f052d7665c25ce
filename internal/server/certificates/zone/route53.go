package zone

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
)

const (
	// route53URL is the API of 2013-04-01 (docs.aws.amazon.com/Route53/latest/APIReference), which is one for all regions.
	route53URL     = "https://route53.amazonaws.com/2013-04-01"
	route53XMLNS   = "https://route53.amazonaws.com/doc/2013-04-01/"
	route53Region  = "us-east-1"
	route53Service = "route53"
	// containerURL is where AWS gives a container its role's credentials.
	containerURL = "http://169.254.170.2"
)

// route53Zones writes into hosted zones at Amazon Route 53. The credentials need route53:ChangeResourceRecordSets,
// ListResourceRecordSets and GetChange, and without hosted_zone_id ListHostedZonesByName.
type route53Zones struct {
	client *http.Client
	who    aws.CredentialsProvider
	fixed  string // id of the hosted zone; "": it is looked for
	poll   time.Duration
	now    func() time.Time
}

func route53(settings json.RawMessage, c Config) (Provider, error) {
	var s struct {
		Zone   string `json:"hosted_zone_id"`
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	if err := object(settings, &s); err != nil {
		return nil, err
	}
	if (s.ID == "") != (s.Secret == "") {
		return nil, errors.New("access_key_id and secret_access_key belong together. Give both, or neither where the machine has a role")
	}
	p := &route53Zones{client: &http.Client{Transport: c.Transport}, fixed: strings.TrimPrefix(s.Zone, "/hostedzone/"), poll: poll, now: time.Now}
	if s.ID != "" {
		p.who = credentials.NewStaticCredentialsProvider(s.ID, s.Secret, "")
		return p, nil
	}
	var err error
	p.who, err = ambient(c)
	return p, err
}

// ambient finds the credentials that AWS gives to what runs there: by variables, by the role of a container (ECS, EKS Pod
// Identity), by that of a machine.
func ambient(c Config) (aws.CredentialsProvider, error) {
	if id, key := c.Getenv("AWS_ACCESS_KEY_ID"), c.Getenv("AWS_SECRET_ACCESS_KEY"); id != "" && key != "" {
		return credentials.NewStaticCredentialsProvider(id, key, c.Getenv("AWS_SESSION_TOKEN")), nil
	}
	from := c.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if path := c.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		from = containerURL + path
	}
	if from == "" {
		return aws.NewCredentialsCache(ec2rolecreds.New()), nil
	}
	token := c.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	file := c.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
	return aws.NewCredentialsCache(endpointcreds.New(from, func(o *endpointcreds.Options) {
		o.HTTPClient = &http.Client{Transport: c.Transport, Timeout: patience}
		o.AuthorizationToken = token
		if file != "" { // it is replaced from time to time
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
				raw, err := os.ReadFile(file)
				return strings.TrimSpace(string(raw)), err
			})
		}
	})), nil
}

type route53Set struct {
	Name    string          `xml:"Name"`
	Type    string          `xml:"Type"`
	TTL     int             `xml:"TTL"`
	Records []route53Record `xml:"ResourceRecords>ResourceRecord"`
}

type route53Record struct {
	Value string `xml:"Value"`
}

type route53Change struct {
	XMLName xml.Name   `xml:"ChangeResourceRecordSetsRequest"`
	XMLNS   string     `xml:"xmlns,attr"`
	Action  string     `xml:"ChangeBatch>Changes>Change>Action"`
	Set     route53Set `xml:"ChangeBatch>Changes>Change>ResourceRecordSet"`
}

// Add implements Provider.
func (p *route53Zones) Add(ctx context.Context, name, value string) ([]string, error) {
	return nil, p.change(ctx, name, func(list []route53Record) []route53Record {
		if slices.Contains(list, route53Record{quoted(value)}) {
			return list
		}
		return append(list, route53Record{quoted(value)})
	})
}

// Remove implements Provider.
func (p *route53Zones) Remove(ctx context.Context, name, value string) error {
	return p.change(ctx, name, func(list []route53Record) []route53Record {
		return slices.DeleteFunc(list, func(r route53Record) bool { return r.Value == quoted(value) })
	})
}

func (p *route53Zones) change(ctx context.Context, name string, edit func([]route53Record) []route53Record) error {
	zone, err := p.zone(ctx, name)
	if err != nil {
		return err
	}
	path := "/hostedzone/" + url.PathEscape(zone) + "/rrset"
	var found struct {
		Sets []route53Set `xml:"ResourceRecordSets>ResourceRecordSet"`
	}
	query := url.Values{"name": {name + "."}, "type": {"TXT"}, "maxitems": {"1"}}
	if err := p.do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &found); err != nil {
		return err
	}
	c := route53Change{XMLNS: route53XMLNS, Action: "UPSERT", Set: route53Set{name + ".", "TXT", ttl, nil}}
	// The list begins at the name: the first may be the next one there is.
	if len(found.Sets) > 0 && found.Sets[0].Name == c.Set.Name && found.Sets[0].Type == c.Set.Type {
		c.Set = found.Sets[0]
	}
	before := c.Set.Records
	c.Set.Records = edit(slices.Clone(before))
	switch {
	case len(c.Set.Records) == len(before):
		return nil
	case len(c.Set.Records) == 0:
		c.Action, c.Set.Records = "DELETE", before // what is deleted has to be named in full
	}
	var state struct {
		ID     string `xml:"ChangeInfo>Id"`
		Status string `xml:"ChangeInfo>Status"`
	}
	if err := p.do(ctx, http.MethodPost, path+"/", c, &state); err != nil {
		return err
	}
	return until(ctx, p.poll, func() (bool, error) {
		if state.Status == "INSYNC" { // all name servers have it
			return true, nil
		}
		return false, p.do(ctx, http.MethodGet, "/change/"+url.PathEscape(strings.TrimPrefix(state.ID, "/change/")), nil, &state)
	})
}

// zone finds the hosted zone that the world sees.
func (p *route53Zones) zone(ctx context.Context, name string) (string, error) {
	if p.fixed != "" {
		return p.fixed, nil
	}
	for _, parent := range parents(name) {
		var list struct {
			Zones []struct {
				ID      string `xml:"Id"`
				Name    string `xml:"Name"`
				Private bool   `xml:"Config>PrivateZone"`
			} `xml:"HostedZones>HostedZone"`
		}
		// The list begins at the name and goes on with those after it.
		if err := p.do(ctx, http.MethodGet, "/hostedzonesbyname?dnsname="+url.QueryEscape(parent+"."), nil, &list); err != nil {
			return "", err
		}
		for _, z := range list.Zones {
			if z.Name == parent+"." && !z.Private {
				return strings.TrimPrefix(z.ID, "/hostedzone/"), nil
			}
		}
	}
	return "", noZone(name, "Route 53")
}

// do sends a signed request with XML and reads the answer into out.
func (p *route53Zones) do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		raw, err := xml.Marshal(in)
		if err != nil {
			return err
		}
		body = append([]byte(xml.Header), raw...)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, route53URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "text/xml")
	}
	who, err := p.who.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("there are no credentials for AWS: %w. Give access_key_id and secret_access_key, or the machine a role", err)
	}
	digest := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, who, req, hex.EncodeToString(digest[:]), route53Service, route53Region, p.now()); err != nil {
		return err
	}
	raw, err := answer(p.client, req, route53Detail)
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what is documented: %w", method, req.URL.Path, err)
	}
	return nil
}

func route53Detail(body []byte) string {
	var a struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if xml.Unmarshal(body, &a) != nil || a.Code == "" {
		return ""
	}
	return a.Code + ": " + a.Message
}
