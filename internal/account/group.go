package account

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"
)

// Group returns a group that the integration sees.
func (s *Service) Group(ctx context.Context, id string) (Group, error) {
	var g Group
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := visibleGroup(tx, id)
		g = shown(&row)
		return err
	})
	return g, err
}

func visibleGroup(tx Tx, id string) (GroupRow, error) {
	row, err := tx.GroupByID(id)
	if err == nil && !row.Visible() {
		return row, ErrNotFound
	}
	return row, err
}

// shown is the group as the integration sees it: of an adopted one, its own memberships count.
func shown(row *GroupRow) Group {
	g := row.Group
	if g.Mode == Additive {
		g.Members = row.ThroughSCIM
	}
	return g
}

// scope is the source of the memberships that the integration sees and removes; "" means all.
func scope(m GroupMode) Source {
	if m == Additive {
		return SCIM
	}
	return ""
}

// Groups returns the groups that match, of those the integration sees.
func (s *Service) Groups(ctx context.Context, q Query) (GroupPage, error) {
	var page GroupPage
	err := s.store.View(ctx, func(tx Tx) error {
		rows, total, next, err := tx.Groups(q, VisibleOnly)
		page = GroupPage{Groups: make([]Group, len(rows)), Total: total, Next: next}
		for i := range rows {
			page.Groups[i] = shown(&rows[i])
		}
		return err
	})
	return page, err
}

// Members lists the members of a group that the integration sees.
func (s *Service) Members(ctx context.Context, group, after string, limit int) ([]Member, error) {
	var members []Member
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := visibleGroup(tx, group)
		if err != nil {
			return err
		}
		members, err = tx.Members(row.Seq, after, limit, scope(row.Mode))
		return err
	})
	return members, err
}

// CreateGroup makes a group whose truth is the identity provider's list.
func (s *Service) CreateGroup(ctx context.Context, n NewGroup) (GroupResult, error) {
	var res GroupResult
	if err := checkID(n.ID); err != nil {
		return res, err
	}
	if err := checkGroup(n.Name, n.ExternalID, n.Profile); err != nil {
		return res, err
	}
	err := s.updateKeeping(ctx, "group.create", "group", n.ID, func(tx Tx) error {
		res = GroupResult{}
		if row, err := visibleGroup(tx, n.ID); err == nil && Fold(row.Name) == Fold(n.Name) { // the same call again
			res.Group = shown(&row)
			return nil
		}
		if err := nameIsFree(tx, n.Name, ""); err != nil {
			return err
		}
		now := s.now()
		row := GroupRow{Group: Group{
			ID: n.ID, Name: n.Name, ExternalID: n.ExternalID, Profile: n.Profile, Managed: true, Mode: Exclusive,
			Revision: 1, Created: now, Modified: now,
		}}
		if err := tx.InsertGroup(&row); err != nil {
			return idTaken(err)
		}
		if err := s.enter(ctx, tx, "group.create", "group", row.ID, ""); err != nil {
			return err
		}
		c := GroupChange{Strict: n.Strict}
		if len(n.Members) > 0 {
			c.Steps = []MemberStep{{Kind: Add, Users: n.Members, Evidence: n.Evidence}}
		}
		var err error
		if res.Unknown, _, err = s.step(ctx, tx, &row, c); err != nil {
			return err
		}
		res.Group, res.Changed = shown(&row), true
		return tx.UpdateGroup(&row)
	}, func() outcome { return outcome{Changed: res.Changed, Unknown: res.Unknown} })
	if before := repeated(err); before != nil {
		return s.groupAgain(ctx, n.ID, 0, before)
	}
	return res, err
}

// groupAgain is the result of a call that was carried out before, for a group as it stands now.
func (s *Service) groupAgain(ctx context.Context, id string, show int, before *outcome) (GroupResult, error) {
	res := GroupResult{Changed: before.Changed, Unknown: before.Unknown}
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := visibleGroup(tx, id)
		if err != nil {
			return err
		}
		res.Group = shown(&row)
		return res.show(tx, &row, show)
	})
	return res, err
}

// show fills in the members where there are so many at most.
func (r *GroupResult) show(tx Tx, row *GroupRow, most int) (err error) {
	if most > 0 && r.Group.Members <= most {
		r.Shown = true
		r.Members, err = tx.Members(row.Seq, "", most+1, scope(row.Mode))
	}
	return err
}

// nameIsFree refuses a name that another group has, managed or not; except is the group that is to have it.
func nameIsFree(tx Tx, name, except string) error {
	holders, err := tx.GroupsByName(Fold(name))
	if err != nil {
		return err
	}
	holders = slices.DeleteFunc(holders, func(g GroupRow) bool { return g.ID == except })
	if len(holders) == 0 {
		return nil
	}
	return &TakenError{Kind: ErrGroupName, ID: holders[0].ID, Managed: holders[0].Visible(), Several: len(holders) > 1}
}

// ChangeGroup changes name, external id, profile and members, all or nothing.
func (s *Service) ChangeGroup(ctx context.Context, id string, c GroupChange) (GroupResult, error) {
	var res GroupResult
	err := s.updateKeeping(ctx, "group.change", "group", id, func(tx Tx) error {
		res = GroupResult{}
		row, err := visibleGroup(tx, id)
		if err != nil {
			return err
		}
		if c.IfRevision != 0 && c.IfRevision != row.Revision {
			return ErrRevision
		}
		described, err := s.describeGroup(ctx, tx, &row, c)
		if err != nil {
			return err
		}
		var moved bool
		if res.Unknown, moved, err = s.step(ctx, tx, &row, c); err != nil {
			return err
		}
		if res.Changed = described || moved; res.Changed {
			row.Revision++
			row.Modified = s.after(row.Modified)
			if err := tx.UpdateGroup(&row); err != nil {
				return err
			}
		}
		res.Group = shown(&row)
		return res.show(tx, &row, c.Show)
	}, func() outcome { return outcome{Changed: res.Changed, Unknown: res.Unknown} })
	if before := repeated(err); before != nil {
		return s.groupAgain(ctx, id, c.Show, before)
	}
	return res, err
}

// describeGroup carries name, external id and profile into the row and tells whether anything changed.
func (s *Service) describeGroup(ctx context.Context, tx Tx, row *GroupRow, c GroupChange) (bool, error) {
	name, external, profile := row.Name, row.ExternalID, row.Profile
	if c.Name != nil {
		name = *c.Name
	}
	if c.ExternalID != nil {
		external = *c.ExternalID
	}
	if c.Profile != nil {
		profile = c.Profile
	}
	if name == row.Name && external == row.ExternalID && bytes.Equal(profile, row.Profile) {
		return false, nil
	}
	if err := checkGroup(name, external, profile); err != nil {
		return false, err
	}
	verb := "group.change"
	if Fold(name) != Fold(row.Name) {
		if err := nameIsFree(tx, name, row.ID); err != nil {
			return false, err
		}
		verb = "group.rename"
	}
	row.Name, row.ExternalID, row.Profile = name, external, profile
	return true, s.enter(ctx, tx, verb, "group", row.ID, "")
}

func checkGroup(name, external string, profile []byte) error {
	if strings.TrimSpace(name) == "" {
		return &InvalidError{"displayName", "is required and must not be empty"}
	}
	if err := field("displayName", name, maxName); err != nil {
		return err
	}
	if err := field("externalId", external, maxKey); err != nil {
		return err
	}
	if len(profile) > maxProfile {
		return &InvalidError{"the resource", "is too large to be kept"}
	}
	return nil
}

// step carries out the changes of members, in order, and keeps the row's counts.
func (s *Service) step(ctx context.Context, tx Tx, row *GroupRow, c GroupChange) (unknown []string, moved bool, err error) {
	for _, st := range c.Steps {
		if len(st.Users) > maxGroup {
			return nil, false, &InvalidError{"members", "names more than " + strconv.Itoa(maxGroup) + " people"}
		}
		if len(st.Evidence) > 0 && len(st.Evidence) != len(st.Users) {
			return nil, false, &InvalidError{"members", "have evidence that is not one for each"}
		}
		who, err := found(tx, st.Users)
		if err != nil {
			return nil, false, err
		}
		who.witness(st)
		if len(who.missing) > 0 && st.Kind != Remove {
			if c.Strict {
				return nil, false, &UnknownMembersError{who.missing}
			}
			unknown = append(unknown, who.missing...)
		}
		add, remove := who.seqs, []int64(nil)
		switch st.Kind {
		case Remove:
			add, remove = nil, who.seqs
		case Replace:
			if add, remove, err = difference(tx, row, who.seqs); err != nil {
				return nil, false, err
			}
		}
		changed, err := s.move(ctx, tx, row, who, add, remove)
		if err != nil {
			return nil, false, err
		}
		moved = moved || changed
	}
	return unknown, moved, nil
}

// people are users that were looked up by id.
type people struct {
	seqs    []int64 // each once, in the order of the ids
	ids     map[int64]string
	missing []string // ids of nobody, each once, in order
	// evidence of their membership, by sequence number; nil where there is none
	evidence map[int64][]byte
}

// witness takes over the evidence of a step.
func (p *people) witness(st MemberStep) {
	if len(st.Evidence) == 0 {
		return
	}
	byID := make(map[string][]byte, len(st.Users))
	for i, id := range st.Users {
		byID[id] = st.Evidence[i]
	}
	p.evidence = make(map[int64][]byte, len(p.seqs))
	for _, seq := range p.seqs {
		p.evidence[seq] = byID[p.ids[seq]]
	}
}

// found looks users up.
func found(tx Tx, ids []string) (people, error) {
	byID, err := tx.FindUsers(ids)
	p := people{seqs: make([]int64, 0, len(byID)), ids: make(map[int64]string, len(byID))}
	if err != nil {
		return p, err
	}
	for _, id := range ids {
		seq, ok := byID[id]
		if !ok {
			byID[id] = 0 // numbers begin at 1
			p.missing = append(p.missing, id)
			continue
		}
		if _, again := p.ids[seq]; !again && seq != 0 {
			p.ids[seq] = id
			p.seqs = append(p.seqs, seq)
		}
	}
	return p, nil
}

// difference is what a replacement has to add and to remove.
func difference(tx Tx, row *GroupRow, want []int64) (add, remove []int64, err error) {
	have, err := tx.MemberSeqs(row.Seq, scope(row.Mode))
	if err != nil {
		return nil, nil, err
	}
	wanted := make(map[int64]bool, len(want))
	for _, seq := range want {
		wanted[seq] = true
	}
	for _, seq := range have {
		if !wanted[seq] {
			remove = append(remove, seq)
		}
		delete(wanted, seq)
	}
	for _, seq := range want {
		if wanted[seq] {
			add = append(add, seq)
		}
	}
	return add, remove, nil
}

// move adds and removes members, enters what changed, and keeps the row's counts.
func (s *Service) move(ctx context.Context, tx Tx, row *GroupRow, who people, add, remove []int64) (bool, error) {
	added, claimed, err := tx.AddMembers(row.Seq, add, SCIM, who.evidence)
	if err != nil {
		return false, err
	}
	held, err := s.held(tx, row, remove)
	if err != nil {
		return false, err
	}
	removed, yielded, err := tx.RemoveMembers(row.Seq, remove, SCIM)
	if err != nil {
		return false, err
	}
	if err := s.await(tx, append(slices.Clone(added), claimed...)); err != nil {
		return false, err
	}
	if err := s.withdraw(tx, row, held, removed); err != nil {
		return false, err
	}
	row.Members += len(added) - len(removed)
	row.ThroughSCIM += len(added) + len(claimed) - len(removed) - len(yielded)
	if err := s.removal(ctx, tx, row, who, removed); err != nil {
		return false, err
	}
	added, removed = append(added, claimed...), append(removed, yielded...)
	if err := s.enterMembers(ctx, tx, "group.members.add", row.ID, who, added); err != nil {
		return false, err
	}
	if err := s.enterMembers(ctx, tx, "group.members.remove", row.ID, who, removed); err != nil {
		return false, err
	}
	return len(added)+len(removed) > 0, nil
}

// namedMembers is how many people one entry of the log names, which keeps an entry below 32 KiB. More take more
// entries.
const namedMembers = 1000

func (s *Service) enterMembers(ctx context.Context, tx Tx, verb, group string, who people, seqs []int64) error {
	for part := range slices.Chunk(seqs, namedMembers) {
		ids := make([]string, len(part))
		for i, seq := range part {
			var err error
			if ids[i] = who.ids[seq]; ids[i] == "" { // a replacement removes people whom it does not name
				if ids[i], err = tx.UserID(seq); err != nil {
					return err
				}
			}
		}
		if err := s.enter(ctx, tx, verb, "group", group, strings.Join(ids, " ")); err != nil {
			return err
		}
	}
	return nil
}

// DeleteGroup deletes a group that the integration made; one that it was given goes back to the account, less the
// memberships that came through the integration.
func (s *Service) DeleteGroup(ctx context.Context, id string, ifRevision int64) error {
	err := s.update(ctx, "group.delete", "group", id, func(tx Tx) error {
		row, err := visibleGroup(tx, id)
		if err != nil {
			return err
		}
		if ifRevision != 0 && ifRevision != row.Revision {
			return ErrRevision
		}
		if row.Mode != Additive {
			if err := tx.DeleteGroup(row.Seq); err != nil {
				return err
			}
			return s.enter(ctx, tx, "group.delete", "group", id, "")
		}
		seqs, err := tx.MemberSeqs(row.Seq, SCIM)
		if err != nil {
			return err
		}
		held, err := s.held(tx, &row, seqs)
		if err != nil {
			return err
		}
		gone, _, err := tx.RemoveMembers(row.Seq, seqs, SCIM)
		if err != nil {
			return err
		}
		if err := s.withdraw(tx, &row, held, gone); err != nil {
			return err
		}
		if err := withdrawFromIntegration(tx, &row); err != nil {
			return err
		}
		row.Members -= len(gone)
		row.ThroughSCIM = 0
		row.Managed = false
		row.Revision++
		row.Modified = s.after(row.Modified)
		if err := tx.UpdateGroup(&row); err != nil {
			return err
		}
		return s.enter(ctx, tx, "group.release", "group", id, "")
	})
	if repeated(err) != nil {
		return nil
	}
	return err
}
