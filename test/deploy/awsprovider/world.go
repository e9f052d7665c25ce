package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The made-up account: a default VPC, and one as an administrator would have it; hosted zones, certificates. Data sources
// look here, and fail as the real ones do where there is nothing.
type (
	vpc struct {
		id, cidr  string
		isDefault bool
		tags      map[string]any
		subnets   []subnet
	}
	subnet struct {
		id, cidr, zone string // zone: the letter of the availability zone
		public         bool
		tags           map[string]any
	}
	zone struct {
		id, name string
		private  bool
	}
)

var vpcs = []vpc{
	{"vpc-0default", "172.31.0.0/16", true, nil, []subnet{
		{"subnet-0default-a", "172.31.0.0/20", "a", true, nil},
		{"subnet-0default-b", "172.31.16.0/20", "b", true, nil},
		{"subnet-0default-c", "172.31.32.0/20", "c", true, nil},
	}},
	{"vpc-0main", "10.20.0.0/16", false, map[string]any{"Name": "main"}, []subnet{
		{"subnet-0main-public-a", "10.20.0.0/24", "a", true, map[string]any{"SubnetTier": "public"}},
		{"subnet-0main-public-b", "10.20.1.0/24", "b", true, map[string]any{"SubnetTier": "public"}},
		{"subnet-0main-private-a", "10.20.10.0/24", "a", false, map[string]any{"SubnetTier": "private"}},
		{"subnet-0main-private-b", "10.20.11.0/24", "b", false, map[string]any{"SubnetTier": "private"}},
	}},
	{"vpc-0plain", "10.30.0.0/16", false, map[string]any{"Name": "plain"}, []subnet{
		{"subnet-0plain-a", "10.30.0.0/24", "a", true, nil},
		{"subnet-0plain-b", "10.30.1.0/24", "b", true, nil},
	}},
	{"vpc-0single", "10.40.0.0/16", false, map[string]any{"Name": "single"}, []subnet{
		{"subnet-0single-a", "10.40.0.0/24", "a", true, map[string]any{"SubnetTier": "public"}},
	}},
}

var zones = []zone{
	{"Z0AINTERNAL", "example.com", true}, // the first to be found, and not the one that is wanted
	{"Z0EXAMPLECOM", "example.com", false},
	{"Z0EUEXAMPLECOM", "eu.example.com", false},
	{"Z0EXAMPLEORG", "example.org", false},
}

var certificates = []string{"*.example.com", "*.corp.eu.example.com"}

// find answers a data source: it sets in config what was found. Types that it does not know are made up.
func (p *provider) find(typ string, config map[string]any) error {
	p.mu.Lock()
	region := p.region
	p.mu.Unlock()
	switch typ {
	case "aws_region":
		config["id"], config["name"], config["region"] = region, region, region
	case "aws_partition":
		config["id"], config["partition"], config["dns_suffix"] = "aws", "aws", "amazonaws.com"
	case "aws_caller_identity":
		config["id"], config["account_id"], config["arn"] = account, account, "arn:aws:iam::"+account+":user/terraform"
	case "aws_availability_zones":
		config["names"] = []string{region + "a", region + "b", region + "c"}
		config["zone_ids"] = []string{"az1", "az2", "az3"}
	case "aws_vpc":
		return findVPC(config)
	case "aws_subnets":
		return findSubnets(config, region)
	case "aws_subnet":
		return findSubnet(config, region)
	case "aws_route53_zones":
		var found []string
		for _, z := range zones {
			found = append(found, z.id)
		}
		config["ids"] = found
	case "aws_route53_zone":
		return findZone(config)
	case "aws_acm_certificate":
		domain := text(config, "domain")
		if !slices.Contains(certificates, domain) {
			return fmt.Errorf("no ACM Certificate matching domain (%s)", domain)
		}
		config["arn"] = "arn:aws:acm:" + region + ":" + account + ":certificate/" + strings.ReplaceAll(strings.TrimPrefix(domain, "*."), ".", "-")
		config["id"] = config["arn"]
	case "aws_secretsmanager_secret":
		if arn := text(config, "arn"); arn != "" {
			config["id"], config["name"] = arn, arn[strings.LastIndex(arn, ":")+1:]
		}
	case "aws_iam_policy_document":
		doc, err := policyDocument(config)
		config["json"], config["minified_json"] = doc, doc
		return err
	}
	return nil
}

func findVPC(config map[string]any) error {
	var found []vpc
	for _, v := range vpcs {
		if want := text(config, "id"); want != "" && want != v.id {
			continue
		}
		if want, ok := config["default"].(bool); ok && want != v.isDefault {
			continue
		}
		ok, err := matches(config, v.tags, map[string]string{"vpc-id": v.id, "cidr": v.cidr})
		if err != nil {
			return err
		}
		if ok {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return errors.New("no matching EC2 VPC found")
	}
	if len(found) > 1 {
		return errors.New("multiple EC2 VPCs matched; use additional constraints to reduce matches to a single EC2 VPC")
	}
	v := found[0]
	config["id"], config["cidr_block"], config["default"], config["tags"] = v.id, v.cidr, v.isDefault, v.tags
	config["arn"] = "arn:aws:ec2:us-east-1:" + account + ":vpc/" + v.id
	config["main_route_table_id"] = "rtb-0main-of-" + v.id
	return nil
}

func findSubnets(config map[string]any, region string) error {
	found := []string{}
	for _, v := range vpcs {
		for _, s := range v.subnets {
			ok, err := matches(config, s.tags, subnetFilters(v, s, region))
			if err != nil {
				return err
			}
			if ok {
				found = append(found, s.id)
			}
		}
	}
	config["ids"] = found
	return nil
}

func subnetFilters(v vpc, s subnet, region string) map[string]string {
	return map[string]string{
		"vpc-id": v.id, "subnet-id": s.id, "availability-zone": region + s.zone, "map-public-ip-on-launch": fmt.Sprint(s.public), "default-for-az": fmt.Sprint(v.isDefault),
	}
}

func findSubnet(config map[string]any, region string) error {
	for _, v := range vpcs {
		for _, s := range v.subnets {
			if s.id == text(config, "id") {
				config["vpc_id"], config["cidr_block"], config["tags"] = v.id, s.cidr, s.tags
				config["availability_zone"], config["map_public_ip_on_launch"] = region+s.zone, s.public
				return nil
			}
		}
	}
	return errors.New("no matching EC2 Subnet found")
}

func findZone(config map[string]any) error {
	private, _ := config["private_zone"].(bool)
	for _, z := range zones {
		byID := text(config, "zone_id") == z.id
		byName := text(config, "zone_id") == "" && strings.TrimSuffix(text(config, "name"), ".") == z.name && private == z.private
		if byID || byName {
			config["id"], config["zone_id"], config["name"], config["private_zone"] = z.id, z.id, z.name, z.private
			config["arn"] = "arn:aws:route53:::hostedzone/" + z.id
			return nil
		}
	}
	return errors.New("no matching Route 53 Hosted Zone found")
}

// matches applies the tags and the filter blocks of a data source. A filter that it does not know is an error, not "all".
func matches(config, tags map[string]any, values map[string]string) (bool, error) {
	want, _ := config["tags"].(map[string]any)
	for k, v := range want {
		if tags[k] != v {
			return false, nil
		}
	}
	for _, f := range list(config["filter"]) {
		name := text(object(f), "name")
		have, ok := values[name]
		if key, isTag := strings.CutPrefix(name, "tag:"); isTag {
			have, _ = tags[key].(string)
		} else if !ok {
			return false, fmt.Errorf("the stand-in knows no filter %q", name)
		}
		if !slices.Contains(list(object(f)["values"]), any(have)) {
			return false, nil
		}
	}
	return true, nil
}
