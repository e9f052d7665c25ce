package accountapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/tracing"
)

// Credentials are what an integration signs in with.
type Credentials struct {
	Account, Integration string // ids
	Generation           int
	Sign                 func(keyset.ChallengeClaim) []byte
}

// RemoteConfig is what NewRemote needs.
type RemoteConfig struct {
	URL string // of the account service
	// Credentials returns those of the integration, the newest that there are; nil while the bridge is locked.
	Credentials func() *Credentials
	HTTP        *http.Client // nil: HTTPClient(nil, nil)
	Clock       func() time.Time
	Pause       time.Duration // before what was lost is repeated, at first; 0: 50 ms
	Tracer      *tracing.Tracer
}

// Remote is an account far away, as its bridge uses it. It signs in by itself, repeats what was lost on the way, and
// makes every change once. What cannot be reached is account.ErrUnavailable.
type Remote struct {
	line
	credentials func() *Credentials
	turn        chan struct{} // holds one token: who signs in
	trouble     account.Trouble

	mu      sync.Mutex // guards session
	session remoteSession
}

// remoteSession is a session that has begun.
type remoteSession struct {
	token       string
	generation  int
	renew, ends time.Time // by this process's clock
}

// renewAhead is how long before its end a session is renewed. Until then the old one serves.
const renewAhead = 3 * time.Minute

// ErrRefused means that the account service does not know the keys that the bridge signs in with.
var ErrRefused = errors.New("the account service does not know the keys of this scimsession")

// ErrLocked means that nothing has unlocked the bridge yet, so that it cannot sign in. It wraps account.ErrUnavailable.
var ErrLocked = fmt.Errorf("%w: the bridge is locked, and cannot sign in at the account until the bearer token is presented", account.ErrUnavailable)

// NewRemote makes a Remote. It calls nobody yet. The error is about the URL.
func NewRemote(c RemoteConfig) (*Remote, error) {
	l, err := newLine(c.URL, c.HTTP, c.Clock)
	if err != nil {
		return nil, err
	}
	if c.Pause > 0 {
		l.pause = c.Pause
	}
	l.tracer, l.calls = c.Tracer, newCalls()
	return &Remote{line: l, credentials: c.Credentials, turn: make(chan struct{}, 1)}, nil
}

// Close ends idle connections.
func (r *Remote) Close() { r.http.CloseIdleConnections() }

// do makes a call within a session.
func (r *Remote) do(ctx context.Context, c exchange, out any) error {
	renewed := false
	return r.repeat(ctx, func() error {
		token, err := r.token(ctx)
		if err != nil {
			return err
		}
		err = r.try(ctx, c, token, out)
		var p *problemError
		if !errors.As(err, &p) || p.Code != codeSessionInvalid || renewed {
			return err
		}
		renewed = true // the service does not know the session any more: its key is another one
		r.forget(token)
		if token, err = r.token(ctx); err != nil {
			return err
		}
		return r.try(ctx, c, token, out)
	})
}

func (r *Remote) now() remoteSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
}

func (r *Remote) forget(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session.token == token {
		r.session = remoteSession{}
	}
}

// token returns that of a session, which it begins or renews where it has to. One signs in at a time; while there is a
// session that still counts, the others go on with it.
func (r *Remote) token(ctx context.Context) (string, error) {
	who := r.credentials()
	if who == nil {
		return "", ErrLocked
	}
	now, s := r.clock(), r.now()
	counts := s.token != "" && s.generation == who.Generation && now.Before(s.ends)
	if counts && now.Before(s.renew) {
		return s.token, nil
	}
	if counts {
		select {
		case r.turn <- struct{}{}:
		default:
			return s.token, nil // somebody renews it
		}
	} else {
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return "", &temporary{err: ctx.Err()}
		}
	}
	defer func() { <-r.turn }()
	if latest := r.now(); latest.token != s.token && latest.token != "" && latest.generation == who.Generation {
		return latest.token, nil
	}
	fresh, err := r.signIn(ctx, who)
	if err != nil {
		if counts && !errors.Is(err, account.ErrGeneration) {
			return s.token, nil
		}
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session = fresh
	return fresh.token, nil
}

func (r *Remote) signIn(ctx context.Context, who *Credentials) (remoteSession, error) {
	began := r.clock()
	session, err := r.line.signIn(ctx, wireSubject{Account: who.Account, Integration: who.Integration, Generation: who.Generation},
		func(c keyset.ChallengeClaim) ([]byte, error) {
			if c.Subject != who.Integration || c.Serial != who.Generation {
				return nil, errors.New("the account service asks for another's signature")
			}
			return who.Sign(c), nil
		})
	if errors.Is(err, account.ErrGeneration) {
		return remoteSession{}, fmt.Errorf("%w: the scimsession is of generation %d. Give the bridge the newest one", account.ErrGeneration, who.Generation)
	}
	if refusal := (*problemError)(nil); errors.As(err, &refusal) && refusal.Code == codeSignInRefused {
		return remoteSession{}, fmt.Errorf("%w, which is of generation %d of its integration. If the account has been restored from a backup, these credentials may have been lost with it, and others made under the same number: give the bridge the newest scimsession, and the identity provider the newest token", ErrRefused, who.Generation)
	}
	life := time.Duration(session.ExpiresIn) * time.Second
	return remoteSession{session.Token, who.Generation, began.Add(life - min(renewAhead, life/2)), began.Add(life)}, err
}

// signIn signs a challenge and begins a session.
func (l *line) signIn(ctx context.Context, who wireSubject, sign func(keyset.ChallengeClaim) ([]byte, error)) (wireSession, error) {
	var session wireSession
	ask, err := encode(who)
	if err != nil {
		return session, err
	}
	var challenge wireChallenge
	if err := l.try(ctx, exchange{method: http.MethodPost, path: "/v1/auth/challenge", body: ask}, "", &challenge); err != nil {
		return session, err
	}
	host := hostOf(l.base) // as we know it, never as the service says
	signature, err := sign(keyset.ChallengeClaim{Host: host, Account: who.Account, Subject: challenge.Subject, Serial: challenge.Serial, Nonce: challenge.Nonce})
	if err != nil {
		return session, err
	}
	answer, err := encode(wireSignIn{Account: who.Account, Host: host, Time: l.clock().UTC().Truncate(time.Second), Nonce: challenge.Nonce, Signature: signature})
	if err != nil {
		return session, err
	}
	err = l.try(ctx, exchange{method: http.MethodPost, path: "/v1/auth/session", body: answer}, "", &session)
	var p *problemError
	if errors.As(err, &p) && p.Code == codeClock {
		return session, fmt.Errorf("%w: here it is %s, and there %s", ErrClock,
			l.clock().UTC().Format(time.RFC3339), p.Time.UTC().Format(time.RFC3339))
	}
	return session, err
}

// read makes a call that changes nothing.
func read[T any](ctx context.Context, r *Remote, path string, query url.Values) (out T, err error) {
	err = r.do(ctx, exchange{method: http.MethodGet, path: path, query: query}, &out)
	return out, err
}

// ask puts a question that is too long, or too personal, for a URL.
func ask[T any](ctx context.Context, r *Remote, path string, in any) (out T, err error) {
	body, err := encode(in)
	if err != nil {
		return out, err
	}
	err = r.do(ctx, exchange{method: http.MethodPost, path: path, body: body}, &out)
	return out, err
}

// change makes a change that is known by a key of its own, so that it is made once. in nil: without a body.
func (r *Remote) change(ctx context.Context, method, path string, revision int64, in, out any) error {
	c := exchange{method: method, path: path, head: http.Header{headerIdempotency: {randomHex()}}}
	if revision != 0 {
		c.head.Set("If-Match", etag(revision))
	}
	if in != nil {
		var err error
		if c.body, err = encode(in); err != nil {
			return err
		}
	}
	err := r.do(ctx, c, out)
	if errors.Is(err, ErrDatabase) { // who is not reached at all is seen by asking
		r.trouble.Note(err, r.clock())
	}
	return err
}

// Trouble is why a change was not made lately though the service could be reached; nil where all were.
func (r *Remote) Trouble() error { return r.trouble.Err(r.clock()) }

// act makes a change of admission, which is idempotent by itself.
func (r *Remote) act(ctx context.Context, path string, in any) error {
	body, err := encode(in)
	if err != nil {
		return err
	}
	return r.do(ctx, exchange{method: http.MethodPost, path: path, body: body}, nil)
}

// at is the path of what has an id; what has none is not found.
func at(root, id, rest string) (string, error) {
	if !account.IsID(id) {
		return "", account.ErrNotFound
	}
	return root + id + rest, nil
}

const (
	usersPath  = "/v1/users/"
	groupsPath = "/v1/groups/"
)

// The methods of bridge.Account, each as it is described there.

// Describe names the account.
func (r *Remote) Describe(ctx context.Context) (account.Info, error) {
	info, err := read[wireInfo](ctx, r, "/v1/account", nil)
	return account.Info(info), err
}

// User returns one user.
func (r *Remote) User(ctx context.Context, id string) (account.User, error) {
	path, err := at(usersPath, id, "")
	if err != nil {
		return account.User{}, err
	}
	u, err := read[wireUser](ctx, r, path, nil)
	return u.user(), err
}

// Users returns those that match.
func (r *Remote) Users(ctx context.Context, q account.Query) (account.UserPage, error) {
	page, err := ask[wireUsers](ctx, r, "/v1/users/search", fromQuery(&q))
	return account.UserPage{Users: mapped(page.Users, (*wireUser).user), Total: page.Total, Next: (*account.Position)(page.Next)}, err
}

// Invite makes a user or takes one back.
func (r *Remote) Invite(ctx context.Context, i account.Invitation) (account.User, error) {
	var u wireUser
	err := r.change(ctx, http.MethodPost, "/v1/users", 0, wireInvite{i.ID, wirePerson(i.Person), i.Inactive, i.Evidence}, &u)
	return u.user(), err
}

// ChangeUser changes a user.
func (r *Remote) ChangeUser(ctx context.Context, id string, c account.UserChange) (account.User, error) {
	path, err := at(usersPath, id, "")
	if err != nil {
		return account.User{}, err
	}
	var u wireUser
	err = r.change(ctx, http.MethodPatch, path, c.IfRevision, wireUserChange{(*wirePerson)(c.Person), c.Active, c.Evidence}, &u)
	return u.user(), err
}

// ReleaseUser lets go of a user.
func (r *Remote) ReleaseUser(ctx context.Context, id string, ifRevision int64) error {
	path, err := at(usersPath, id, "")
	if err != nil {
		return err
	}
	return r.change(ctx, http.MethodDelete, path, ifRevision, nil, nil)
}

// Group returns one group.
func (r *Remote) Group(ctx context.Context, id string) (account.Group, error) {
	path, err := at(groupsPath, id, "")
	if err != nil {
		return account.Group{}, err
	}
	g, err := read[wireGroup](ctx, r, path, nil)
	return account.Group(g), err
}

// Groups returns those that match.
func (r *Remote) Groups(ctx context.Context, q account.Query) (account.GroupPage, error) {
	page, err := ask[wireGroups](ctx, r, "/v1/groups/search", fromQuery(&q))
	return account.GroupPage{Groups: mapped(page.Groups, (*wireGroup).group), Total: page.Total, Next: (*account.Position)(page.Next)}, err
}

// CreateGroup makes a group.
func (r *Remote) CreateGroup(ctx context.Context, g account.NewGroup) (account.GroupResult, error) {
	var res wireGroupResult
	err := r.change(ctx, http.MethodPost, "/v1/groups", 0, wireNewGroup(g), &res)
	return res.result(), err
}

// ChangeGroup changes a group.
func (r *Remote) ChangeGroup(ctx context.Context, id string, c account.GroupChange) (account.GroupResult, error) {
	path, err := at(groupsPath, id, "")
	if err != nil {
		return account.GroupResult{}, err
	}
	var res wireGroupResult
	err = r.change(ctx, http.MethodPatch, path, c.IfRevision, wireGroupChange{
		Name: c.Name, ExternalID: c.ExternalID, Profile: c.Profile, Steps: mapped(c.Steps, fromStep), Strict: c.Strict, Show: c.Show,
	}, &res)
	return res.result(), err
}

// DeleteGroup deletes or releases a group.
func (r *Remote) DeleteGroup(ctx context.Context, id string, ifRevision int64) error {
	path, err := at(groupsPath, id, "")
	if err != nil {
		return err
	}
	return r.change(ctx, http.MethodDelete, path, ifRevision, nil, nil)
}

// Members lists a group's members.
func (r *Remote) Members(ctx context.Context, group, after string, limit int) ([]account.Member, error) {
	path, err := at(groupsPath, group, "/members")
	if err != nil {
		return nil, err
	}
	list, err := read[[]wireMember](ctx, r, path, url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}})
	return mapped(list, func(m *wireMember) account.Member { return account.Member(*m) }), err
}
