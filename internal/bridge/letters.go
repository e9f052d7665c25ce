package bridge

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// Mail is an invitation to be sent.
type Mail struct {
	AccountName   string
	Account, User string // ids
	Number        int    // the same account, user and number are the same mail
	To            string
	Name          string
	Language      string // BCP 47, as the identity provider says it
	Link          string
	Expires       time.Time
}

// ErrUndeliverable means that a mail cannot be delivered, however often it is sent.
var ErrUndeliverable = errors.New("the invitation cannot be delivered")

// Mailer sends invitations.
type Mailer interface {
	// Send hands a mail over to a mail server. The same mail may be sent twice; then it is recognisable as the same.
	// ErrUndeliverable; other errors pass.
	Send(ctx context.Context, m Mail) error
}

// letter is an invitation with its link.
type letter struct {
	*account.InvitationRow
	link string
}

// invite makes the links of invitations, all of them with one change of the account, and sees to their delivery. It
// tells how much was done.
func (w *Watchers) invite(ctx context.Context, ring *keyring, list []account.InvitationRow) (done int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	origin := w.Origin()
	if origin == "" {
		return 0, errors.New("it is not known under which address people reach the account: set OP_PUBLIC_URL")
	}
	var openings []account.Opening
	var letters []letter
	for i := range list {
		row := &list[i]
		invitation, ok, err := w.invitation(ctx, ring, row)
		if err != nil {
			return done, err
		}
		if !ok {
			continue
		}
		letters = append(letters, letter{row, invitation.Link(origin)})
		if row.State == account.InvitationDue {
			commitment := invitation.Commitment()
			o := account.Opening{User: row.UserID, Number: row.Number, Generation: ring.secrets.Generation(), Commitment: commitment[:]}
			if w.Mailer == nil {
				o.Link = letters[len(letters)-1].link
			}
			openings = append(openings, o)
		}
	}
	open := map[string]bool{}
	if len(openings) > 0 {
		users, err := w.Account.OpenInvitations(ctx, openings)
		if err != nil {
			return done, err
		}
		for _, user := range users {
			open[user] = true
		}
	}
	done += len(openings)
	if w.Mailer == nil {
		return done, nil
	}
	return w.post(ctx, letters, open, done)
}

// invitation makes the invitation that a row is of. ok is false where there is none to be made; a row for whose address
// nobody has asked is refused.
func (w *Watchers) invitation(ctx context.Context, ring *keyring, i *account.InvitationRow) (invitation keyset.Invitation, ok bool, err error) {
	id := ring.secrets.Account()
	if !ring.proves(i.Evidence, keyset.InviteeClaim{Account: id, User: i.UserID, Email: i.Email}) {
		if i.State != account.InvitationDue {
			return invitation, false, nil
		}
		const reason = "no identity provider has asked for this address; change the person there once more"
		w.Log.WarnContext(ctx, "invitation refused", "user", i.UserID, "reason", reason)
		return invitation, false, w.Account.RefuseAcceptance(ctx, i.UserID, i.Number, reason)
	}
	generation := ring.secrets.Generation()
	if i.State == account.InvitationOpen {
		generation = i.Generation
	}
	invitation, err = ring.secrets.Invitation(generation, keyset.Invited{Account: id, User: i.UserID, Email: i.Email, Number: i.Number})
	if errors.Is(err, keyset.ErrKeyGone) {
		return invitation, false, nil // the account makes it due again when credentials are replaced
	}
	if err != nil {
		w.provision.fault(i.UserID, "no link can be made: "+err.Error())
		return invitation, false, nil
	}
	return invitation, true, nil
}

// post sends the letters whose links work, several at once. It tells how much was done.
func (w *Watchers) post(ctx context.Context, letters []letter, open map[string]bool, done int) (int, error) {
	var sent atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for _, l := range letters {
		if l.State == account.InvitationDue && !open[l.UserID] || l.State == account.InvitationOpen && w.provision.rests(l.UserID, w.Clock()) {
			continue
		}
		g.Go(func() error {
			ok, err := w.send(ctx, l.InvitationRow, l.link)
			if ok {
				sent.Add(1)
			}
			return err
		})
	}
	err := g.Wait()
	return done + int(sent.Load()), err
}

// invitationLife is how long the account lets a link live, for the mail to say so.
const invitationLife = 5 * 24 * time.Hour

func (w *Watchers) send(ctx context.Context, i *account.InvitationRow, link string) (bool, error) {
	info, err := w.Account.Describe(ctx)
	if err != nil {
		return false, err
	}
	expires := i.Expires
	if expires.IsZero() {
		expires = w.Clock().Add(invitationLife)
	}
	err = w.Mailer.Send(ctx, Mail{
		AccountName: info.Name, Account: info.ID, User: i.UserID, Number: i.Number, To: i.Email, Name: i.Name, Language: i.Language, Link: link, Expires: expires,
	})
	if errors.Is(err, ErrUndeliverable) {
		w.Log.WarnContext(ctx, "invitation not sent", "user", i.UserID, "error", err)
		return true, w.Account.RefuseAcceptance(ctx, i.UserID, i.Number, err.Error())
	}
	if err != nil {
		if w.provision.fault(i.UserID, "the invitation could not be mailed: "+err.Error()) {
			w.Log.WarnContext(ctx, "invitation not sent", "user", i.UserID, "error", err)
		}
		w.provision.rest(i.UserID, w.Clock().Add(w.Interval))
		return false, nil
	}
	w.provision.fault(i.UserID, "")
	w.provision.rest(i.UserID, time.Time{})
	return true, w.Account.InvitationSent(ctx, i.UserID, i.Number)
}
