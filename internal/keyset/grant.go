package keyset

import (
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"fmt"
	"slices"
)

const (
	grantVersion  = 2 // what is written; version 1 is still read
	grantKeyLabel = "scimbridge grant key 2"

	encapsulated = 1120    // bytes of an encapsulated key
	maxGrant     = 4 << 10 // bytes; one has about 1.5 KiB
	grantRoom    = 2 << 10 // bytes that are made ready for one, so that it is not moved while it grows
)

// grantForms is what differs between versions: labels, and how many bytes the sealed seed has.
var grantForms = map[byte]struct {
	info, signature string
	sealed          int
}{
	1: {"scimbridge grant 1", "scimbridge grant signature 1", encapsulated + secretSize + tagSize},
	2: {"scimbridge grant 2", "scimbridge grant signature 2", encapsulated + secretSize + overhead},
}

// Subject is a keyset that is handed over.
type Subject struct {
	Key  Key
	Seed Seed
}

// grant is a grant as it is written.
type grant struct {
	version     byte
	account     string
	subject, to Key
	signer      Signer
	sealed      []byte
	signature   []byte
}

// appendFields writes the list of what the grant is about.
func (g *grant) appendFields(out []byte) []byte {
	out = g.subject.appendTo(appendList(out, g.account))
	return appendList(g.to.appendTo(out), string(g.signer[:]))
}

func (k Key) appendTo(out []byte) []byte {
	return appendList(out, string(k.Kind), k.ID, number(k.Serial))
}

// info is that of HPKE, with the recipient's public keys. It names the signer, so that nobody can sign another's grant
// as his own. From version 2 on it leaves out the subject, since it serves all grants that are made at once: see key.
func (g *grant) info(keys string) []byte {
	out := appendList(make([]byte, 0, grantRoom), grantForms[g.version].info, string([]byte{g.version}))
	if g.version == 1 {
		return appendList(g.appendFields(out), keys)
	}
	out = g.to.appendTo(appendList(out, g.account))
	return appendList(out, string(g.signer[:]), keys)
}

// key is what the seed is sealed under from version 2 on: made of the secret that was encapsulated, for this grant
// alone, so that what was sealed for one group does not open as another's.
func (g *grant) key(export func(context string, length int) ([]byte, error)) ([]byte, error) {
	return export(string(g.appendFields([]byte(join(grantKeyLabel, string([]byte{g.version}))))), secretSize)
}

// body is all before the signature, with room for that.
func (g *grant) body() []byte {
	out := append(make([]byte, 0, grantRoom), g.version)
	return appendList(g.appendFields(out), string(g.sealed))
}

// message is what is signed: a body, and the recipient's public keys, since HPKE does not say to whom it has sealed.
func (g *grant) message(body []byte, keys string) []byte {
	return appendList(make([]byte, 0, 2*grantRoom), grantForms[g.version].signature, string(body), keys)
}

func (g *grant) valid() bool { return g.account != "" && g.subject.valid() && g.to.valid() }

// Grant is Grants of one keyset, to keys that are not made ready.
func (k *Keyset) Grant(account string, subject Key, seed Seed, to Key, pub Public) ([]byte, error) {
	r, err := pub.Recipient()
	if err != nil {
		return nil, err
	}
	list, err := k.Grants(account, []Subject{{subject, seed}}, to, r)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// Grants hands keysets over to one recipient: the seed of each, sealed to the recipient's keys and signed by k. They
// share the work of encapsulating; each of those returned stands alone. Whether these are the recipient's keys must have
// been verified before. ErrSeed, ErrPublic, ErrGrant for an empty id or a serial below 1: then none is made.
func (k *Keyset) Grants(account string, subjects []Subject, to Key, r Recipient) ([][]byte, error) {
	g := &grant{version: grantVersion, account: account, to: to, signer: k.Signer()}
	for _, s := range subjects {
		g.subject = s.Key
		switch {
		case !g.valid():
			return nil, fmt.Errorf("%w: %s for %s in account %q", ErrGrant, s.Key, to, account)
		case isZero(s.Seed.b):
			return nil, ErrSeed
		}
	}
	if len(subjects) == 0 {
		return nil, nil
	}
	keys := string(r.Bytes())
	enc, sender, err := r.sender(g.info(keys))
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(subjects))
	for i, s := range subjects {
		g.subject = s.Key
		key, err := g.key(sender.Export)
		if err != nil {
			return nil, err
		}
		sealed, err := seal(key, s.Seed.b[:], nil, rand.Reader)
		if err != nil {
			return nil, err
		}
		g.sealed = slices.Concat(enc, sealed)
		body := g.body()
		out[i] = appendList(body, string(ed25519.Sign(k.sign, g.message(body, keys))))
	}
	return out, nil
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
	keys := string(k.public.Bytes())
	if err := g.signer.verify(g.message(g.body(), keys), g.signature); err != nil {
		return Seed{}, err
	}
	if !may(g.signer) {
		return Seed{}, fmt.Errorf("%w: %s", ErrSigner, g.signer)
	}
	text, ok := g.open(k, keys)
	if !ok || len(text) != secretSize || isZero([secretSize]byte(text)) {
		return Seed{}, fmt.Errorf("%w: it holds no seed", ErrGrant)
	}
	return Seed{b: [secretSize]byte(text)}, nil
}

// open decrypts what the grant holds, if it was sealed to k, whose public keys these are, for what the grant says.
func (g *grant) open(k *Keyset, keys string) ([]byte, bool) {
	info := g.info(keys)
	if g.version == 1 {
		text, err := hpke.Open(k.kem, hpke.HKDFSHA256(), hpke.AES256GCM(), info, g.sealed)
		return text, err == nil
	}
	recipient, err := hpke.NewRecipient(g.sealed[:encapsulated], k.kem, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		return nil, false
	}
	key, err := g.key(recipient.Export)
	if err != nil {
		return nil, false
	}
	return open(key, g.sealed[encapsulated:], nil)
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
	if len(raw) == 0 || len(raw) > maxGrant {
		return nil, ErrGrant
	}
	form, known := grantForms[raw[0]]
	if !known {
		return nil, fmt.Errorf("%w: it is of version %d, which this program does not know", ErrGrant, raw[0])
	}
	parts, ok := split(raw[1:])
	if !ok {
		return nil, ErrGrant
	}
	r := &reader{parts: parts}
	g := &grant{
		version: raw[0],
		account: r.text(),
		subject: Key{Kind(r.bytes()), r.text(), r.number()},
		to:      Key{Kind(r.bytes()), r.text(), r.number()},
		signer:  r.signer(),
		sealed:  r.fixed(form.sealed), signature: r.fixed(ed25519.SignatureSize),
	}
	if !r.done() || !g.valid() {
		return nil, ErrGrant
	}
	return g, nil
}
