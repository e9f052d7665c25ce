package keyset

import (
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"fmt"
	"time"
)

const (
	askLabel         = "scimbridge hand-over ask 1"
	askKeyLabel      = "scimbridge hand-over ask key 1"
	handOverLabel    = "scimbridge hand-over 1"
	handOverMACLabel = "scimbridge hand-over mac 1"
	handOverKeyLabel = "scimbridge hand-over mac key 1"

	handOverVersion = 1
	maxHandOver     = 4 << 10                     // bytes; an ask has 1.4 KiB, a hand-over 1.3
	sealedFileKey   = 1120 + secretSize + tagSize // bytes: encapsulated key, file key, tag
)

// HandOverLife is how long an ask counts, and what answers it: a replica that is unlocked answers within a second or two,
// and what nobody has fetched by then is of no use to anybody.
const HandOverLife = time.Minute

// maxSkew is how far apart the clocks of two replicas may be. Only who has the scimsession can ask, and what answers an old
// ask is sealed to keys that are gone, so that this bounds what an ask that was kept is good for and is no protection.
const maxSkew = 5 * time.Minute

// handOverFields are what asks and hand-overs are about. The time is the asking replica's, in both.
type handOverFields struct {
	account, integration string
	generation           int
	asked                time.Time
}

func (f *handOverFields) parts() []string {
	return []string{f.account, f.integration, number(f.generation), f.asked.UTC().Format(time.RFC3339)}
}

func (r *reader) handOverFields() handOverFields {
	f := handOverFields{account: r.text(), integration: r.bytes(), generation: r.number()}
	asked, ok := parseTime(r.bytes())
	f.asked, r.bad = asked, r.bad || !ok
	return f
}

// ask is an ask as it is written.
type ask struct {
	handOverFields
	public Public
	mac    []byte
}

func (a *ask) body() []byte {
	return appendList([]byte{handOverVersion}, append(a.parts(), string(a.public.Bytes()))...)
}

// handOver is a hand-over as it is written.
type handOver struct {
	handOverFields
	sealed, mac []byte
}

func (h *handOver) body() []byte {
	return appendList([]byte{handOverVersion}, append(h.parts(), string(h.sealed))...)
}

func (h *handOver) info(to Public) []byte {
	out := appendList(nil, handOverLabel, string([]byte{handOverVersion}))
	return appendList(out, append(h.parts(), string(to.Bytes()))...)
}

func (h *handOver) seal(to Public, key [secretSize]byte) error {
	r, err := to.Recipient()
	if err != nil {
		return err
	}
	h.sealed, err = hpke.Seal(r.kem, hpke.HKDFSHA256(), hpke.AES256GCM(), h.info(to), key[:])
	return err
}

// peerMAC shows that whoever wrote something has the scimsession.
func peerMAC(peer [secretSize]byte, keyLabel string, parts ...string) ([]byte, error) {
	key, err := derive(peer[:], nil, join(keyLabel))
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key[:])
	m.Write(appendList(nil, parts...))
	return m.Sum(nil), nil
}

func (a *ask) sum(peer [secretSize]byte) ([]byte, error) {
	return peerMAC(peer, askKeyLabel, askLabel, string(a.body()))
}

func (h *handOver) sum(peer [secretSize]byte, to Public) ([]byte, error) {
	return peerMAC(peer, handOverKeyLabel, handOverMACLabel, string(h.body()), string(to.Bytes()))
}

// Generations are those as which the file can be opened at a time: its own, and the one of the file that it embeds until
// that ends.
func (s *Session) Generations(now time.Time) []int {
	list := []int{s.file.Generation}
	if s.previous != nil && now.Before(s.header.PreviousUntil) {
		list = append(list, s.previous.file.Generation)
	}
	return list
}

// of returns the file of a generation. ErrHandOver, ErrExpiredToken.
func (s *Session) of(generation int, now time.Time) (*Session, error) {
	switch {
	case generation == s.file.Generation:
		return s, nil
	case s.previous == nil || generation != s.previous.file.Generation:
		return nil, fmt.Errorf("%w: it is of generation %d", ErrHandOver, generation)
	case !now.Before(s.header.PreviousUntil):
		return nil, ErrExpiredToken
	}
	return s.previous, nil
}

// Ask asks the replicas that are unlocked for the file key of a generation. The keys are of this process alone: drawn when
// it starts, and written nowhere. ErrHandOver, ErrExpiredToken.
func (s *Session) Ask(generation int, startUp *Keyset, now time.Time) ([]byte, error) {
	f, err := s.of(generation, now)
	if err != nil {
		return nil, err
	}
	a := &ask{handOverFields{f.file.Account, f.file.Integration, generation, now}, startUp.Public(), nil}
	mac, err := a.sum(f.peer)
	if err != nil {
		return nil, err
	}
	return appendList(a.body(), string(mac)), nil
}

// HandOver answers an ask: it seals the key of the file that was opened to the start-up keys of who asks, which it returns
// too. The token is not handed over. ErrHandOver (malformed, or of another account, integration or generation), ErrPeer,
// ErrLate.
func (s *Secrets) HandOver(raw []byte, now time.Time) ([]byte, Public, error) {
	a, err := parseAsk(raw)
	if err != nil {
		return nil, Public{}, err
	}
	mac, err := a.sum(s.peer)
	switch {
	case err != nil:
		return nil, Public{}, err
	case !hmac.Equal(mac, a.mac):
		return nil, Public{}, ErrPeer
	case a.account != s.header.Account || a.integration != s.header.Integration || a.generation != s.header.Generation:
		return nil, Public{}, fmt.Errorf("%w: it is asked for generation %d", ErrHandOver, a.generation)
	case now.Sub(a.asked).Abs() > maxSkew:
		return nil, Public{}, ErrLate
	}
	h := &handOver{handOverFields: a.handOverFields}
	if err := h.seal(a.public, s.fileKey); err != nil {
		return nil, Public{}, err
	}
	if mac, err = h.sum(s.peer, a.public); err != nil {
		return nil, Public{}, err
	}
	return appendList(h.body(), string(mac)), a.public, nil
}

// OpenHandOver opens the file, or the one that it embeds, with the key that another replica has handed over to the start-up
// keys. What is returned knows no token yet: Verify says no to each. ErrHandOver (malformed, or of another account,
// integration or generation, or sealed to other keys), ErrPeer, ErrLate, ErrAltered (the key is not the file's),
// ErrExpiredToken.
func (s *Session) OpenHandOver(raw []byte, startUp *Keyset, now time.Time) (*Secrets, error) {
	h, err := parseHandOver(raw)
	if err != nil {
		return nil, err
	}
	f, err := s.of(h.generation, now)
	if err != nil {
		return nil, err
	}
	mac, err := h.sum(f.peer, startUp.Public())
	switch {
	case err != nil:
		return nil, err
	case !hmac.Equal(mac, h.mac):
		return nil, ErrPeer
	case h.account != f.file.Account || h.integration != f.file.Integration:
		return nil, ErrHandOver
	case now.Before(h.asked) || now.Sub(h.asked) > HandOverLife: // by the clock that has asked, so that no other matters
		return nil, ErrLate
	}
	key, err := hpke.Open(startUp.kem, hpke.HKDFSHA256(), hpke.AES256GCM(), h.info(startUp.Public()), h.sealed)
	if err != nil || len(key) != secretSize {
		return nil, fmt.Errorf("%w: it is sealed to other keys", ErrHandOver)
	}
	out, err := f.unseal([secretSize]byte(key))
	if err != nil {
		return nil, err
	}
	out.previous = f != s
	return out, nil
}

func parseAsk(raw []byte) (*ask, error) {
	r, err := handOverReader(raw)
	if err != nil {
		return nil, err
	}
	a := &ask{r.handOverFields(), r.public(), r.fixed(sha256.Size)}
	if !r.done() {
		return nil, ErrHandOver
	}
	return a, nil
}

func parseHandOver(raw []byte) (*handOver, error) {
	r, err := handOverReader(raw)
	if err != nil {
		return nil, err
	}
	h := &handOver{r.handOverFields(), r.fixed(sealedFileKey), r.fixed(sha256.Size)}
	if !r.done() {
		return nil, ErrHandOver
	}
	return h, nil
}

func handOverReader(raw []byte) (*reader, error) {
	if len(raw) == 0 || len(raw) > maxHandOver || raw[0] != handOverVersion {
		return nil, ErrHandOver
	}
	parts, ok := split(raw[1:])
	if !ok {
		return nil, ErrHandOver
	}
	return &reader{parts: parts}, nil
}
