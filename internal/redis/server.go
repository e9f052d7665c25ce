package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/rueidis"
)

// DefaultPort is where servers listen.
const DefaultPort = 6379

// Server is where a server is and how to sign in there.
type Server struct {
	Host     string
	Port     int
	Username string // empty: the server's default user
	Password Password
	Database int
	TLS      bool
	Insecure bool // with TLS: any certificate will do
}

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

// Address is host and port.
func (s *Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

func (s *Server) tls() *tls.Config {
	if !s.TLS {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: s.Host,
		InsecureSkipVerify: s.Insecure, //nolint:gosec // asked for by OP_REDIS_INSECURE_SSL, and said so in the log
	}
}

// ErrURL means that a text is no URL of a Redis server. The text is not part of any error, since passwords stand in it.
var ErrURL = errors.New("it is no URL like redis://user:password@host:6379/0, or rediss:// for TLS")

// ParseURL reads a URL by which Redis is named: redis://user:password@host:port/database, rediss for TLS, or valkey and
// valkeys, which mean the same. What is left out is the default user, localhost, 6379 and database 0. Characters that mean
// something in URLs are percent-encoded in user and password. ErrURL.
func ParseURL(text string) (Server, error) {
	u, err := url.Parse(text)
	if err != nil {
		// Its text repeats the URL.
		return Server{}, fmt.Errorf("%w (in user and password write :, /, ?, #, @, [, ] and %% as %%3A, %%2F, %%3F, %%23, %%40, %%5B, %%5D and %%25)", ErrURL)
	}
	s := Server{Host: u.Hostname(), Port: DefaultPort, Username: u.User.Username()}
	switch u.Scheme {
	case "redis", "valkey":
	case "rediss", "valkeys":
		s.TLS = true
	default:
		return Server{}, ErrURL
	}
	if u.Opaque != "" {
		return Server{}, ErrURL
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return Server{}, fmt.Errorf("%w: nothing may come after the number of the database", ErrURL)
	}
	password, _ := u.User.Password()
	s.Password = Password(password)
	if s.Host == "" {
		s.Host = "localhost"
	}
	if p := u.Port(); p != "" {
		if s.Port, err = strconv.Atoi(p); err != nil {
			return Server{}, fmt.Errorf("%w: the port is not a number", ErrURL)
		}
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		if s.Database, err = strconv.Atoi(db); err != nil || s.Database < 0 {
			return Server{}, fmt.Errorf("%w: what comes after host and port is not the number of a database", ErrURL)
		}
	}
	if err := s.Check(); err != nil {
		return Server{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	return s, nil
}

// Check refuses a host and a port that cannot be.
func (s *Server) Check() error {
	const most = 65535
	_, err := netip.ParseAddr(s.Host)
	switch {
	case s.Host == "", strings.ContainsAny(s.Host, "/@[]% \t\r\n\x00"), strings.Contains(s.Host, ":") && err != nil:
		return errors.New("the host is neither a name nor an address")
	case s.Port < 1 || s.Port > most:
		return fmt.Errorf("the port is not a number from 1 to %d", most)
	}
	return nil
}

// advise adds what to do next to an error of connecting.
func advise(err error) error {
	if next := advice(err); next != "" {
		return fmt.Errorf("%w. %s", err, next)
	}
	return err
}

func advice(err error) string {
	var answer *rueidis.RedisError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "Name the authority's certificate in SSL_CERT_FILE; or, without OP_REDIS_URL, take any certificate with OP_REDIS_INSECURE_SSL=1"
	case errors.As(err, &name):
		return "Name the server as its certificate does"
	case errors.As(err, &record):
		return "The server does not speak TLS on this port: write redis:// instead of rediss://, or leave OP_REDIS_ENABLE_SSL out"
	case errors.Is(err, context.DeadlineExceeded):
		return "The server takes connections and does not answer: see that the address is right and that the server is well. One without TLS does not answer to rediss://"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "The server has hung up. If it wants TLS, write rediss:// instead of redis://, or set OP_REDIS_ENABLE_SSL=1"
	case errors.As(err, &answer):
		return refusal(answer.Error())
	}
	return ""
}

func refusal(text string) string {
	switch word, _, _ := strings.Cut(text, " "); word {
	case "WRONGPASS", "NOAUTH":
		return "See that OP_REDIS_URL, or OP_REDIS_USERNAME and OP_REDIS_PASSWORD, have the user and the password of the server"
	case "NOPERM":
		return "The user needs all commands on keys that begin with scimbridge:"
	case "OOM":
		return "The server is full. Give it more memory, or set maxmemory-policy to volatile-lru"
	case "READONLY":
		return "This is a replica. Name the primary"
	case "MOVED", "CLUSTERDOWN", "CROSSSLOT":
		return "This is a node of a cluster. Name a server without cluster mode"
	}
	return ""
}
