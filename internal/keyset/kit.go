package keyset

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	kitTitle = "Emergency kit 1"
	maxKit   = 64 << 10 // bytes; one has less than 1 KiB
)

// Kit is an emergency kit: what a person needs beside the password to sign in on a new device. All fields are filled
// in; each is one line without white space around it.
type Kit struct {
	AccountName string
	Account     string // id
	URL         string // of the account service
	User        string // id
	Email       string
	SecretKey   SecretKey
}

// kitField is a line of the kit.
type kitField struct {
	name string
	text *string
}

func (k *Kit) fields(secretKey *string) []kitField {
	return []kitField{
		{"Account", &k.AccountName},
		{"Account id", &k.Account},
		{"Address", &k.URL},
		{"E-mail", &k.Email},
		{"User id", &k.User},
		{"Secret Key", secretKey},
	}
}

// Text is the kit as a text file, Secret Key included: for the person to print or to put away, and for nobody else.
func (k Kit) Text() string {
	secretKey := k.SecretKey.Reveal()
	var b strings.Builder
	b.WriteString(kitTitle + `

Print this page or put the file where only you can reach it. The Secret Key is nowhere else: nobody can give it to
you again. Together with your password it opens your account; without the password it opens nothing.

`)
	for _, f := range k.fields(&secretKey) {
		fmt.Fprintf(&b, "%-12s%s\n", f.name+":", oneLine(*f.text))
	}
	b.WriteString("\nPassword:   ______________________________ (by hand, if at all)\n")
	return b.String()
}

// oneLine keeps a name with a line break from looking like another field.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}

// ParseKit reads the text of a kit. Lines that are none of a kit's are notes of its owner. ErrKit, naming what is
// missing, stands twice or is not right.
func ParseKit(text string) (Kit, error) {
	title, _, _ := strings.Cut(text, "\n")
	if len(text) > maxKit || !utf8.ValidString(text) || strings.TrimSpace(title) != kitTitle {
		return Kit{}, fmt.Errorf("%w: its first line is not %q", ErrKit, kitTitle)
	}
	var k Kit
	var secretKey string
	fields := k.fields(&secretKey)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		for _, f := range fields {
			switch {
			case f.name != name:
			case *f.text != "":
				return Kit{}, fmt.Errorf("%w: the line %q stands twice", ErrKit, f.name)
			default:
				*f.text = oneLine(value)
			}
		}
	}
	var missing []string
	for _, f := range fields {
		if *f.text == "" {
			missing = append(missing, f.name)
		}
	}
	if missing != nil {
		return Kit{}, fmt.Errorf("%w: missing: %s", ErrKit, strings.Join(missing, ", "))
	}
	var err error
	if k.SecretKey, err = ParseSecretKey(secretKey); err != nil {
		return Kit{}, errors.Join(fmt.Errorf("%w: the Secret Key is not complete", ErrKit), err)
	}
	if !k.SecretKey.Fits(k.Account) {
		return Kit{}, fmt.Errorf("%w: the Secret Key is that of another account", ErrKit)
	}
	return k, nil
}
