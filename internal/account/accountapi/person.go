package accountapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// PersonConfig is what NewPerson needs.
type PersonConfig struct {
	URL   string       // of the account service
	HTTP  *http.Client // nil: HTTPClient(nil, nil)
	Clock func() time.Time
}

// Person is somebody who joins an account far away, or signs in there.
type Person struct {
	line
	token string
}

// ErrSignIn means that whoever signed in may not.
var ErrSignIn = errors.New("the account service does not let you sign in: the password or the Secret Key is wrong, or you are not in the account, or suspended")

// NewPerson makes a Person. It calls nobody yet. The error is about the URL.
func NewPerson(c PersonConfig) (*Person, error) {
	l, err := newLine(c.URL, c.HTTP, c.Clock)
	if err != nil {
		return nil, err
	}
	return &Person{line: l}, nil
}

// Close ends idle connections.
func (p *Person) Close() { p.http.CloseIdleConnections() }

func invitationCall(method string, i keyset.Invitation) exchange {
	access := i.Access()
	return exchange{method: method, path: "/v1/join/" + i.Ref(), head: http.Header{headerAccess: {url64.EncodeToString(access[:])}}}
}

// Join shows the invitation to the holder of its link. account.ErrAccess, account.ErrInvitation. Nothing of the link's
// secret is sent.
func (p *Person) Join(ctx context.Context, i keyset.Invitation) (account.Joining, error) {
	var out account.Joining
	err := p.repeat(ctx, func() error { return p.try(ctx, invitationCall(http.MethodGet, i), "", &out) })
	return out, err
}

// Accept proposes keys. The same call again changes nothing. account.ErrAccess, account.ErrInvitation,
// account.ErrInvalid.
func (p *Person) Accept(ctx context.Context, i keyset.Invitation, proposal account.Proposal) error {
	k := &proposal.Keys
	body, err := encode(wireProposal{k.Public, k.Sealed, k.SignIn, proposal.Possession, proposal.Proof})
	if err != nil {
		return err
	}
	c := invitationCall(http.MethodPost, i)
	c.body = body
	return p.repeat(ctx, func() error { return p.try(ctx, c, "", nil) })
}

// SignIn begins a session. The user is named by id or by e-mail address; sign gets what is to be signed with the
// account unlock key, and its Subject is the user's id. ErrSignIn.
func (p *Person) SignIn(ctx context.Context, accountID, user string, sign func(keyset.ChallengeClaim) ([]byte, error)) error {
	var session wireSession
	err := p.repeat(ctx, func() (err error) {
		session, err = p.line.signIn(ctx, wireSubject{Account: accountID, User: user}, sign)
		return err
	})
	p.token = session.Token
	if refusal := (*problemError)(nil); errors.As(err, &refusal) && refusal.Code == codeSignInRefused {
		return ErrSignIn
	}
	return err
}

// Own reads the person's own keys, and the grants of the groups that he or she is in.
func (p *Person) Own(ctx context.Context) (account.Own, error) {
	var out wireOwn
	err := p.repeat(ctx, func() error { return p.try(ctx, exchange{method: http.MethodGet, path: "/v1/me"}, p.token, &out) })
	return out.own(), err
}

// ConfirmName settles the change of the person's own user name to one that he or she has seen. The same call again changes
// nothing. account.ErrState, account.ErrRevision.
func (p *Person) ConfirmName(ctx context.Context, name string) error {
	body, err := encode(wireUserName{name})
	if err != nil {
		return err
	}
	return p.repeat(ctx, func() error {
		return p.try(ctx, exchange{method: http.MethodPost, path: "/v1/me/user-name", body: body}, p.token, nil)
	})
}

// Standing reads the account's name and root, and the statements by which the keys of groups are judged.
func (p *Person) Standing(ctx context.Context) (account.Info, [][]byte, error) {
	var out wireStanding
	err := p.repeat(ctx, func() error {
		return p.try(ctx, exchange{method: http.MethodGet, path: "/v1/me/account"}, p.token, &out)
	})
	return account.Info(out.Account), out.Trust, err
}
