package keyset

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

const (
	sessionFormat  = "scimbridge scimsession"
	sessionVersion = 1
	sessionSuite   = "HKDF-SHA256/AES-256-GCM"

	wrapLabel    = "scimbridge scimsession key 1"
	payloadLabel = "scimbridge scimsession payload 1"
	deriveLabel  = "scimbridge derive 1 "
	verifyLabel  = "scimbridge token verifier 1"

	// maxSession bounds the file in bytes; one has less than 1 KiB.
	maxSession = 64 << 10
)

// Header is what a scimsession says to everybody.
type Header struct {
	Account     string // id
	Integration string // id
	Generation  int
	URL         string // of the account service; empty: in the bridge's own process
	Created     time.Time
	TokenKeyID  string
}

// file is the file's JSON.
type file struct {
	Format      string `json:"format"`
	Version     int    `json:"version"`
	Suite       string `json:"suite"`
	Account     string `json:"account"`
	Integration string `json:"integration"`
	Generation  int    `json:"generation"`
	URL         string `json:"url"`
	Created     string `json:"created"`
	Token       string `json:"token"`
	Peer        string `json:"peer"`
	Salt        string `json:"salt"`
	Key         string `json:"key"`
	Payload     string `json:"payload"`
}

// bound is the associated data: a label and every member before salt, each with its length.
func (f *file) bound(label string) []byte {
	var out []byte
	for _, s := range []string{
		label, f.Format, strconv.Itoa(f.Version), f.Suite, f.Account, f.Integration, strconv.Itoa(f.Generation),
		f.URL, f.Created, f.Token, f.Peer,
	} {
		out = binary.BigEndian.AppendUint64(out, uint64(len(s)))
		out = append(out, s...)
	}
	return out
}

// Seal makes a scimsession that the token opens. Created is kept in whole seconds.
func Seal(h Header, token Token, rand io.Reader) ([]byte, error) {
	var peer, salt, key, seed, invitation [secretSize]byte
	for _, b := range [][]byte{peer[:], salt[:], key[:], seed[:], invitation[:]} {
		if _, err := io.ReadFull(rand, b); err != nil {
			return nil, fmt.Errorf("random keys: %w", err)
		}
	}
	f := file{
		Format: sessionFormat, Version: sessionVersion, Suite: sessionSuite,
		Account: h.Account, Integration: h.Integration, Generation: h.Generation, URL: h.URL,
		Created: h.Created.UTC().Format(time.RFC3339), Token: token.keyID,
		Peer: url64.EncodeToString(peer[:]), Salt: url64.EncodeToString(salt[:]),
	}
	wrap, err := derive(token.secret[:], salt[:], wrapLabel)
	if err != nil {
		return nil, err
	}
	sealedKey, err := seal(wrap[:], key[:], f.bound(wrapLabel), rand)
	if err != nil {
		return nil, err
	}
	payload, err := seal(key[:], append(seed[:], invitation[:]...), f.bound(payloadLabel), rand)
	if err != nil {
		return nil, err
	}
	f.Key, f.Payload = url64.EncodeToString(sealedKey), url64.EncodeToString(payload)
	return json.Marshal(f)
}

func seal(key, text, bound []byte, rand io.Reader) ([]byte, error) {
	gcm, err := aead(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("random nonce: %w", err)
	}
	return gcm.Seal(nonce, nonce, text, bound), nil
}

func open(key, sealed, bound []byte) ([]byte, bool) {
	gcm, err := aead(key)
	if err != nil || len(sealed) < gcm.NonceSize() {
		return nil, false
	}
	text, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], bound)
	return text, err == nil
}

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Session is a scimsession, still sealed.
type Session struct {
	file               file
	header             Header
	salt, key, payload []byte
}

// ParseSession reads a scimsession. ErrFormat, ErrVersion, ErrForeignSession, ErrTokenInstead.
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
	if f.Version != sessionVersion || f.Suite != sessionSuite {
		return nil, fmt.Errorf("%w: version %d, suite %.40q", ErrVersion, f.Version, f.Suite)
	}
	if again, err := json.Marshal(f); err != nil || !bytes.Equal(again, raw) {
		return nil, fmt.Errorf("%w: it is not spelled as it was written; formatting it anew is enough for that", ErrAltered)
	}
	created, err := time.Parse(time.RFC3339, f.Created)
	if err != nil || created.UTC().Format(time.RFC3339) != f.Created || f.Generation < 1 || len(f.Token) != keyIDSize {
		return nil, fmt.Errorf("%w: created, generation or token", ErrAltered)
	}
	peer, err := url64.DecodeString(f.Peer)
	if err != nil || len(peer) != secretSize {
		return nil, fmt.Errorf("%w: peer", ErrAltered)
	}
	const overhead = 12 + 16 // nonce and tag
	for _, m := range []struct {
		name, text string
		size       int
		into       *[]byte
	}{
		{"salt", f.Salt, secretSize, &s.salt}, {"key", f.Key, secretSize + overhead, &s.key}, {"payload", f.Payload, 2*secretSize + overhead, &s.payload},
	} {
		if *m.into, err = url64.DecodeString(m.text); err != nil || len(*m.into) != m.size {
			return nil, fmt.Errorf("%w: %s", ErrAltered, m.name)
		}
	}
	s.header = Header{f.Account, f.Integration, f.Generation, f.URL, created, f.Token}
	return s, nil
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

// String redacts.
func (s *Session) String() string {
	return fmt.Sprintf("scimsession of account %s, generation %d", s.header.Account, s.header.Generation)
}

// LogValue redacts.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Open unseals the file. ErrWrongToken, ErrAltered.
func (s *Session) Open(t Token, _ time.Time) (*Secrets, error) {
	if subtle.ConstantTimeCompare([]byte(t.keyID), []byte(s.file.Token)) != 1 {
		return nil, ErrWrongToken
	}
	wrap, err := derive(t.secret[:], s.salt, wrapLabel)
	if err != nil {
		return nil, err
	}
	key, ok := open(wrap[:], s.key, s.file.bound(wrapLabel))
	if !ok {
		return nil, ErrWrongToken
	}
	payload, ok := open(key, s.payload, s.file.bound(payloadLabel))
	if !ok {
		return nil, ErrAltered
	}
	out := &Secrets{keyID: t.keyID}
	copy(out.seed[:], payload[:secretSize])
	if out.verifier, err = derive(t.secret[:], s.salt, verifyLabel); err != nil {
		return nil, err
	}
	copy(out.salt[:], s.salt)
	return out, nil
}

// Secrets is what an opened scimsession holds. The token is not among it.
type Secrets struct {
	keyID    string
	seed     [secretSize]byte
	salt     [secretSize]byte
	verifier [secretSize]byte // what the right token derives; says nothing about it
}

// Verify tells, in constant time, whether the token is the one that opened the file.
func (s *Secrets) Verify(t Token) bool {
	got, err := derive(t.secret[:], s.salt[:], verifyLabel)
	return err == nil && subtle.ConstantTimeCompare(got[:], s.verifier[:]) == 1 &&
		subtle.ConstantTimeCompare([]byte(t.keyID), []byte(s.keyID)) == 1
}

// Derive returns the key for a purpose.
func (s *Secrets) Derive(purpose string) ([32]byte, error) {
	return derive(s.seed[:], nil, deriveLabel+purpose)
}

// String redacts.
func (*Secrets) String() string { return "[secrets of a scimsession]" }

// LogValue redacts.
func (s *Secrets) LogValue() slog.Value { return slog.StringValue(s.String()) }
