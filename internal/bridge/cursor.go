package bridge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/protocol"
)

// Cursors (RFC 9865) hold no state at the server: a cursor is the place of the last resource shown, the time of its
// end, and a MAC over both and over the query that it belongs to, under a key of the session, so that every
// replica reads it and nobody else can make one. It is base64url and therefore of unreserved characters only.

const (
	// CursorTimeout is how long a cursor may be followed. A client that pauses longer than an hour between two
	// pages has lost its walk anyway.
	CursorTimeout = time.Hour
	macSize       = 16 // bytes of HMAC-SHA-256; 2^-128 to guess
)

// cursorSeal makes and reads the cursors of one query.
type cursorSeal struct {
	key   [32]byte
	query [32]byte // digest of everything that must stay the same from page to page
	count int
	now   time.Time
}

type cursor struct {
	place
	Count   int   `json:"c"`
	Expires int64 `json:"e"` // seconds since 1970
}

func (b *Bridge) cursorSeal(q protocol.Query) (*cursorSeal, error) {
	key, err := b.lock.Derive("cursor")
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	for _, rt := range q.Types {
		fmt.Fprintf(h, "%q", rt.Name)
	}
	if q.Filter != nil {
		fmt.Fprintf(h, "f%q", q.Filter.String())
	}
	fmt.Fprintf(h, "s%q%t", strings.ToLower(q.SortBy), q.Descending)
	s := &cursorSeal{key: key, count: q.Count, now: b.clock()}
	h.Sum(s.query[:0])
	return s, nil
}

func (s *cursorSeal) mac(payload []byte) []byte {
	m := hmac.New(sha256.New, s.key[:])
	m.Write(s.query[:])
	m.Write(payload)
	return m.Sum(nil)[:macSize]
}

func (s *cursorSeal) seal(p place) (string, error) {
	payload, err := json.Marshal(cursor{place: p, Count: s.count, Expires: s.now.Add(CursorTimeout).Unix()})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(s.mac(payload), payload...)), nil
}

// open returns the place that the cursor names, nil for the first page. A cursor that is no cursor of this query is
// refused the same way whatever is wrong with it (RFC 9865 §5).
func (s *cursorSeal) open(text string) (*place, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < macSize || !hmac.Equal(raw[:macSize], s.mac(raw[macSize:])) {
		return nil, scim.BadRequest(scim.InvalidCursor, "The cursor is not one of this query. Begin again with an empty cursor, and keep filter and sort order the same from page to page.")
	}
	var c cursor
	if err := json.Unmarshal(raw[macSize:], &c); err != nil {
		return nil, fmt.Errorf("cursor with a right MAC: %w", err)
	}
	if s.now.Unix() >= c.Expires {
		return nil, scim.BadRequest(scim.ExpiredCursor, "The cursor has expired; it can be followed for %s. Begin again with an empty cursor.", CursorTimeout)
	}
	return &c.place, nil
}
