package account

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limits of what an account holds of one user or group. They are far above what people are called and keep one
// request from filling the disk.
const (
	maxName    = 1 << 10   // bytes of a user name, display name or group name
	maxKey     = 1 << 10   // bytes of an external id
	maxProfile = 1 << 20   // bytes of a profile, as the largest request
	maxOthers  = 100       // further e-mail addresses that are indexed
	maxGroup   = 1_000_000 // members named by one change
)

// refusalRate bounds how many refusals a second are entered in the log: somebody who is refused all the time must
// not fill the disk. A burst covers an identity provider's first synchronisation.
const (
	refusalRate  = 10
	refusalBurst = 1000
)

// Config is what New needs.
type Config struct {
	Store Store
	Clock func() time.Time
	Rand  io.Reader
	Log   *slog.Logger
}

// Service is the native account: the rules over a Store.
type Service struct {
	store    Store
	clock    func() time.Time
	rand     io.Reader
	log      *slog.Logger
	refusals *rate.Limiter
	hasKeys  atomic.Bool // known once it has been seen: an account never loses its keys
	bell     bell
	active   activeCount
	trouble  Trouble
}

// New makes a Service.
func New(c Config) *Service {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{store: c.Store, clock: c.Clock, rand: c.Rand, log: c.Log, refusals: rate.NewLimiter(refusalRate, refusalBurst)}
}

// now is the time with the precision that is kept: milliseconds.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// after is now, but later than a time before, so that a change always moves the time of modification.
func (s *Service) after(before time.Time) time.Time {
	if now := s.now(); now.After(before) {
		return now
	}
	return before.Add(time.Millisecond)
}

// Settings of the account.
const (
	settingID         = "account.id"
	settingName       = "account.name"
	settingGeneration = "integration.generation" // number of the newest
	settingOwners     = "group.owners"           // id of the group Owners
	settingRoot       = "trust.root"             // public key in whom trust begins, in hexadecimal; none: no keys
	settingDomains    = "policy.domains"
	settingNames      = "policy.immediate-names"
	settingRotate     = "policy.rotate-on-remove"
)

// Founding is what Found takes.
type Founding struct {
	Name     string        // of the account
	Owner    string        // display name
	UserName string        // the owner's, an e-mail address
	Keys     *FoundingKeys // nil: an account that admits nobody by keys
}

// FoundingKeys are the keys of a new account. Whoever makes them chooses the ids, since the keys are bound to them.
type FoundingKeys struct {
	Account string // id
	Root    []byte // public key of the owner in whom trust begins
	OwnerID string
	Owner   PersonKeys
	Groups  [len(privileged)]FoundingGroup // in the order of PrivilegedGroups
}

// FoundingGroup is one of the groups that every account has.
type FoundingGroup struct {
	ID  string
	Key GroupKey
}

// privileged are the groups that every account has and no integration sees.
var privileged = [...]string{"Owners", "Administrators", "Recovery", "Provision Managers"}

// PrivilegedGroups names the groups that every account has and no integration sees, the owners' first.
func PrivilegedGroups() []string { return privileged[:] }

// Found makes a new account with its privileged groups and its first owner. An account that has been founded stays
// as it is.
func (s *Service) Found(ctx context.Context, f Founding) (Info, error) {
	var info Info
	err := s.store.Update(ctx, func(tx Tx) error {
		id, err := tx.Setting(settingID)
		if err != nil || id != "" {
			info.ID = id
			return err
		}
		now := s.now()
		if f.Keys != nil {
			info.ID, err = f.Keys.Account, checkID(f.Keys.Account)
		} else {
			info.ID, err = NewID(now, s.rand)
		}
		if err != nil {
			return err
		}
		if err := errors.Join(tx.SetSetting(settingID, info.ID), tx.SetSetting(settingName, f.Name), tx.SetSetting(settingGeneration, "0")); err != nil {
			return err
		}
		return s.foundGroups(ctx, tx, f, now)
	})
	if err != nil {
		return info, err
	}
	info, err = s.Describe(ctx)
	s.hasKeys.Store(len(info.Root) > 0)
	return info, err
}

func (s *Service) foundGroups(ctx context.Context, tx Tx, f Founding, now time.Time) error {
	owner := UserRow{User: User{
		Person: Person{UserName: f.UserName, Email: f.UserName, Name: f.Owner}, SignInName: f.UserName,
		State: Active, Revision: 1, Created: now, Modified: now,
	}}
	groups := make([]FoundingGroup, len(privileged))
	var err error
	if k := f.Keys; k != nil {
		owner.ID = k.OwnerID
		copy(groups, k.Groups[:])
	} else {
		if owner.ID, err = NewID(now, s.rand); err != nil {
			return err
		}
		for i := range groups {
			if groups[i].ID, err = NewID(now, s.rand); err != nil {
				return err
			}
		}
	}
	if err := tx.InsertUser(&owner); err != nil {
		return idTaken(err)
	}
	if f.Keys != nil {
		if err := s.foundKeys(tx, owner.Seq, f.Keys); err != nil {
			return err
		}
	}
	for i, name := range privileged {
		g := GroupRow{Group: Group{
			ID: groups[i].ID, Name: name, Privileged: true, Mode: Exclusive, Revision: 1, Created: now, Modified: now, Serial: groups[i].Key.Serial,
		}}
		if err := tx.InsertGroup(&g); err != nil {
			return idTaken(err)
		}
		if i == 0 {
			if err := s.foundOwners(tx, &g, owner.Seq); err != nil {
				return err
			}
		}
		if f.Keys == nil {
			continue
		}
		key := groups[i].Key
		if err := errors.Join(tx.Attest(attestedTrust, g.ID, key.Serial, key.Attestation), s.grantAll(tx, &g, key.Serial, key.Grants)); err != nil {
			return err
		}
	}
	return s.enter(ctx, tx, "account.found", "account", "", owner.ID)
}

func (s *Service) foundOwners(tx Tx, g *GroupRow, owner int64) error {
	if _, _, err := tx.AddMembers(g.Seq, []int64{owner}, Manual, nil); err != nil {
		return err
	}
	g.Members = 1
	if err := errors.Join(tx.UpdateGroup(g), tx.SetSetting(settingOwners, g.ID)); err != nil {
		return err
	}
	if g.Serial > 0 {
		return tx.SetGranted(g.Seq, owner, g.Serial)
	}
	return nil
}

// foundKeys keeps the owner's keys.
func (s *Service) foundKeys(tx Tx, owner int64, k *FoundingKeys) error {
	keys := k.Owner
	keys.SessionsFrom = s.now()
	return errors.Join(tx.SetSetting(settingRoot, hex.EncodeToString(k.Root)), tx.PutPersonKeys(owner, &keys),
		tx.Attest(attestedTrust, k.OwnerID, keys.Serial, keys.Attestation))
}

// Describe names the account. ErrNotFound where none has been founded.
func (s *Service) Describe(ctx context.Context) (Info, error) {
	var info Info
	err := s.store.View(ctx, func(tx Tx) (err error) {
		if info.ID, err = tx.Setting(settingID); err != nil {
			return err
		}
		if info.ID == "" {
			return ErrNotFound
		}
		if info.Name, err = tx.Setting(settingName); err != nil {
			return err
		}
		if info.Guard, err = s.guard(tx); err != nil {
			return err
		}
		root, err := tx.Setting(settingRoot)
		if err == nil && root != "" {
			info.Root, err = hex.DecodeString(root)
		}
		return err
	})
	return info, err
}

// keyed tells whether the account admits people by keys.
func (s *Service) keyed(tx Tx) (bool, error) {
	if s.hasKeys.Load() {
		return true, nil
	}
	root, err := tx.Setting(settingRoot)
	if root != "" {
		s.hasKeys.Store(true)
	}
	return root != "", err
}

// Backup writes a consistent copy of the account to a path that does not exist yet.
func (s *Service) Backup(ctx context.Context, path string) error {
	return s.store.Backup(ctx, path)
}

// enter logs a change within its transaction.
func (s *Service) enter(ctx context.Context, tx Tx, verb, object, id, detail string) error {
	c := CallerFrom(ctx)
	return tx.Log(Entry{Time: s.now(), Caller: c.Kind, RequestID: c.RequestID, Verb: verb, Object: object, ObjectID: id, Detail: detail})
}

// update runs a change, and enters a refusal by the rules into the log after it has been undone.
func (s *Service) update(ctx context.Context, verb, object, id string, change func(Tx) error) error {
	return s.updateKeeping(ctx, verb, object, id, change, nil)
}

// updateKeeping is update, of whose outcome something is kept for the case that the call comes again.
func (s *Service) updateKeeping(ctx context.Context, verb, object, id string, change func(Tx) error, left func() outcome) error {
	if c := CallFrom(ctx); c != nil {
		change = s.once(c, change, left)
	}
	if f := CallerFrom(ctx).Fence; f != (Fence{}) {
		change = fenced(f, change)
	}
	err := s.store.Update(ctx, change)
	s.trouble.Note(err, s.clock())
	if err == nil {
		s.bell.ring()
	}
	if held := (*HeldError)(nil); errors.As(err, &held) {
		// What is held is to be found, whether or not the caller still listens.
		if keepErr := s.keep(context.WithoutCancel(ctx), held); keepErr != nil {
			return keepErr
		}
		return err
	}
	reason := refusal(err)
	if reason == "" || !s.refusals.AllowN(s.clock(), 1) {
		return err
	}
	// The refusal stands, whether or not the caller still listens.
	ctx = context.WithoutCancel(ctx)
	if logErr := s.store.Update(ctx, func(tx Tx) error {
		return s.enter(ctx, tx, verb+".refused", object, id, reason)
	}); logErr != nil {
		s.log.ErrorContext(ctx, "refusal not entered in the activity log", "error", logErr)
	}
	s.bell.ring() // the log has become longer
	return err
}

// Trouble is why a change was not made lately though nothing was wrong with it; nil where all were.
func (s *Service) Trouble() error { return s.trouble.Err(s.clock()) }

// refusal is why the rules refuse, in a word; "" where it is no refusal.
func refusal(err error) string {
	var taken *TakenError
	if errors.As(err, &taken) {
		return taken.Error() // who holds the name, by id
	}
	for _, r := range []struct {
		err  error
		word string
	}{
		{ErrProtected, "protected"},
		{ErrNotManaged, "not managed"},
		{ErrPendingName, "waits for confirmation"},
		{ErrState, "state"},
	} {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return ""
}

// field checks the length of a text.
func field(name, text string, limit int) error {
	if len(text) > limit {
		return &InvalidError{name, "is longer than " + strconv.Itoa(limit) + " bytes"}
	}
	return nil
}
