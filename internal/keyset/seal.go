package keyset

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// MaxOverlap is how long the token of a former scimsession may go on working: a day is enough for an administrator to
// hand the new token to the identity provider and the new file to every replica, and short enough that a token which
// was replaced because it leaked is dead the day after.
const MaxOverlap = 24 * time.Hour

// Header is what a scimsession says to everybody.
type Header struct {
	Account       string // id
	Integration   string // id
	Generation    int    // from 1
	URL           string // of the account service; empty: in the bridge's own process
	Created       time.Time
	TokenKeyID    string    // of the token that opens the file; Seal does not read it
	Root          Signer    // the account's root of trust; zero in version 1
	PreviousKeyID string    // of the token that opens the embedded file, if there is one; Seal does not read it
	PreviousUntil time.Time // when the embedded file ends; Seal does not read it
}

// Material is what a scimsession seals.
type Material struct {
	Seed               Seed          // of the integration's keyset
	Invitation         InvitationKey // of this generation
	PreviousInvitation InvitationKey // of the generation before; zero: there is none
}

// Seal makes a scimsession of version 2 that the token opens. Times are kept in whole seconds. previous is the former
// file verbatim, whose token goes on working until until, at most MaxOverlap after h.Created; what the former file
// itself embeds is left out. Without one it is nil, and until is not read. ErrSeed and ErrKeyGone for keys that are
// missing, ErrPrevious for a file of another account or integration or not of an earlier generation, ErrOverlap,
// ErrHeader for what could not be read again.
func Seal(h Header, token Token, m Material, previous []byte, until time.Time, rand io.Reader) ([]byte, error) {
	switch {
	case isZero(m.Seed.b):
		return nil, ErrSeed
	case isZero(m.Invitation.b):
		return nil, ErrKeyGone
	}
	var peer, salt, key [secretSize]byte
	for _, b := range [][]byte{peer[:], salt[:], key[:]} {
		if _, err := io.ReadFull(rand, b); err != nil {
			return nil, fmt.Errorf("random keys: %w", err)
		}
	}
	var root, former, ends, embedded string
	f := file{
		Format: sessionFormat, Version: 2, Suite: suites[2],
		Account: h.Account, Integration: h.Integration, Generation: h.Generation, URL: h.URL,
		Created: h.Created.UTC().Format(time.RFC3339), Token: token.keyID,
		Peer: url64.EncodeToString(peer[:]), Root: &root, Former: &former, Until: &ends,
		Salt: url64.EncodeToString(salt[:]), Previous: &embedded,
	}
	if h.Root != (Signer{}) {
		root = h.Root.String()
	}
	if previous != nil {
		raw, err := f.embed(previous, h.Created, until)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(raw)
		former, ends, embedded = url64.EncodeToString(sum[:]), until.UTC().Format(time.RFC3339), url64.EncodeToString(raw)
	}
	if err := f.fill(token, salt, key, m, rand); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	// What would be refused when it is read, such as text that is not UTF-8, is refused now.
	if s, err := ParseSession(raw); err != nil || !bytes.Equal(s.file.bound(""), f.bound("")) {
		return nil, fmt.Errorf("%w: generation %d, created %s, root %s", ErrHeader, h.Generation, f.Created, h.Root)
	}
	return raw, nil
}

// embed returns a former file as it stands in f.
func (f *file) embed(previous []byte, created, until time.Time) ([]byte, error) {
	p, err := ParseSession(previous)
	if err != nil {
		return nil, fmt.Errorf("former scimsession: %w", err)
	}
	if !f.follows(&p.file) {
		return nil, ErrPrevious
	}
	if !overlaps(created.Truncate(time.Second), until.Truncate(time.Second)) {
		return nil, ErrOverlap
	}
	if p.previous == nil {
		return bytes.TrimSpace(previous), nil
	}
	bare := p.file
	bare.Previous = new(string)
	return json.Marshal(bare)
}

// follows tells whether f may embed a former file.
func (f *file) follows(former *file) bool {
	return former.Account == f.Account && former.Integration == f.Integration &&
		former.Generation < f.Generation && former.Token != f.Token
}

func overlaps(created, until time.Time) bool {
	return until.After(created) && until.Sub(created) <= MaxOverlap
}

// fill seals the material and the key that it is sealed with.
func (f *file) fill(token Token, salt, key [secretSize]byte, m Material, rand io.Reader) error {
	l := labels[f.Version]
	wrap, err := derive(token.secret[:], salt[:], l.wrap)
	if err != nil {
		return err
	}
	sealedKey, err := seal(wrap[:], key[:], f.bound(l.wrap), rand)
	if err != nil {
		return err
	}
	text := append(append(m.Seed.b[:], m.Invitation.b[:]...), m.PreviousInvitation.b[:]...)
	payload, err := seal(key[:], text, f.bound(l.payload), rand)
	if err != nil {
		return err
	}
	f.Key, f.Payload = url64.EncodeToString(sealedKey), url64.EncodeToString(payload)
	return nil
}

// seal is AES-256-GCM with a random nonce, which stands before the sealed text.
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
