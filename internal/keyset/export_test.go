package keyset

import (
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"time"
)

// Checksum is that of a token's text, to put one together.
var Checksum = checksum

// SmallX25519 and SmallEd25519 are the points that are refused, in hexadecimal.
func SmallX25519() []string { return texts(smallX25519) }

// SmallEd25519 is described above.
func SmallEd25519() []string { return texts(smallEd25519) }

func texts(points map[[32]byte]bool) []string {
	var out []string
	for p := range points {
		out = append(out, hex.EncodeToString(p[:]))
	}
	slices.Sort(out)
	return out
}

// ReprintGrant reads a grant and writes it again.
func ReprintGrant(raw []byte) ([]byte, error) {
	g, err := parseGrant(raw)
	if err != nil {
		return nil, err
	}
	return appendList(g.body(), string(g.signature)), nil
}

// Resign puts somebody's signature under what a grant says and seals.
func Resign(raw []byte, k *Keyset, to Public) ([]byte, error) {
	g, err := parseGrant(raw)
	if err != nil {
		return nil, err
	}
	g.signer = k.Signer()
	return appendList(g.body(), string(ed25519.Sign(k.sign, g.message(g.body(), string(to.Bytes()))))), nil
}

// ReprintAsk reads an ask and writes it again.
func ReprintAsk(raw []byte) ([]byte, error) {
	a, err := parseAsk(raw)
	if err != nil {
		return nil, err
	}
	return appendList(a.body(), string(a.mac)), nil
}

// ReprintHandOver reads a hand-over and writes it again.
func ReprintHandOver(raw []byte) ([]byte, error) {
	h, err := parseHandOver(raw)
	if err != nil {
		return nil, err
	}
	return appendList(h.body(), string(h.mac)), nil
}

// ForgeHandOver hands over a key of somebody's choice, as whoever has the scimsession can.
func ForgeHandOver(s *Session, generation int, to Public, at time.Time, key [32]byte) []byte {
	h := &handOver{handOverFields: handOverFields{s.file.Account, s.file.Integration, generation, at}}
	if err := h.seal(to, key); err != nil {
		panic(err)
	}
	return h.signed(s, to)
}

// Redirect makes a hand-over look as if it were for other start-up keys than those that it is sealed to, as whoever has the
// scimsession can.
func Redirect(s *Session, raw []byte, to Public) []byte {
	h, err := parseHandOver(raw)
	if err != nil {
		panic(err)
	}
	return h.signed(s, to)
}

func (h *handOver) signed(s *Session, to Public) []byte {
	mac, err := h.sum(s.peer, to)
	if err != nil {
		panic(err)
	}
	return appendList(h.body(), string(mac))
}
