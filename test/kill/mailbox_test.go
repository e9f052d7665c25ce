package kill_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// mailbox is a mail server that takes everybody's invitations. Of one invitation it may get several copies, which must
// be the same mail: one Message-ID, one link.
type mailbox struct {
	port string

	mu      sync.Mutex // guards what follows
	letters map[string]letter
	newest  map[string]letter // by user
	copies  int               // beyond the first of each invitation
	wrong   []string
}

type letter struct {
	messageID, to, link string
	invitation          keyset.Invitation
}

func openMailbox(t *testing.T) *mailbox {
	t.Helper()
	b := &mailbox{letters: map[string]letter{}, newest: map[string]letter{}}
	s := smtp.NewServer(b)
	s.Domain, s.EnableSMTPUTF8 = "localhost", true
	s.ErrorLog = log.New(io.Discard, "", 0) // senders are killed
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	if _, b.port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with Close
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return b
}

// env lets a process send by the mailbox.
func (b *mailbox) env() []string {
	return []string{"OP_SMTP_HOST=127.0.0.1", "OP_SMTP_PORT=" + b.port, "OP_SMTP_FROM=noreply@example.com"}
}

// NewSession serves one connection.
func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &delivery{b: b}, nil }

// delivery is one connection to the mailbox.
type delivery struct {
	b  *mailbox
	to string
}

func (*delivery) Reset()                               {}
func (*delivery) Logout() error                        { return nil }
func (*delivery) Mail(string, *smtp.MailOptions) error { return nil }
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}

// Data takes a mail. One that was cut off, since its sender was killed, is none.
func (d *delivery) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l, err := read(raw)
	l.to = d.to
	d.b.mu.Lock()
	defer d.b.mu.Unlock()
	if err != nil {
		d.b.wrong = append(d.b.wrong, err.Error())
		return nil
	}
	ref := l.invitation.Ref()
	first, known := d.b.letters[ref]
	switch {
	case known && first != l:
		d.b.wrong = append(d.b.wrong, fmt.Sprintf("two mails of one invitation: %s to %s and %s to %s, the links are the same: %t", first.messageID, first.to, l.messageID, l.to, first.link == l.link))
	case known:
		d.b.copies++
	}
	d.b.letters[ref] = l
	if before, ok := d.b.newest[l.invitation.User()]; !ok || before.invitation.Number() <= l.invitation.Number() {
		d.b.newest[l.invitation.User()] = l
	}
	return nil
}

var linkIn = regexp.MustCompile(`https?://\S+/join/[\w.#-]+`)

// read finds the link in a mail.
func read(raw []byte) (l letter, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return l, err
	}
	l.messageID = m.Header.Get("Message-ID")
	_, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return l, err
	}
	part, err := multipart.NewReader(m.Body, parameters["boundary"]).NextPart()
	if err != nil {
		return l, err
	}
	text, err := io.ReadAll(part)
	if err != nil {
		return l, err
	}
	if l.link = linkIn.FindString(string(text)); l.link == "" || l.messageID == "" {
		return l, errors.New("a mail without link or Message-ID: " + strings.TrimSpace(string(text)))
	}
	_, l.invitation, err = keyset.ParseLink(l.link)
	return l, err
}

// invitation is the newest that a person got.
func (b *mailbox) invitation(user string) (keyset.Invitation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.newest[user]
	if !ok {
		return l.invitation, fmt.Errorf("%s has no mail yet", user)
	}
	return l.invitation, nil
}
