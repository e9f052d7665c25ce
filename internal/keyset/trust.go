package keyset

import (
	"fmt"
	"maps"
	"slices"
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
	current        map[string]serials // by integration, its keys by generation
	groups         map[string]serials // by group
	owners         map[string]serials // by group; of more than one none is the owners'
}

// serials are the keys of a group, by serial.
type serials map[int]groupKey

type groupKey struct {
	public   Public
	disputed bool // two keys have been attested
}

// put notes a key. That two are noted does not depend on which came first: the account service chooses the order.
func put(groups map[string]serials, group string, serial int, public Public) error {
	if groups[group] == nil {
		groups[group] = serials{}
	}
	known, ok := groups[group][serial]
	if ok && (known.disputed || known.public != public) {
		groups[group][serial] = groupKey{disputed: true}
		return ErrDisputed
	}
	groups[group][serial] = groupKey{public: public}
	return nil
}

// NewTrust knows the root only. With the zero value of a signer as root nobody is ever trusted.
func NewTrust(account string, root Signer) *Trust {
	return &Trust{
		account: account, root: root,
		administrators: map[Signer]bool{}, generations: map[Signer]bool{}, current: map[string]serials{},
		groups: map[string]serials{}, owners: map[string]serials{},
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
		t.generations[c.Public.signer] = true
		return put(t.current, c.Integration, c.Generation, c.Public)
	case GroupKeyClaim:
		return put(t.groups, c.Group, c.Serial, c.Public)
	case OwnersClaim:
		err := put(t.owners, c.Group, c.Serial, c.Public)
		if len(t.owners) > 1 {
			return ErrDisputed
		}
		return err
	}
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

// GroupKey returns the public keys of a serial of a group, attested by somebody who may sign. Those of the owners'
// group are the administrators' to attest: what an integration says of them has no weight.
func (t *Trust) GroupKey(group string, serial int) (Public, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	from, ok := t.owners[group]
	if !ok {
		from = t.groups[group]
	}
	k, ok := from[serial]
	return k.public, ok && !k.disputed
}

// Owners returns the newest key of the group of the owners. Its zero value means that none has been attested, or that
// two groups or two keys of that serial have.
func (t *Trust) Owners() OwnersClaim {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.owners) != 1 {
		return OwnersClaim{}
	}
	var newest OwnersClaim
	for group, keys := range t.owners {
		serial := slices.Max(slices.Collect(maps.Keys(keys)))
		if k := keys[serial]; !k.disputed {
			newest = OwnersClaim{t.account, group, serial, k.public}
		}
	}
	return newest
}

// GenerationKey returns the public keys of a generation of an integration, attested by an administrator.
func (t *Trust) GenerationKey(integration string, number int) (Public, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k, ok := t.current[integration][number]
	return k.public, ok && !k.disputed
}
