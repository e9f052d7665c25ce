package keyset

import (
	"fmt"
	"sync"
)

// Trust is who may sign in an account, learnt from attestations and checked down from the account's root. Whom the
// account service names is of no weight. Several may use it at once.
//
// It only grows: it does not know what has ended since. That an old administrator or generation is refused is the
// account service's part.
type Trust struct {
	account string
	root    Signer

	mu             sync.RWMutex // guards what follows
	administrators map[Signer]bool
	generations    map[Signer]bool
	current        map[generationOf]Public
	groups         map[groupSerial]groupKey
	owners         OwnersClaim // of the highest serial
}

type generationOf struct {
	integration string
	number      int
}

type groupSerial struct {
	group  string
	serial int
}

type groupKey struct {
	public   Public
	disputed bool // two keys have been attested
}

// NewTrust knows the root only. With the zero value of a signer as root nobody is ever trusted.
func NewTrust(account string, root Signer) *Trust {
	return &Trust{
		account: account, root: root,
		administrators: map[Signer]bool{}, generations: map[Signer]bool{}, current: map[generationOf]Public{}, groups: map[groupSerial]groupKey{},
	}
}

// Learn takes the attestations that chain to the root, in whatever order they come, together with those learnt
// before. The error names the first of the list that was not taken; it is not remembered, and all others have been
// taken. ErrSignature, ErrSigner (its signer may not say this), ErrAttestation (another account's, or a claim of a
// kind that is not learnt), ErrDisputed (two keys for the same serial of a group: from then on GroupKey knows
// neither, whichever came first).
func (t *Trust) Learn(list []Attestation) error {
	failed := make([]error, len(list))
	var pending []int
	for i, a := range list { // before locking, since it takes long
		if failed[i] = t.check(a); failed[i] == nil {
			pending = append(pending, i)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for again := true; again; {
		again = false
		var left []int
		for _, i := range pending {
			if !t.maySay(list[i]) {
				left = append(left, i)
				continue
			}
			failed[i] = t.take(list[i].Claim)
			again = true
		}
		pending = left
	}
	for _, i := range pending {
		failed[i] = ErrSigner
	}
	for i, err := range failed {
		if err != nil {
			return fmt.Errorf("attestation %d (%s): %w", i+1, describe(list[i].Claim), err)
		}
	}
	return nil
}

// check verifies what does not depend on what else is known.
func (t *Trust) check(a Attestation) error {
	var account string
	var public Public
	switch c := a.Claim.(type) {
	case AdministratorClaim:
		account, public = c.Account, c.Public
	case GenerationClaim:
		account, public = c.Account, c.Public
	case GroupKeyClaim:
		account, public = c.Account, c.Public
	case OwnersClaim:
		account, public = c.Account, c.Public
	default:
		return ErrAttestation
	}
	if account != t.account || public == (Public{}) {
		return fmt.Errorf("%w of keys in this account", ErrAttestation)
	}
	return a.Signer.Verify(a.Claim, a.Signature)
}

func (t *Trust) maySay(a Attestation) bool {
	if _, ok := a.Claim.(GroupKeyClaim); ok && t.generations[a.Signer] {
		return true
	}
	return t.administrator(a.Signer)
}

func (t *Trust) take(c Claim) error {
	switch c := c.(type) {
	case AdministratorClaim:
		t.administrators[c.Public.signer] = true
	case GenerationClaim:
		at := generationOf{c.Integration, c.Generation}
		if known, ok := t.current[at]; ok && known != c.Public {
			return ErrDisputed
		}
		t.current[at], t.generations[c.Public.signer] = c.Public, true
	case GroupKeyClaim:
		return t.takeGroup(c)
	case OwnersClaim:
		if err := t.takeGroup(GroupKeyClaim(c)); err != nil {
			return err
		}
		if t.owners.Group != "" && t.owners.Group != c.Group {
			return ErrDisputed
		}
		if c.Serial > t.owners.Serial {
			t.owners = c
		}
	}
	return nil
}

func (t *Trust) takeGroup(c GroupKeyClaim) error {
	at := groupSerial{c.Group, c.Serial}
	known, ok := t.groups[at]
	if ok && (known.disputed || known.public != c.Public) {
		t.groups[at] = groupKey{disputed: true}
		return ErrDisputed
	}
	t.groups[at] = groupKey{public: c.Public}
	return nil
}

func describe(c Claim) string {
	switch c := c.(type) {
	case AdministratorClaim:
		return "administrator " + c.User
	case GenerationClaim:
		return fmt.Sprintf("integration %s, generation %d", c.Integration, c.Generation)
	case GroupKeyClaim:
		return fmt.Sprintf("key of group %s, serial %d", c.Group, c.Serial)
	case OwnersClaim:
		return fmt.Sprintf("key of the owners' group %s, serial %d", c.Group, c.Serial)
	}
	return fmt.Sprintf("%T", c)
}

// Administrator tells whether a signer is the root or attested as an administrator by one.
func (t *Trust) Administrator(s Signer) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.administrator(s)
}

func (t *Trust) administrator(s Signer) bool {
	return s.valid() && (s == t.root || t.administrators[s])
}

// Generation tells whether a signer is a generation of an integration, attested by an administrator.
func (t *Trust) Generation(s Signer) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.generations[s]
}

// MaySign tells whether a signer is an administrator or a generation.
func (t *Trust) MaySign(s Signer) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.administrator(s) || t.generations[s]
}

// GroupKey returns the public keys of a serial of a group, attested by somebody who may sign.
func (t *Trust) GroupKey(group string, serial int) (Public, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k, ok := t.groups[groupSerial{group, serial}]
	return k.public, ok && !k.disputed
}

// Owners returns the newest key of the group of the owners. Its zero value means that none has been attested.
func (t *Trust) Owners() OwnersClaim {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.owners
}

// GenerationKey returns the public keys of a generation of an integration, attested by an administrator.
func (t *Trust) GenerationKey(integration string, number int) (Public, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, ok := t.current[generationOf{integration, number}]
	return p, ok
}
