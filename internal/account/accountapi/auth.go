package accountapi

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// wireSubject is who wants to sign in: an integration with its generation, or a user by id or e-mail address.
type wireSubject struct {
	Account     string `json:"account"`
	Integration string `json:"integration,omitzero"`
	Generation  int    `json:"generation,omitzero"`
	User        string `json:"user,omitzero"`
}

// wireChallenge is what has to be signed, with the host that the client knows the service by.
type wireChallenge struct {
	Subject   string `json:"subject"` // id
	Serial    int    `json:"serial"`
	Nonce     []byte `json:"nonce"`
	ExpiresIn int    `json:"expiresIn"` // seconds
}

type wireSignIn struct {
	Account   string    `json:"account"`
	Host      string    `json:"host"` // as the client knows it
	Time      time.Time `json:"time"` // by the client's clock
	Nonce     []byte    `json:"nonce"`
	Signature []byte    `json:"signature"`
}

type wireSession struct {
	Token     string `json:"token"`
	ExpiresIn int    `json:"expiresIn"` // seconds
}

const (
	maxSubject = 1 << 10 // bytes of what names a person
	// maxSkew is how far a client's clock may be off. Sessions do not depend on it; what people sign and when
	// invitations end does.
	maxSkew = 5 * time.Minute
)

// find returns an account and its sealer. For an account that there is not, both are nobody's.
func (h *Handler) find(ctx context.Context, id string) (*account.Service, *sealer, error) {
	if !account.IsID(id) {
		return nil, h.sealers.nobody, nil
	}
	svc, err := h.c.Accounts.Account(ctx, id)
	if errors.Is(err, account.ErrNotFound) {
		return nil, h.sealers.nobody, nil
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := h.sealers.of(ctx, id, svc)
	return svc, s, err
}

// challenge hands out what has to be signed. Who asks does not learn whether there is the account, the integration or
// the person.
func (h *Handler) challenge(r *request) (any, error) {
	var in wireSubject
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if (in.User == "") == (in.Integration == "") || len(in.User)+len(in.Integration) > maxSubject || in.Integration != "" && in.Generation < 1 {
		return nil, &badRequest{codeSubject, "Name either an integration with its generation, or a user."}
	}
	svc, s, err := h.find(r.Context(), in.Account)
	if err != nil {
		return nil, err
	}
	now := h.c.Clock()
	t := ticket{Kind: integrationKind, Subject: in.Integration, Serial: in.Generation, Began: now.UnixMilli(), Ends: now.Add(challengeLife).UnixMilli()}
	if in.User != "" {
		t.Kind = personKind
		if t.Subject, t.Serial, err = subject(r.Context(), svc, s, in); err != nil {
			return nil, err
		}
	}
	nonce, err := s.seal(challengePurpose, t)
	return wireChallenge{t.Subject, t.Serial, nonce, int(challengeLife / time.Second)}, err
}

// subject finds a person; nobody gets an id that looks like one.
func subject(ctx context.Context, svc *account.Service, s *sealer, in wireSubject) (id string, serial int, err error) {
	if svc != nil {
		found, err := svc.SignIn(ctx, in.User)
		if err == nil {
			return found.UserID, found.Keys, nil
		}
		if !errors.Is(err, account.ErrNotFound) {
			return "", 0, err
		}
	}
	if account.IsID(in.User) {
		return in.User, 1, nil
	}
	id, err = s.strangerID(in.Account, in.User)
	return id, 1, err
}

// strangerID is the id of somebody who is not there, always the same one for a name. Ids begin with the time when they
// were made: this one was made in the first day of the account.
func (s *sealer) strangerID(id, name string) (string, error) {
	mac := hmac.New(sha256.New, s.stranger)
	mac.Write([]byte(account.Fold(name)))
	sum := mac.Sum(nil)
	const randomBytes = 10
	at := made(id).Add(time.Duration(binary.BigEndian.Uint64(sum)%uint64(24*time.Hour/time.Millisecond)) * time.Millisecond)
	return account.NewID(at, bytes.NewReader(sum[len(sum)-randomBytes:]))
}

// made is when an id was made, by what it begins with.
func made(id string) time.Time {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(id))
	const size = 6 // bytes of milliseconds
	if err != nil || len(raw) < size {
		return time.Unix(0, 0)
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(append(make([]byte, 2), raw[:size]...)))) //nolint:gosec // 48 bits
}

// signIn begins a session for who has signed the challenge.
func (h *Handler) signIn(r *request) (any, error) {
	var in wireSignIn
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	now := h.c.Clock()
	if off := now.Sub(in.Time); off > maxSkew || off < -maxSkew {
		return nil, &apiError{
			status: http.StatusUnauthorized, code: codeClock, time: now.UTC().Truncate(time.Second),
			detail: fmt.Sprintf("The client's clock is %s off. Set it by a time server.", off.Abs().Round(time.Second)),
		}
	}
	if in.Host != h.host {
		return nil, &apiError{status: http.StatusUnauthorized, code: codeWrongHost, detail: fmt.Sprintf("This account service is known as %s, and the client has signed in at %q. Use the address that the service was given with --public-url.", h.host, short(in.Host))}
	}
	svc, s, err := h.find(r.Context(), in.Account)
	if err != nil {
		return nil, err
	}
	t, ok := s.open(challengePurpose, in.Nonce, now)
	if !ok {
		return nil, &apiError{status: http.StatusUnauthorized, code: codeChallenge, detail: "The challenge is not this service's for this account, or its minute is over. Ask for a new one."}
	}
	signer, revoked, err := signerOf(r.Context(), svc, t)
	if err != nil {
		return nil, err
	}
	claim := keyset.ChallengeClaim{Host: h.host, Account: in.Account, Subject: t.Subject, Serial: t.Serial, Nonce: in.Nonce}
	if signer.Verify(claim, in.Signature) != nil {
		h.metrics.wrong.Inc()
		if !h.limits.wrong(h.source(r.Request)) {
			return nil, tooMany()
		}
		return nil, &apiError{status: http.StatusUnauthorized, code: codeSignInRefused, detail: "Whoever signed this may not sign in here: the keys are wrong, or there is nobody of this name."}
	}
	if revoked {
		return nil, account.ErrGeneration
	}
	began := h.c.Clock().Truncate(time.Millisecond)
	token, err := s.session(ticket{t.Kind, t.Subject, t.Serial, began.UnixMilli(), began.Add(sessionLife).UnixMilli()})
	return wireSession{token, int(sessionLife / time.Second)}, err
}

func tooMany() error {
	return &apiError{status: http.StatusTooManyRequests, code: codeTooMany, detail: "Too many wrong attempts came from this address.", retryAfter: wrongPause}
}

// signerOf finds the key that a challenge has to be signed with; nobody's where there is none. revoked tells of
// credentials that have been replaced.
func signerOf(ctx context.Context, svc *account.Service, t ticket) (signer keyset.Signer, revoked bool, err error) {
	if svc == nil {
		return signer, false, nil
	}
	var raw []byte
	if t.Kind == personKind {
		found, err := svc.SignIn(ctx, t.Subject)
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return signer, false, err
		}
		if err == nil && found.UserID == t.Subject && found.Keys == t.Serial {
			raw = found.Key
		}
	} else {
		g, err := svc.SignedIn(ctx, t.Subject, t.Serial)
		if errors.Is(err, account.ErrGeneration) {
			revoked = true
			g, err = ended(ctx, svc, t)
		}
		if err != nil {
			return signer, false, err
		}
		raw = g.Signer
	}
	if len(raw) == len(signer) {
		signer = keyset.Signer(raw)
	}
	return signer, revoked, nil
}

// ended finds credentials that count no more, so that only who holds them learns that.
func ended(ctx context.Context, svc *account.Service, t ticket) (account.Generation, error) {
	list, err := svc.Generations(ctx)
	if i := slices.IndexFunc(list, func(g account.Generation) bool { return g.Number == t.Serial && g.Integration == t.Subject }); i >= 0 {
		return list[i], err
	}
	return account.Generation{}, err
}

// admit finds out whose session a request is of, and that it still counts.
func (h *Handler) admit(r *request, who who) error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return &apiError{status: http.StatusUnauthorized, code: codeSessionRequired, detail: "The request carries no session. Sign in first."}
	}
	invalid := &apiError{status: http.StatusUnauthorized, code: codeSessionInvalid, detail: "This is no session, or its 15 minutes are over. Sign in again."}
	id, sealed, ok := parseSession(token)
	if !ok {
		return invalid
	}
	svc, s, err := h.find(r.Context(), id)
	if err != nil {
		return err
	}
	t, ok := s.open(sessionPurpose, sealed, h.c.Clock())
	if !ok || svc == nil {
		return invalid
	}
	caller := account.Caller{Kind: account.Integration, RequestID: r.id}
	switch {
	case who == integration && t.Kind != integrationKind, who == person && t.Kind != personKind:
		return &apiError{status: http.StatusForbidden, code: codeSessionKind, detail: "A session of this kind has no business here."}
	case who == integration:
		if caller.Fence, err = r.fence(); err == nil {
			_, err = svc.SignedIn(r.Context(), t.Subject, t.Serial)
		}
	default:
		caller.Kind = joiner
		err = svc.SessionHolds(r.Context(), t.Subject, began(t))
		if errors.Is(err, account.ErrState) || errors.Is(err, account.ErrNotFound) {
			return &apiError{status: http.StatusUnauthorized, code: codeSessionEnded, detail: "The session has ended: the person is suspended, or has been since."}
		}
	}
	if err != nil {
		return err
	}
	r.account, r.service, r.session = id, svc, t
	r.Request = r.WithContext(account.WithCaller(r.Context(), caller))
	return nil
}

// joiner is the caller in the activity log where a person acts.
const joiner account.CallerKind = "person"

// identify takes the key by which a change that comes twice is known.
func (r *request) identify() (account.Call, error) {
	key := r.Header.Get(headerIdempotency)
	odd := func(c rune) bool { return c <= ' ' || c > '~' }
	if len(key) < shortestKey || len(key) > longestKey || strings.IndexFunc(key, odd) >= 0 {
		return account.Call{}, &badRequest{codeKeyMissing, fmt.Sprintf("A change needs the header %s with %d to %d characters, another one for every change and the same one when it is repeated.", headerIdempotency, shortestKey, longestKey)}
	}
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(r.Method), []byte(r.URL.Path), []byte(r.Header.Get("If-Match")), r.body} {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		sum.Write(part)
	}
	// The key is the integration's own: nobody else can use it up.
	return account.Call{Key: r.session.Subject + "/" + key, Digest: sum.Sum(nil)}, nil
}
