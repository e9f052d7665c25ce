package keyset

import (
	"crypto/ed25519"
	"encoding/hex"
	"slices"
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
