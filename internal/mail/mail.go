// Package mail writes and sends invitations. It is used by whoever delivers them, a bridge or an account service, and
// knows neither.
//
// An invitation is sent at least once. All copies of one carry the same Message-ID, made of account, user and number,
// so that mail programs show one. What comes from outside (names, addresses) cannot begin another header or another
// part of the message.
package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// Sentinels of Send and New.
var (
	// ErrConfig means that mail cannot be sent with these settings.
	ErrConfig = errors.New("the settings of the mail server are wrong")
	// ErrAddress means that this is no address to send to.
	ErrAddress = errors.New("this is no e-mail address")
	// ErrRefused means that the mail server will not take this mail, however often it is sent.
	ErrRefused = errors.New("the mail server refuses the mail")
	// ErrTemporary means that the mail may go out later.
	ErrTemporary = errors.New("the mail could not be handed over now")
)

// Password is a password that no log, error or encoder shows.
type Password string

const hidden = "[secret]"

// String redacts.
func (Password) String() string { return hidden }

// GoString redacts.
func (Password) GoString() string { return hidden }

// Format redacts whatever the verb is.
func (Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue redacts.
func (Password) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText redacts, in JSON too.
func (Password) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Ports of mail servers.
const (
	submissionPort = 587 // STARTTLS
	tlsPort        = 465 // TLS from the first byte
)

// Config is what New needs.
type Config struct {
	Host     string
	Port     int // 0: 587. On 465 TLS begins at once, else with STARTTLS, which only a server on this machine may lack
	Username string
	Password Password
	From     string        // an address, with or without a name: Acme <noreply@example.com>
	Timeout  time.Duration // of one mail; 0: 30 s
	TLS      *tls.Config   // nil: the system's certificates
	Clock    func() time.Time
}

// Sender sends invitations. Several may use it at once.
type Sender struct {
	c        Config
	from     *mail.Address
	tlsFirst bool // TLS begins with the connection
}

// New makes a Sender. It connects to nobody yet. ErrConfig.
func New(c Config) (*Sender, error) {
	if c.Port == 0 {
		c.Port = submissionPort
	}
	if c.Timeout == 0 {
		const patience = 30 * time.Second
		c.Timeout = patience
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	const lastPort = 65535
	from, err := mail.ParseAddress(c.From)
	switch {
	case c.Host == "" || strings.ContainsAny(c.Host, "/@ \t\r\n") || strings.Contains(c.Host, ":") && net.ParseIP(c.Host) == nil:
		return nil, fmt.Errorf("%w: %q is no name of a host", ErrConfig, c.Host)
	case c.Port < 1 || c.Port > lastPort:
		return nil, fmt.Errorf("%w: %d is no port", ErrConfig, c.Port)
	case err != nil:
		return nil, fmt.Errorf("%w: the sender %q is no address like Acme <noreply@example.com>", ErrConfig, c.From)
	case c.Username == "" && c.Password != "" || c.Username != "" && c.Password == "":
		return nil, fmt.Errorf("%w: user name and password belong together", ErrConfig)
	}
	from.Name = oneLine(from.Name)
	return &Sender{c, from, c.Port == tlsPort}, nil
}

// Invitation is a mail to somebody who is to join an account.
type Invitation struct {
	AccountName   string
	Account, User string // ids
	Number        int    // the same account, user and number are the same mail
	To            string
	Name          string // of the person
	Language      string // BCP 47; English where it is none of ours
	Link          string
	Expires       time.Time
}

// Send hands an invitation over to the mail server. ErrAddress and ErrRefused for what will not get better by sending
// it again, ErrTemporary for the rest. No error names the person.
func (s *Sender) Send(ctx context.Context, i Invitation) error {
	m, err := s.compose(i)
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	return s.judged(client.DialAndSendWithContext(ctx, m), i)
}

func (s *Sender) client() (*gomail.Client, error) {
	config := s.c.TLS.Clone() // of nil it is nil
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = s.c.Host
	}
	options := []gomail.Option{
		gomail.WithPort(s.c.Port), gomail.WithTimeout(s.c.Timeout), gomail.WithTLSConfig(config), gomail.WithoutNoop(),
		gomail.WithHELO(domainOf(s.from.Address)),
	}
	switch {
	case s.tlsFirst:
		options = append(options, gomail.WithSSL())
	case loopback(s.c.Host):
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default: // links are secrets: they do not travel in the clear
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.c.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.c.Username), gomail.WithPassword(string(s.c.Password)))
	}
	return gomail.NewClient(s.c.Host, options...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// judged tells what will not get better from what may, and leaves the person's address out of the server's words.
func (s *Sender) judged(err error, i Invitation) error {
	if err == nil {
		return nil
	}
	const permanent = 500 // RFC 5321 §4.2.1: 5yz is a permanent negative reply
	kind := ErrTemporary
	var sent *gomail.SendError
	var reply *textproto.Error
	switch {
	case errors.As(err, &sent):
		if sent.ErrorCode() >= permanent {
			kind = ErrRefused
		}
	case errors.As(err, &reply):
		if reply.Code >= permanent {
			kind = ErrRefused
		}
	}
	text := oneLine(err.Error())
	for _, private := range []string{i.To, i.Name, i.Link, string(s.c.Password)} {
		if private != "" {
			text = strings.ReplaceAll(text, private, "[…]")
		}
	}
	return fmt.Errorf("%w: %s", kind, text)
}

// compose writes the message.
func (s *Sender) compose(i Invitation) (*gomail.Msg, error) {
	to, err := mail.ParseAddress(i.To)
	if err != nil || to.Address != i.To || to.Name != "" {
		return nil, ErrAddress
	}
	text, err := write(i)
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	to.Name = oneLine(i.Name)
	if err := errors.Join(m.From(s.from.String()), m.To(to.String())); err != nil {
		return nil, fmt.Errorf("%w: it cannot stand in a mail", ErrAddress)
	}
	m.Subject(text.subject)
	m.SetMessageIDWithValue(s.messageID(i))
	m.SetDateWithValue(s.c.Clock())
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's absence note answers
	m.SetGenHeader("Content-Language", text.language)
	m.SetBodyString(gomail.TypeTextPlain, text.plain)
	m.AddAlternativeString(gomail.TypeTextHTML, text.html)
	return m, nil
}

// messageID is the same for all copies of an invitation, and tells nobody which it is.
func (s *Sender) messageID(i Invitation) string {
	h := sha256.New()
	for _, part := range []string{"scimbridge invitation mail 1", i.Account, i.User, strconv.Itoa(i.Number)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	const size = 20 // bytes
	id := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:size])
	return "scimbridge-" + strings.ToLower(id) + "@" + domainOf(s.from.Address)
}

// oneLine keeps a name on one line.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}
