package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/mail"
)

// mailSettings name the mail server that invitations go out through, of a bridge and of an account service alike.
type mailSettings struct {
	SMTPHost         string `name:"smtp-host" env:"OP_SMTP_HOST" placeholder:"HOST" help:"Mail server for invitations. A bridge that has one sends them itself, so that the account service never sees the links. Not set: the account service sends them if it has one; else they wait in: scimbridge account outbox."`
	SMTPPort         int    `name:"smtp-port" env:"OP_SMTP_PORT" placeholder:"PORT" default:"587" help:"Its port. On 465 TLS begins at once, on others with STARTTLS, which only a server on this machine may lack."`
	SMTPUsername     string `name:"smtp-username" env:"OP_SMTP_USERNAME" placeholder:"NAME" help:"User name at the mail server."`
	SMTPPasswordFile string `name:"smtp-password-file" env:"OP_SMTP_PASSWORD_FILE" placeholder:"FILE" help:"File with the password for it."`
	SMTPFrom         string `name:"smtp-from" env:"OP_SMTP_FROM" placeholder:"ADDRESS" help:"Sender of invitations: noreply@example.com, or with a name: Acme <noreply@example.com>."`
}

// sender makes what sends invitations; nil where no mail server is named.
func (m *mailSettings) sender() (*mail.Sender, error) {
	if m.SMTPHost == "" {
		if m.SMTPFrom != "" || m.SMTPUsername != "" || m.SMTPPasswordFile != "" {
			return nil, errors.New("OP_SMTP_HOST is missing beside the other settings of the mail server. Name it, or unset them: no invitation would be sent")
		}
		return nil, nil
	}
	c := mail.Config{Host: m.SMTPHost, Port: m.SMTPPort, Username: m.SMTPUsername, From: m.SMTPFrom, Clock: clock}
	if m.SMTPPasswordFile != "" {
		text, err := passwordFile("OP_SMTP_PASSWORD_FILE", m.SMTPPasswordFile)
		if err != nil {
			return nil, err
		}
		c.Password = mail.Password(text)
	}
	s, err := mail.New(c)
	if err != nil {
		return nil, fmt.Errorf("OP_SMTP_…: %w. Set OP_SMTP_HOST and OP_SMTP_FROM at least", err)
	}
	return s, nil
}

// bridgeMailer lets a bridge send its invitations.
type bridgeMailer struct {
	send func(context.Context, mail.Invitation) error
}

// Send sends an invitation.
func (b bridgeMailer) Send(ctx context.Context, m bridge.Mail) error {
	err := b.send(ctx, mail.Invitation(m))
	if errors.Is(err, mail.ErrAddress) || errors.Is(err, mail.ErrRefused) {
		return fmt.Errorf("%w: %w", bridge.ErrUndeliverable, err)
	}
	return err
}

// mailer is the bridge's, and what counts its mails; nil where no mail server is named.
func (m *mailSettings) mailer() (bridge.Mailer, *mailMeter, error) {
	s, err := m.sender()
	if err != nil || s == nil {
		return nil, nil, err
	}
	meter := newMailMeter()
	return bridgeMailer{meter.wrap(s.Send)}, meter, nil
}

// postal is what an account service sends invitations by, and what counts them; nil where no mail server is named.
func (m *mailSettings) postal() (func(context.Context, mail.Invitation) error, *mailMeter, error) {
	s, err := m.sender()
	if err != nil || s == nil {
		return nil, nil, err
	}
	meter := newMailMeter()
	return meter.wrap(s.Send), meter, nil
}

// postman sends the invitations whose links an account service is to deliver, at least once.
type postman struct {
	service *account.Service
	send    func(context.Context, mail.Invitation) error
	log     *slog.Logger
	// later is when what could not be sent is tried again. An invitation that is made anew has another number.
	later map[letter]attempt
}

type letter struct {
	user   string
	number int
}

type attempt struct {
	at   time.Time
	wait time.Duration
}

const (
	postRound = 100             // letters of one round, beside those that wait to be tried again
	postFirst = 1 * time.Minute // before the second attempt
	postLast  = 1 * time.Hour   // between later ones
)

// deliver starts the account service's postman. The function that is returned stops it and waits.
func deliver(ctx context.Context, service *account.Service, send func(context.Context, mail.Invitation) error, log *slog.Logger) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	p := &postman{service: service, send: send, log: log, later: map[letter]attempt{}}
	go func() {
		defer close(done)
		p.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// run works until ctx ends: whenever the account has changed, and when something is to be tried again.
func (p *postman) run(ctx context.Context) {
	for head := int64(0); ctx.Err() == nil; {
		if err := p.round(ctx, clock()); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "invitations could not be sent; it is tried again", "error", err)
		}
		wait, cancel := context.WithTimeout(ctx, postFirst)
		next, err := p.service.Wait(wait, head)
		cancel()
		if err != nil { // it is asked again in a while, and not at once
			pause := time.NewTimer(time.Second)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			pause.Stop()
			continue
		}
		head = next
	}
}

// round sends what waits.
func (p *postman) round(ctx context.Context, now time.Time) error {
	info, err := p.service.Describe(ctx)
	if err != nil {
		return err
	}
	for {
		list, err := p.service.Outbox(ctx, postRound+len(p.later))
		if err != nil {
			return err
		}
		p.forget(list)
		sent := 0
		for i := range list {
			ok, err := p.one(ctx, now, info, &list[i])
			if err != nil {
				return err
			}
			if ok {
				sent++
			}
		}
		if sent == 0 {
			return nil
		}
	}
}

// forget drops what does not wait any more.
func (p *postman) forget(list []account.InvitationRow) {
	waits := make(map[letter]bool, len(list))
	for i := range list {
		waits[letter{list[i].UserID, list[i].Number}] = true
	}
	for l := range p.later {
		if !waits[l] {
			delete(p.later, l)
		}
	}
}

// one sends one invitation, and tells whether it has gone out.
func (p *postman) one(ctx context.Context, now time.Time, info account.Info, i *account.InvitationRow) (bool, error) {
	l := letter{i.UserID, i.Number}
	if now.Before(p.later[l].at) {
		return false, nil
	}
	err := p.send(ctx, mail.Invitation{
		AccountName: info.Name, Account: info.ID, User: i.UserID, Number: i.Number, To: i.Email, Name: i.Name, Language: i.Language, Link: i.Link, Expires: i.Expires,
	})
	if err == nil {
		delete(p.later, l)
		p.log.InfoContext(ctx, "invitation sent", "user", i.UserID, "number", i.Number)
		return true, p.service.InvitationSent(ctx, i.UserID, i.Number)
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	wait := min(max(2*p.later[l].wait, postFirst), postLast)
	if errors.Is(err, mail.ErrAddress) || errors.Is(err, mail.ErrRefused) {
		wait = postLast // an administrator has to look: another address, or the mail server's settings
	}
	p.later[l] = attempt{now.Add(wait), wait}
	p.log.WarnContext(ctx, "invitation not sent", "user", i.UserID, "number", i.Number, "again in", wait, "error", err)
	return false, nil
}
