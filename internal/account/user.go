package account

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
)

// User returns a user that the integration sees, with its groups.
func (s *Service) User(ctx context.Context, id string) (User, error) {
	var u User
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := visibleUser(tx, id)
		if err != nil {
			return err
		}
		u, err = withGroups(tx, &row)
		return err
	})
	return u, err
}

func visibleUser(tx Tx, id string) (UserRow, error) {
	row, err := tx.UserByID(id)
	if err == nil && !row.Visible() {
		return row, ErrNotFound
	}
	return row, err
}

func withGroups(tx Tx, row *UserRow) (User, error) {
	groups, err := tx.GroupsOf([]int64{row.Seq})
	row.Groups = groups[row.Seq]
	return row.User, err
}

// Users returns the users that match, of those the integration sees.
func (s *Service) Users(ctx context.Context, q Query) (UserPage, error) {
	var page UserPage
	err := s.store.View(ctx, func(tx Tx) error {
		rows, total, next, err := tx.Users(q, VisibleOnly)
		if err != nil {
			return err
		}
		page = UserPage{Users: make([]User, len(rows)), Total: total, Next: next}
		var groups map[int64][]GroupRef
		if q.Groups && len(rows) > 0 {
			seqs := make([]int64, len(rows))
			for i := range rows {
				seqs[i] = rows[i].Seq
			}
			if groups, err = tx.GroupsOf(seqs); err != nil {
				return err
			}
		}
		for i := range rows {
			rows[i].Groups = groups[rows[i].Seq]
			page.Users[i] = rows[i].User
		}
		return nil
	})
	return page, err
}

// Invite makes a user, or takes back one who was let go, if the external id shows that it is the same person.
// Somebody else of the same name is a new person: who had the name keeps everything but it. Where the id and the
// user name are those of a user already, the call is taken for a repeated one. *TakenError, ErrInvalid.
func (s *Service) Invite(ctx context.Context, i Invitation) (User, error) {
	if err := checkID(i.ID); err != nil {
		return User{}, err
	}
	var err error
	if i.Person, err = checked(i.Person); err != nil {
		return User{}, err
	}
	var u User
	err = s.updateKeeping(ctx, "user.invite", "user", i.ID, func(tx Tx) error {
		if err := permitted(tx, i.Email); err != nil {
			return err
		}
		holder, err := tx.UserByName(Fold(i.UserName))
		switch {
		case errors.Is(err, ErrNotFound):
			u, err = s.insert(ctx, tx, i)
			return err
		case err != nil:
			return err
		case holder.ID == i.ID && !holder.Released: // the same call again
			u, err = withGroups(tx, &holder)
			return err
		case !holder.Released:
			return &TakenError{Kind: ErrUserNameTaken, ID: holder.ID}
		case i.ExternalID != "" && i.ExternalID == holder.ExternalID && Fold(holder.UserName) == Fold(i.UserName):
			u, err = s.takeBack(ctx, tx, &holder, i)
			return err
		}
		if err := s.park(ctx, tx, &holder); err != nil {
			return err
		}
		u, err = s.insert(ctx, tx, i)
		return err
	}, func() outcome {
		if u.ID == i.ID {
			return outcome{}
		}
		return outcome{ID: u.ID}
	})
	if before := repeated(err); before != nil {
		return s.User(ctx, cmp.Or(before.ID, i.ID))
	}
	return u, err
}

func (s *Service) insert(ctx context.Context, tx Tx, i Invitation) (User, error) {
	now := s.now()
	row := UserRow{User: User{
		ID: i.ID, Person: i.Person, SignInName: i.UserName, State: Invited, Managed: true,
		Revision: 1, Created: now, Modified: now,
	}}
	if i.Inactive {
		row.State = InviteSuspended
	}
	if err := tx.InsertUser(&row); err != nil {
		return User{}, idTaken(err)
	}
	if err := s.settle(ctx, tx, nil, &row, i.Evidence); err != nil {
		return User{}, err
	}
	return row.User, s.enter(ctx, tx, "user.invite", "user", row.ID, string(row.State))
}

// takeBack reactivates a released person: same id, no memberships, everything else as it was.
func (s *Service) takeBack(ctx context.Context, tx Tx, old *UserRow, i Invitation) (User, error) {
	row := *old
	row.Person, row.SignInName, row.Released, row.Managed, row.ProfileStale = i.Person, signInName(old, i.UserName), false, true, false
	if !i.Inactive {
		resume(&row)
	}
	s.touch(&row)
	if err := tx.UpdateUser(old, &row); err != nil {
		return User{}, err
	}
	if err := s.settle(ctx, tx, old, &row, nil); err != nil {
		return User{}, err
	}
	return row.User, s.enter(ctx, tx, "user.takeback", "user", row.ID, string(row.State))
}

// parkedMark begins the name of somebody whose name another person has taken; no identity provider sends it.
const parkedMark = "\x01parked:"

func (s *Service) park(ctx context.Context, tx Tx, old *UserRow) error {
	row := *old
	row.UserName, row.SignInName = parkedMark+row.ID, parkedMark+row.ID
	row.ProfileStale = true
	s.touch(&row)
	if err := tx.UpdateUser(old, &row); err != nil {
		return err
	}
	return s.enter(ctx, tx, "user.park", "user", row.ID, "")
}

// signInName is the name that the person signs in with once the identity provider has named another. Who is
// active keeps the old one until the change is confirmed, since keys depend on it.
func signInName(old *UserRow, name string) string {
	switch old.State {
	case Active, Suspended:
		if old.SignInName != "" && Fold(old.SignInName) != Fold(name) {
			return old.SignInName
		}
	}
	return name
}

// resume brings a user back to where it was before it was suspended.
func resume(row *UserRow) {
	switch {
	case row.State == Suspended:
		row.State = Active
	case row.State == InviteSuspended && row.Accepted: // the person's keys wait to be confirmed, as before
		row.State = Accepted
	case row.State == InviteSuspended:
		row.State = Invited
	}
	row.Accepted = false
}

func suspend(row *UserRow) {
	switch row.State {
	case Active:
		row.State = Suspended
	case Invited, Accepted:
		row.State, row.Accepted = InviteSuspended, row.State == Accepted
	}
}

func (s *Service) touch(row *UserRow) {
	row.Revision++
	row.Modified = s.after(row.Modified)
}

// ChangeUser changes a user by the state table. What changes nothing leaves revision and time alone.
func (s *Service) ChangeUser(ctx context.Context, id string, c UserChange) (User, error) {
	if c.Person != nil {
		p, err := checked(*c.Person)
		if err != nil {
			return User{}, err
		}
		c.Person = &p
	}
	var u User
	err := s.update(ctx, "user.change", "user", id, func(tx Tx) error {
		old, err := visibleUser(tx, id)
		if err != nil {
			return err
		}
		if c.IfRevision != 0 && c.IfRevision != old.Revision {
			return ErrRevision
		}
		row := old
		verbs, err := s.apply(ctx, tx, &row, c)
		if err != nil {
			return err
		}
		if len(verbs) > 0 {
			row.Managed = true
			s.touch(&row)
			if err := tx.UpdateUser(&old, &row); err != nil {
				return err
			}
			if err := s.settle(ctx, tx, &old, &row, c.Evidence); err != nil {
				return err
			}
			for _, verb := range verbs {
				if err := s.enter(ctx, tx, verb, "user", id, string(row.State)); err != nil {
					return err
				}
			}
		}
		if err := testify(tx, &row, c.Evidence); err != nil {
			return err
		}
		u, err = withGroups(tx, &row)
		return err
	})
	if repeated(err) != nil {
		return s.User(ctx, id)
	}
	return u, err
}

// apply carries a change into the row and names what was done; nothing where nothing changes.
func (s *Service) apply(ctx context.Context, tx Tx, row *UserRow, c UserChange) (verbs []string, err error) {
	if c.Person != nil && !samePerson(&row.Person, c.Person, row.ProfileStale) {
		if Fold(c.Person.Email) != Fold(row.Email) {
			if err := permitted(tx, c.Person.Email); err != nil {
				return nil, err
			}
		}
		if Fold(c.Person.UserName) != Fold(row.UserName) {
			if err := s.rename(ctx, tx, row, c.Person.UserName); err != nil {
				return nil, err
			}
			verbs = append(verbs, "user.rename")
		} else if row.SignInName == row.UserName {
			row.SignInName = c.Person.UserName
		}
		row.Person, row.ProfileStale = *c.Person, false
		if len(verbs) == 0 {
			verbs = append(verbs, "user.change")
		}
	}
	if c.Active != nil && *c.Active != row.State.Live() {
		if *c.Active {
			resume(row)
			return append(verbs, "user.reactivate"), nil
		}
		if err := s.unprotected(tx, row); err != nil {
			return nil, err
		}
		if err := s.takeaway(ctx, tx, row, HeldSuspension); err != nil {
			return nil, err
		}
		suspend(row)
		return append(verbs, "user.suspend"), nil
	}
	return verbs, nil
}

func (s *Service) rename(ctx context.Context, tx Tx, row *UserRow, name string) error {
	if row.State == Accepted {
		return ErrPendingName
	}
	holder, err := tx.UserByName(Fold(name))
	switch {
	case err == nil && holder.ID == row.ID: // back to the name that the person signs in with
	case err == nil && holder.Released:
		if err := s.park(ctx, tx, &holder); err != nil {
			return err
		}
	case err == nil:
		return &TakenError{Kind: ErrUserNameTaken, ID: holder.ID}
	case !errors.Is(err, ErrNotFound):
		return err
	}
	row.SignInName = signInName(row, name)
	immediate, err := tx.Setting(settingNames)
	if err == nil && immediate == "true" {
		row.SignInName = name
	}
	return err
}

// unprotected refuses to suspend or release whom the account protects.
func (s *Service) unprotected(tx Tx, row *UserRow) error {
	if row.Protection != "" {
		return &ProtectedError{"this person is protected (" + row.Protection + "); an administrator of the account can change that"}
	}
	last, err := lastOwner(tx, row)
	if err != nil {
		return err
	}
	if last {
		return &ProtectedError{"this person is the last active owner of the account"}
	}
	return nil
}

// lastOwner tells whether the account would have no active owner without the user.
func lastOwner(tx Tx, row *UserRow) (bool, error) {
	if row.State != Active {
		return false, nil
	}
	id, err := tx.Setting(settingOwners)
	if err != nil || id == "" {
		return false, err
	}
	owners, err := tx.GroupByID(id)
	if err != nil {
		return false, err
	}
	groups, err := tx.Memberships(row.Seq)
	if err != nil || !slices.Contains(groups, owners.Seq) {
		return false, err
	}
	n, err := tx.CountActive(owners.Seq)
	return n <= 1, err
}

// ReleaseUser lets go: suspended, out of all groups, gone for the integration. The account keeps the person.
func (s *Service) ReleaseUser(ctx context.Context, id string, ifRevision int64) error {
	err := s.update(ctx, "user.release", "user", id, func(tx Tx) error {
		old, err := visibleUser(tx, id)
		if err != nil {
			return err
		}
		if ifRevision != 0 && ifRevision != old.Revision {
			return ErrRevision
		}
		if err := s.unprotected(tx, &old); err != nil {
			return err
		}
		if err := s.takeaway(ctx, tx, &old, HeldRelease); err != nil {
			return err
		}
		row := old
		suspend(&row)
		row.Released = true
		s.touch(&row)
		if err := s.leaveAll(ctx, tx, &row); err != nil {
			return err
		}
		if err := tx.UpdateUser(&old, &row); err != nil {
			return err
		}
		if err := s.settle(ctx, tx, &old, &row, nil); err != nil {
			return err
		}
		return s.enter(ctx, tx, "user.release", "user", id, string(row.State))
	})
	if repeated(err) != nil {
		return nil
	}
	return err
}

// leaveAll takes a user out of every group.
func (s *Service) leaveAll(ctx context.Context, tx Tx, user *UserRow) error {
	groups, err := tx.Memberships(user.Seq)
	if err != nil {
		return err
	}
	for _, seq := range groups {
		g, err := tx.GroupBySeq(seq)
		if err != nil {
			return err
		}
		one := []int64{user.Seq}
		held, err := s.held(tx, &g, one)
		if err != nil {
			return err
		}
		through, yielded, err := tx.RemoveMembers(seq, one, SCIM)
		if err != nil {
			return err
		}
		manual, _, err := tx.RemoveMembers(seq, one, Manual)
		if err != nil {
			return err
		}
		g.Members -= len(through) + len(manual)
		g.ThroughSCIM -= len(through) + len(yielded)
		if err := s.withdraw(tx, &g, held, append(through, manual...)); err != nil {
			return err
		}
		g.Revision++
		g.Modified = s.after(g.Modified)
		if err := tx.UpdateGroup(&g); err != nil {
			return err
		}
		if err := s.enter(ctx, tx, "group.members.remove", "group", g.ID, user.ID); err != nil {
			return err
		}
	}
	return nil
}

// checked is a person within the limits. Of the further addresses it keeps what can be looked up; the profile has
// them all.
func checked(p Person) (Person, error) {
	if strings.TrimSpace(p.UserName) == "" {
		return p, &InvalidError{"userName", "is required and must not be empty"}
	}
	if strings.HasPrefix(p.UserName, parkedMark[:1]) {
		return p, &InvalidError{"userName", "begins with a control character"}
	}
	for _, f := range []struct {
		name, text string
		limit      int
	}{
		{"userName", p.UserName, maxName},
		{"emails", p.Email, maxName},
		{"displayName", p.Name, maxName},
		{"preferredLanguage", p.Language, maxKey},
		{"externalId", p.ExternalID, maxKey},
	} {
		if err := field(f.name, f.text, f.limit); err != nil {
			return p, err
		}
	}
	if len(p.Profile) > maxProfile {
		return p, &InvalidError{"the resource", "is too large to be kept"}
	}
	if slices.ContainsFunc(p.Addresses, isOdd) {
		p.Addresses = slices.DeleteFunc(slices.Clone(p.Addresses), isOdd)
	}
	if len(p.Addresses) > maxOthers {
		p.Addresses = p.Addresses[:maxOthers]
	}
	return p, nil
}

// isOdd tells whether a text can be no e-mail address that anybody looks for.
func isOdd(address string) bool {
	return address == "" || len(address) > maxName || strings.ContainsAny(address, "\r\n")
}

// samePerson tells whether nothing would change.
func samePerson(a, b *Person, stale bool) bool {
	return !stale && a.UserName == b.UserName && a.Email == b.Email && a.Name == b.Name && a.Language == b.Language &&
		a.ExternalID == b.ExternalID && bytes.Equal(a.Profile, b.Profile) && slices.Equal(a.Addresses, b.Addresses)
}
