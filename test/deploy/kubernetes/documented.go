package kubernetes

import (
	"errors"
	"regexp"
	"strings"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// Documented reads the secrets that an administrator is told to make, and their keys, from the table of a README that begins with
// "| secret | keys |".
func Documented(readme []byte) (map[string][]string, error) {
	_, table, found := strings.Cut(string(readme), "\n| secret | keys |")
	if !found {
		return nil, errors.New("the README has no table of secrets")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	secrets := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		const filled = 3 // before the first bar there is nothing
		if len(cells) < filled {
			continue
		}
		name := quoted.FindStringSubmatch(cells[1])
		if name == nil {
			continue
		}
		for _, key := range quoted.FindAllStringSubmatch(cells[2], -1) {
			secrets[name[1]] = append(secrets[name[1]], key[1])
		}
	}
	return secrets, nil
}
