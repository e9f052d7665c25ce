package accountapi

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Challenges and sessions are tickets: the server keeps nothing of them. A ticket is sealed with AES-256-GCM under a
// key derived from the account's session key for one purpose, with the account's id as associated data; so a challenge
// is no session, and a session of one account is none at another. Sealed and not only authenticated, so that a
// challenge does not tell whether whom it names is there.

const (
	challengePurpose = "scimbridge account challenge 1"
	sessionPurpose   = "scimbridge account session 1"
	strangerPurpose  = "scimbridge account stranger 1"

	challengeLife = time.Minute
	sessionLife   = 15 * time.Minute

	sessionPrefix = "scx_"
	maxTicket     = 1 << 10 // characters
)

// kind says whose a session is.
type kind string

const (
	integrationKind kind = "integration"
	personKind      kind = "person"
)

// ticket is what is sealed.
type ticket struct {
	Kind    kind   `json:"k"`
	Subject string `json:"s"` // id of the integration or the user
	Serial  int    `json:"n"` // generation, or serial of the person's keys
	Began   int64  `json:"b"` // Unix milliseconds
	Ends    int64  `json:"e"`
}

var url64 = base64.RawURLEncoding.Strict()

// sealer seals an account's tickets.
type sealer struct {
	account  string
	aeads    map[string]cipher.AEAD // by purpose
	stranger []byte                 // see strangerID
}

func newSealer(id string, secret []byte) (*sealer, error) {
	s := &sealer{account: id, aeads: map[string]cipher.AEAD{}}
	const size = 32
	for _, purpose := range []string{challengePurpose, sessionPurpose} {
		key, err := hkdf.Key(sha256.New, secret, nil, purpose, size)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if s.aeads[purpose], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, err
		}
	}
	var err error
	s.stranger, err = hkdf.Key(sha256.New, secret, nil, strangerPurpose, size)
	return s, err
}

func (s *sealer) seal(purpose string, t ticket) ([]byte, error) {
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return s.aeads[purpose].Seal(nil, nil, raw, []byte(s.account)), nil
}

// open returns the ticket, if it is one and its time is not over.
func (s *sealer) open(purpose string, sealed []byte, now time.Time) (t ticket, ok bool) {
	raw, err := s.aeads[purpose].Open(nil, nil, sealed, []byte(s.account))
	if err != nil || json.Unmarshal(raw, &t) != nil {
		return ticket{}, false
	}
	return t, now.UnixMilli() < t.Ends
}

// session writes the token of a session: the account's id in clear, since its key is needed to open the rest.
func (s *sealer) session(t ticket) (string, error) {
	sealed, err := s.seal(sessionPurpose, t)
	return sessionPrefix + s.account + "." + url64.EncodeToString(sealed), err
}

// parseSession takes the token of a session apart.
func parseSession(token string) (id string, sealed []byte, ok bool) {
	rest, ok := strings.CutPrefix(token, sessionPrefix)
	if !ok || len(token) > maxTicket {
		return "", nil, false
	}
	id, text, ok := strings.Cut(rest, ".")
	if !ok || !account.IsID(id) {
		return "", nil, false
	}
	sealed, err := url64.DecodeString(text)
	return id, sealed, err == nil
}

// sealers are those of the accounts that have been asked for.
type sealers struct {
	nobody *sealer // of accounts that there are not
	byID   sync.Map
}

// of returns an account's sealer. The session key of an account never changes.
func (s *sealers) of(ctx context.Context, id string, svc *account.Service) (*sealer, error) {
	if known, ok := s.byID.Load(id); ok {
		return known.(*sealer), nil //nolint:forcetypeassert // nothing else is in there
	}
	secret, err := svc.SessionKey(ctx)
	if err != nil {
		return nil, err
	}
	made, err := newSealer(id, secret)
	if err != nil {
		return nil, err
	}
	s.byID.Store(id, made)
	return made, nil
}

func newSealers() (*sealers, error) {
	const size = 32
	secret := make([]byte, size)
	_, _ = rand.Read(secret) // never fails
	nobody, err := newSealer("", secret)
	return &sealers{nobody: nobody}, err
}
