package zone

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
)

// Config is what Read needs.
type Config struct {
	Transport http.RoundTripper // nil: http.DefaultTransport
	// Getenv looks up the variables that AWS documents for its credentials; nil: none is set.
	Getenv func(name string) string
}

// secret is a text that no log, error or encoder shows.
type secret string

const hidden = "[secret]"

// String redacts.
func (secret) String() string { return hidden }

// GoString redacts.
func (secret) GoString() string { return hidden }

// Format redacts whatever the verb is.
func (secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue redacts.
func (secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText redacts.
func (secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// maxFile bounds the file: it holds a dozen names and secrets.
const maxFile = 64 << 10

// providers are those that a file may name, as the original documents them, and Route 53 as ours.
var providers = map[string]func(settings json.RawMessage, c Config) (Provider, error){
	"googlecloud": googleCloud, "azure": azure, "cloudflare": cloudflare, "route53": route53,
}

// Read reads the file of OP_DNS_CHALLENGE_CONFIG_FILE:
//
//	{"provider": "cloudflare", "configuration": {"cloudflare": {"api_token": "…"}}}
//
// Objects of providers other than the one named may stand beside it and are not looked at.
func Read(path string, c Config) (Provider, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := parse(raw, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func parse(raw []byte, c Config) (Provider, error) {
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if c.Getenv == nil {
		c.Getenv = func(string) string { return "" }
	}
	var file struct {
		Provider      string                     `json:"provider"`
		Configuration map[string]json.RawMessage `json:"configuration"`
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes and is no such file", maxFile)
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("it is not JSON of the form {\"provider\": \"…\", \"configuration\": {…}}: %w", reason(err))
	}
	var names []string
	for name := range providers {
		names = append(names, name)
	}
	slices.Sort(names)
	open, ok := providers[file.Provider]
	if !ok {
		return nil, fmt.Errorf("provider %.40q is not one of %s", file.Provider, strings.Join(names, ", "))
	}
	settings, ok := file.Configuration[file.Provider]
	if !ok || string(settings) == "null" {
		return nil, fmt.Errorf("configuration.%s is missing, which holds what the provider %s needs", file.Provider, file.Provider)
	}
	p, err := open(settings, c)
	if err != nil {
		return nil, fmt.Errorf("configuration.%s: %w", file.Provider, err)
	}
	return p, nil
}

// member is a text that a provider's object has to have.
type member struct {
	name  string
	value string
}

// object reads a provider's object, which has no members but those of out.
func object(settings json.RawMessage, out any) error {
	dec := json.NewDecoder(bytes.NewReader(settings))
	dec.DisallowUnknownFields()
	if err := dec.Decode(out); err != nil {
		return reason(err)
	}
	return nil
}

// present tells which of the members is missing.
func present(members ...member) error {
	for _, m := range members {
		if strings.TrimSpace(m.value) == "" {
			return fmt.Errorf("%s is missing. Add it", m.name)
		}
	}
	return nil
}

// reason is what is wrong with JSON, without a value of it, which may be a secret.
func reason(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON from byte %d on", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("%s is a JSON %s and should be a %s", kind.Field, strings.Fields(kind.Value)[0], kind.Type.Kind())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("its end is missing")
	}
	if text, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("%s is not known there. See docs/tls.md for what is", text)
	}
	return errors.New("it is not JSON")
}
