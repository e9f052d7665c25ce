package scim

import "strings"

// MatchVersion tells whether current, the version of a resource that exists, is named by the value of an If-Match or
// If-None-Match header (RFC 7644 §3.14, RFC 9110 §13.1): by "*" or by one of a list of entity tags. Tags are compared
// weakly for both headers: a version here stands for the state of a resource and not for its bytes, so that no
// strong tag exists. A header that is no such list is a 400 invalidSyntax.
func MatchVersion(header, current string) (bool, error) {
	rest := strings.Trim(header, " \t")
	if rest == "*" {
		return true, nil
	}
	want, _, ok := cutTag(current)
	if !ok {
		return false, nil
	}
	match, found := false, false
	for {
		rest = strings.TrimLeft(rest, " \t,") // RFC 9110 §5.6.1.2: empty elements of a list are skipped
		if rest == "" {
			break
		}
		var tag string
		tag, rest, ok = cutTag(rest)
		rest = strings.TrimLeft(rest, " \t")
		if !ok || rest != "" && rest[0] != ',' {
			return false, badVersion()
		}
		found = true
		match = match || tag == want
	}
	if !found {
		return false, badVersion()
	}
	return match, nil
}

func badVersion() error {
	return BadRequest(InvalidSyntax, `If-Match and If-None-Match take "*" or versions in double quotes, as in W/"12", with commas between them.`)
}

// cutTag cuts the entity tag at the start of s (RFC 9110 §8.8.3), strong or weak; tag is what stands between the
// quotes.
func cutTag(s string) (tag, rest string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimPrefix(s, "W/"), `"`)
	if !ok {
		return "", s, false
	}
	tag, rest, ok = strings.Cut(s, `"`)
	for i := range len(tag) {
		if c := tag[i]; c <= ' ' || c == 0x7F {
			return "", s, false
		}
	}
	return tag, rest, ok
}
