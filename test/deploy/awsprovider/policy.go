package main

import (
	"encoding/json"
)

// policyDocument renders what aws_iam_policy_document says as JSON, so that tests can judge it.
func policyDocument(config map[string]any) (string, error) {
	version := text(config, "version")
	if version == "" {
		version = "2012-10-17"
	}
	statements := []any{}
	for _, s := range list(config["statement"]) {
		statements = append(statements, statement(object(s)))
	}
	doc, err := json.Marshal(map[string]any{"Version": version, "Statement": statements})
	return string(doc), err
}

func statement(in map[string]any) map[string]any {
	out := map[string]any{"Effect": "Allow"}
	if e := text(in, "effect"); e != "" {
		out["Effect"] = e
	}
	if sid := text(in, "sid"); sid != "" {
		out["Sid"] = sid
	}
	for from, to := range map[string]string{"actions": "Action", "not_actions": "NotAction", "resources": "Resource", "not_resources": "NotResource"} {
		if v := list(in[from]); len(v) > 0 {
			out[to] = v
		}
	}
	for from, to := range map[string]string{"principals": "Principal", "not_principals": "NotPrincipal"} {
		who := map[string]any{}
		for _, p := range list(in[from]) {
			m := object(p)
			if text(m, "type") == "*" {
				out[to] = "*"
				continue
			}
			who[text(m, "type")] = list(m["identifiers"])
		}
		if len(who) > 0 {
			out[to] = who
		}
	}
	conditions := map[string]map[string]any{}
	for _, c := range list(in["condition"]) {
		m := object(c)
		test := text(m, "test")
		if conditions[test] == nil {
			conditions[test] = map[string]any{}
		}
		conditions[test][text(m, "variable")] = list(m["values"])
	}
	if len(conditions) > 0 {
		out["Condition"] = conditions
	}
	return out
}
