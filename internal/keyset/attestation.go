package keyset

import (
	"crypto/ed25519"
)

const (
	attestationVersion = 1
	maxAttestation     = 16 << 10 // bytes; one has about 1.5 KiB
)

// Attestation is a claim with the signature of somebody. Only Signer.Verify tells whether it is that one's.
type Attestation struct {
	Claim     Claim
	Signer    Signer
	Signature []byte // 64 bytes
}

// EncodeAttestation writes an attestation for storage and the wire: a version byte and the list of claim, signer and
// signature.
func EncodeAttestation(a Attestation) []byte {
	return appendList([]byte{attestationVersion}, string(a.Claim.encode()), string(a.Signer[:]), string(a.Signature))
}

// ParseAttestation reads what EncodeAttestation writes. It verifies no signature. ErrAttestation.
func ParseAttestation(raw []byte) (Attestation, error) {
	if len(raw) == 0 || len(raw) > maxAttestation || raw[0] != attestationVersion {
		return Attestation{}, ErrAttestation
	}
	parts, ok := split(raw[1:])
	if !ok {
		return Attestation{}, ErrAttestation
	}
	r := &reader{parts: parts}
	claim, ok := decodeClaim([]byte(r.bytes()))
	a := Attestation{claim, r.signer(), r.fixed(ed25519.SignatureSize)}
	if !ok || !r.done() {
		return Attestation{}, ErrAttestation
	}
	return a, nil
}
