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

// Kit is an emergency kit: what a person needs beside the password to sign in on a new device. All fields but URL are
// filled in; each is one line without white space around it.
type Kit struct {
	AccountName string
	Account     string // id
	URL         string // of the account service; empty: it has none of its own
	User        string // id
	Email       string
	Root        Signer // in whom trust begins, as the person met it when joining: from then on no other is believed
	SecretKey   SecretKey
}

// kitField is a line of the kit.
type kitField struct {
	name     string
	text     *string
	optional bool // left out where it is empty
}

func (k *Kit) fields(root, secretKey *string) []kitField {
	return []kitField{
		{"Account", &k.AccountName, false},
		{"Account id", &k.Account, false},
		{"Address", &k.URL, true},
		{"E-mail", &k.Email, false},
		{"User id", &k.User, false},
		{"Trust root", root, false},
		{"Secret Key", secretKey, false},
	}
}

// Text is the kit as a text file, Secret Key included: for the person to print or to put away, and for nobody else.
func (k Kit) Text() string {
	root, secretKey := k.Root.String(), k.SecretKey.Reveal()
	var b strings.Builder
	b.WriteString(kitTitle + `

Print this page or put the file where only you can reach it. The Secret Key is nowhere else: nobody can give it to
you again. Together with your password it opens your account; without the password it opens nothing.

`)
	for _, f := range k.fields(&root, &secretKey) {
		if f.optional && *f.text == "" {
			continue
		}
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
	var root, secretKey string
	fields := k.fields(&root, &secretKey)
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
		if *f.text == "" && !f.optional {
			missing = append(missing, f.name)
		}
	}
	if missing != nil {
		return Kit{}, fmt.Errorf("%w: missing: %s", ErrKit, strings.Join(missing, ", "))
	}
	var err error
	if k.Root, err = ParseSigner(root); err != nil {
		return Kit{}, fmt.Errorf("%w: the trust root is not complete", ErrKit)
	}
	if k.SecretKey, err = ParseSecretKey(secretKey); err != nil {
		return Kit{}, errors.Join(fmt.Errorf("%w: the Secret Key is not complete", ErrKit), err)
	}
	if !k.SecretKey.Fits(k.Account) {
		return Kit{}, fmt.Errorf("%w: the Secret Key is that of another account", ErrKit)
	}
	return k, nil
}
