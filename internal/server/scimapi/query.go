package scimapi

import (
	"fmt"
	"net/url"
	"strings"
)

type param struct{ name, value string }

// maxParams bounds the parameters of one request; SCIM defines nine.
const maxParams = 100

// parseQuery takes a URL's query apart, "+" and "%20" both for a space. Unlike url.ParseQuery it takes ";" for
// text, since filters hold what people are called.
func parseQuery(raw string) ([]param, error) {
	var params []param
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		if len(params) == maxParams {
			return nil, fmt.Errorf("more than %d parameters", maxParams)
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if err != nil {
			return nil, err
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return nil, err
		}
		params = append(params, param{n, v})
	}
	return params, nil
}
