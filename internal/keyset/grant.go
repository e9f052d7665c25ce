package keyset

import (
	"crypto/ed25519"
	"crypto/hpke"
	"fmt"
)

const (
	grantLabel          = "scimbridge grant 1"
	grantSignatureLabel = "scimbridge grant signature 1"

	grantVersion = 1
	sealedSeed   = 1120 + secretSize + tagSize // bytes: encapsulated key, seed, tag
	maxGrant     = 4 << 10                     // bytes; one has about 1.5 KiB
	grantRoom    = 2 << 10                     // bytes that are made ready for one, so that it is not moved while it grows
)

// grant is a grant as it is written.
type grant struct {
	account     string
	subject, to Key
	signer      Signer
	sealed      []byte
	signature   []byte
}

// fields is the list of what the grant is about. It is the info of HPKE too.
func (g *grant) fields() []string {
	return []string{
		g.account,
		string(g.subject.Kind), g.subject.ID, number(g.subject.Serial),
		string(g.to.Kind), g.to.ID, number(g.to.Serial),
		string(g.signer[:]),
	}
}

// info binds what is sealed to what it is for. It names the signer, so that nobody can sign another's grant as his
// own.
func (g *grant) info(pub Public) []byte {
	out := appendList(make([]byte, 0, grantRoom), grantLabel, string([]byte{grantVersion}))
	return appendList(appendList(out, g.fields()...), string(pub.Bytes()))
}

// body is all before the signature, with room for that.
func (g *grant) body() []byte {
	out := append(make([]byte, 0, grantRoom), grantVersion)
	return appendList(appendList(out, g.fields()...), string(g.sealed))
}

// message is what is signed: a body, and the recipient's keys, since HPKE does not say to whom it has sealed.
func message(body []byte, pub Public) []byte {
	return appendList(make([]byte, 0, 2*grantRoom), grantSignatureLabel, string(body), string(pub.Bytes()))
}

func (g *grant) valid() bool { return g.account != "" && g.subject.valid() && g.to.valid() }

// Grant hands a keyset over: its seed, sealed to the recipient's keys and signed by k. Whether these are the
// recipient's keys must have been verified before. ErrSeed, ErrPublic, ErrGrant for an empty id or a serial below 1.
func (k *Keyset) Grant(account string, subject Key, seed Seed, to Key, pub Public) ([]byte, error) {
	r, err := pub.Recipient()
	if err != nil {
		return nil, err
	}
	return k.GrantTo(account, subject, seed, to, r)
}

// GrantTo is Grant to keys that were made ready.
func (k *Keyset) GrantTo(account string, subject Key, seed Seed, to Key, r Recipient) ([]byte, error) {
	pub := r.Public
	g := &grant{account: account, subject: subject, to: to, signer: k.Signer()}
	switch {
	case !g.valid():
		return nil, fmt.Errorf("%w: %s for %s in account %q", ErrGrant, subject, to, account)
	case isZero(seed.b):
		return nil, ErrSeed
	}
	var err error
	if g.sealed, err = r.encrypt(g.info(pub), seed.b[:]); err != nil {
		return nil, err
	}
	body := g.body()
	return appendList(body, string(ed25519.Sign(k.sign, message(body, pub)))), nil
}

// OpenGrant takes a keyset over that was granted to me, whose keys k are. may says whether a signer may grant: it is
// asked only about whoever has really signed. Whether the seed makes the subject's known public keys is for the
// caller to compare. ErrGrant (malformed, or for another account, subject, recipient or serial), ErrSignature (also:
// sealed to other keys), ErrSigner (may says no).
func (k *Keyset) OpenGrant(raw []byte, account string, subject, me Key, may func(Signer) bool) (Seed, error) {
	g, err := parseGrant(raw)
	switch {
	case err != nil:
		return Seed{}, err
	case g.account != account:
		return Seed{}, fmt.Errorf("%w: it is of another account", ErrGrant)
	case g.subject != subject:
		return Seed{}, fmt.Errorf("%w: it grants %s and not %s", ErrGrant, g.subject, subject)
	case g.to != me:
		return Seed{}, fmt.Errorf("%w: it is for %s and not for %s", ErrGrant, g.to, me)
	}
	if err := g.signer.verify(message(g.body(), k.public), g.signature); err != nil {
		return Seed{}, err
	}
	if !may(g.signer) {
		return Seed{}, fmt.Errorf("%w: %s", ErrSigner, g.signer)
	}
	text, err := hpke.Open(k.kem, hpke.HKDFSHA256(), hpke.AES256GCM(), g.info(k.public), g.sealed)
	if err != nil || len(text) != secretSize || isZero([secretSize]byte(text)) {
		return Seed{}, fmt.Errorf("%w: it holds no seed", ErrGrant)
	}
	return Seed{b: [secretSize]byte(text)}, nil
}

// GrantSigner returns who claims to have signed a grant; only OpenGrant verifies it. ErrGrant.
func GrantSigner(raw []byte) (Signer, error) {
	g, err := parseGrant(raw)
	if err != nil {
		return Signer{}, err
	}
	return g.signer, nil
}

func parseGrant(raw []byte) (*grant, error) {
	if len(raw) == 0 || len(raw) > maxGrant || raw[0] != grantVersion {
		return nil, ErrGrant
	}
	parts, ok := split(raw[1:])
	if !ok {
		return nil, ErrGrant
	}
	r := &reader{parts: parts}
	g := &grant{
		account: r.text(),
		subject: Key{Kind(r.bytes()), r.text(), r.number()},
		to:      Key{Kind(r.bytes()), r.text(), r.number()},
		signer:  r.signer(),
		sealed:  r.fixed(sealedSeed), signature: r.fixed(ed25519.SignatureSize),
	}
	if !r.done() || !g.valid() {
		return nil, ErrGrant
	}
	return g, nil
}
