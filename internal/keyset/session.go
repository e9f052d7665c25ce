package keyset

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

const (
	sessionFormat = "scimbridge scimsession"
	deriveLabel   = "scimbridge derive 1 "
	verifyLabel   = "scimbridge token verifier 1"
	peerLabel     = "scimbridge peer 1"

	// maxSession bounds the file in bytes; one has less than 3 KiB.
	maxSession = 64 << 10
)

// suites says, by version, how the file is sealed and, from version 2 on, what its seed makes.
var suites = map[int]string{
	1: "HKDF-SHA256/AES-256-GCM",
	2: "MLKEM768X25519/HKDF-SHA256/AES-256-GCM/Ed25519",
}

var labels = map[int]struct{ wrap, payload string }{
	1: {"scimbridge scimsession key 1", "scimbridge scimsession payload 1"},
	2: {"scimbridge scimsession key 2", "scimbridge scimsession payload 2"},
}

// seeds is how many secrets of 32 bytes the payload holds, by version.
var seeds = map[int]int{1: 2, 2: 3}

// file is the file's JSON. Version 1 has none of the members that may be nil, version 2 has all.
type file struct {
	Format      string  `json:"format"`
	Version     int     `json:"version"`
	Suite       string  `json:"suite"`
	Account     string  `json:"account"`
	Integration string  `json:"integration"`
	Generation  int     `json:"generation"`
	URL         string  `json:"url"`
	Created     string  `json:"created"`
	Token       string  `json:"token"`
	Peer        string  `json:"peer"`
	Root        *string `json:"root,omitempty"`
	Former      *string `json:"former,omitempty"`
	Until       *string `json:"until,omitempty"`
	Salt        string  `json:"salt"`
	Key         string  `json:"key"`
	Payload     string  `json:"payload"`
	Previous    *string `json:"previous,omitempty"`
}

// bound is the associated data: a label and every member before salt.
func (f *file) bound(label string) []byte {
	out := appendList(nil, label, f.Format, strconv.Itoa(f.Version), f.Suite, f.Account, f.Integration,
		strconv.Itoa(f.Generation), f.URL, f.Created, f.Token, f.Peer)
	if f.Version == 1 {
		return out
	}
	return appendList(out, *f.Root, *f.Former, *f.Until)
}

// Session is a scimsession, still sealed.
type Session struct {
	file               file
	header             Header
	peer               [secretSize]byte
	salt, key, payload []byte
	previous           *Session // the embedded file
}

// ParseSession reads a scimsession of any version. ErrFormat, ErrVersion, ErrAltered, ErrForeignSession,
// ErrTokenInstead.
func ParseSession(raw []byte) (*Session, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > maxSession {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrFormat, len(raw))
	}
	if err := recognise(raw); err != nil {
		return nil, err
	}
	s := &Session{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s.file); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrFormat, jsonReason(err))
	}
	f := &s.file
	if f.Format != sessionFormat {
		return nil, ErrFormat
	}
	if suite, ok := suites[f.Version]; !ok || f.Suite != suite {
		return nil, fmt.Errorf("%w: version %d, suite %.60q", ErrVersion, f.Version, f.Suite)
	}
	for _, member := range []*string{f.Root, f.Former, f.Until, f.Previous} {
		if (member != nil) != (f.Version > 1) {
			return nil, fmt.Errorf("%w: its members are not those of its version", ErrAltered)
		}
	}
	if again, err := json.Marshal(f); err != nil || !bytes.Equal(again, raw) {
		return nil, fmt.Errorf("%w: it is not spelled as it was written; formatting it anew is enough for that", ErrAltered)
	}
	if err := s.decode(); err != nil {
		return nil, err
	}
	if f.Version > 1 {
		return s, s.decode2()
	}
	return s, nil
}

// decode reads the members of version 1.
func (s *Session) decode() error {
	f := &s.file
	created, ok := parseTime(f.Created)
	if !ok || f.Generation < 1 || len(f.Token) != keyIDSize {
		return fmt.Errorf("%w: created, generation or token", ErrAltered)
	}
	var peer []byte
	for _, m := range []struct {
		name, text string
		size       int
		into       *[]byte
	}{
		{"peer", f.Peer, secretSize, &peer},
		{"salt", f.Salt, secretSize, &s.salt},
		{"key", f.Key, secretSize + overhead, &s.key},
		{"payload", f.Payload, seeds[f.Version]*secretSize + overhead, &s.payload},
	} {
		var err error
		if *m.into, err = url64.DecodeString(m.text); err != nil || len(*m.into) != m.size {
			return fmt.Errorf("%w: %s", ErrAltered, m.name)
		}
	}
	s.peer = [secretSize]byte(peer)
	s.header = Header{
		Account: f.Account, Integration: f.Integration, Generation: f.Generation, URL: f.URL,
		Created: created, TokenKeyID: f.Token,
	}
	return nil
}

// decode2 reads the members that version 2 adds.
func (s *Session) decode2() error {
	f := &s.file
	if *f.Root != "" {
		var err error
		if s.header.Root, err = ParseSigner(*f.Root); err != nil {
			return fmt.Errorf("%w: root", ErrAltered)
		}
	}
	if *f.Former == "" && *f.Until == "" && *f.Previous == "" {
		return nil
	}
	until, ok := parseTime(*f.Until)
	former, err := url64.DecodeString(*f.Former)
	if !ok || err != nil || len(former) != sha256.Size || !overlaps(s.header.Created, until) {
		return fmt.Errorf("%w: former or until", ErrAltered)
	}
	if *f.Previous == "" {
		return nil // it has been embedded itself, and what it had embedded was left out
	}
	raw, err := url64.DecodeString(*f.Previous)
	if sum := sha256.Sum256(raw); err != nil || subtle.ConstantTimeCompare(sum[:], former) != 1 {
		return fmt.Errorf("%w: previous", ErrAltered)
	}
	p, err := ParseSession(raw)
	if err != nil || p.previous != nil || len(bytes.TrimSpace(raw)) != len(raw) || !f.follows(&p.file) {
		return fmt.Errorf("%w: previous", ErrAltered)
	}
	s.previous = p
	s.header.PreviousKeyID, s.header.PreviousUntil = p.file.Token, until
	return nil
}

func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil && t.UTC().Format(time.RFC3339) == text
}

// jsonReason leaves out of an error what might be a secret.
func jsonReason(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "its end is missing"
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return "it is not JSON from byte " + strconv.FormatInt(syntax.Offset, 10) + " on"
	}
	return "its members are not those of one"
}

// recognise finds what people put in the place of a scimsession by mistake.
func recognise(raw []byte) error {
	if bytes.HasPrefix(raw, []byte(tokenPrefix)) {
		return ErrTokenInstead
	}
	if len(raw) == 0 || raw[0] != '{' {
		return ErrFormat
	}
	var foreign map[string]json.RawMessage
	if json.Unmarshal(raw, &foreign) == nil && foreign["format"] == nil {
		for _, name := range []string{"deviceUuid", "encCredentials", "verifier", "uniqueKey"} {
			if foreign[name] != nil {
				return ErrForeignSession
			}
		}
	}
	return nil
}

// Header returns what the file says to everybody. It is authentic only once the file has been opened.
func (s *Session) Header() Header { return s.header }

// Peer returns what all who have the file share, locked or not. It is a secret, and another one in every file.
func (s *Session) Peer() [32]byte { return s.peer }

// PeerKey is the key for one purpose that all who have the file share, locked or not.
func (s *Session) PeerKey(purpose string) ([32]byte, error) {
	return derive(s.peer[:], nil, join(peerLabel, purpose))
}

// FormerPeer returns what all share who have the file that this one embeds for an overlap; ok: it embeds one.
func (s *Session) FormerPeer() (peer [32]byte, ok bool) {
	if s.previous == nil {
		return peer, false
	}
	return s.previous.peer, true
}

// String redacts.
func (s *Session) String() string {
	return fmt.Sprintf("scimsession of account %s, generation %d", s.header.Account, s.header.Generation)
}

// Format redacts whatever the verb is.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue redacts.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }
