package bridge

import (
	"context"
	"errors"
	"strings"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

const (
	// quietMembers is from how many members on a change is answered 204 where the client asks for no attributes: no
	// identity provider reads the list back, and sending it would make the answer cost what the group holds.
	quietMembers = 1000
	// memberPage is how many members are read from the account at once.
	memberPage = 5000
)

func (b *Bridge) createGroup(ctx context.Context, body *scim.Object, shape protocol.Shape) (protocol.Resource, error) {
	doc, err := b.groups.Canonical(body)
	if err != nil {
		return protocol.Resource{}, err
	}
	members, err := takeMembers(doc)
	if err != nil {
		return protocol.Resource{}, err
	}
	id, err := account.NewID(b.clock(), b.rand)
	if err != nil {
		return protocol.Resource{}, err
	}
	res, err := b.account.CreateGroup(ctx, account.NewGroup{
		ID: id, Name: doc.String("displayName"), ExternalID: doc.String("externalId"),
		Profile: scim.JSON(doc), Members: members, Evidence: b.ofMembers(id, members), Strict: b.strict,
	})
	if err != nil {
		return protocol.Resource{}, groupError(id, err)
	}
	b.skipped(ctx, &res)
	r, err := b.groupResource(ctx, &res.Group, shape)
	return r, err
}

func (b *Bridge) getGroup(ctx context.Context, id string, shape protocol.Shape) (protocol.Resource, error) {
	g, err := b.view.Group(ctx, id)
	if err != nil {
		return protocol.Resource{}, groupError(id, err)
	}
	return b.groupResource(ctx, &g, shape)
}

// replaceGroup is PUT. The members become exactly those of the body; a body without members leaves them alone,
// since clients that rename a group by PUT must not empty it. An empty list empties it.
func (b *Bridge) replaceGroup(ctx context.Context, id string, body *scim.Object, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	doc, err := b.groups.Canonical(body)
	if err != nil {
		return protocol.Resource{}, err
	}
	members, err := takeMembers(doc)
	if err != nil {
		return protocol.Resource{}, err
	}
	var steps []account.MemberStep
	if body.Has("members") {
		steps = []account.MemberStep{{Kind: account.Replace, Users: members, Evidence: b.ofMembers(id, members)}}
	}
	fixed := immutables(b.groups)
	return b.changeGroup(ctx, id, ifMatch, len(fixed) > 0, shape, func(old *account.Group) (account.GroupChange, error) {
		if old != nil {
			if err := keepsImmutables(fixed, b.groupProfile(old), doc); err != nil {
				return account.GroupChange{}, err
			}
		}
		c := describe(doc)
		c.Steps = steps
		return c, nil
	})
}

// patchGroup turns operations on members into steps, so that the change costs what it changes. Only where a filter
// asks for more than ids are the members read.
func (b *Bridge) patchGroup(ctx context.Context, id string, ops []patch.Operation, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	rest, memberSteps, simple := patch.SplitMembers(ops)
	if !simple {
		return b.patchGroupWhole(ctx, id, ops, ifMatch, shape)
	}
	steps := make([]account.MemberStep, len(memberSteps))
	for i, s := range memberSteps {
		steps[i] = account.MemberStep{Kind: stepKinds[s.Kind], Users: s.Values}
		if s.Kind != patch.StepRemove {
			steps[i].Evidence = b.ofMembers(id, s.Values)
		}
	}
	return b.changeGroup(ctx, id, ifMatch, len(rest) > 0, shape, func(old *account.Group) (account.GroupChange, error) {
		c := account.GroupChange{Steps: steps}
		if len(rest) == 0 {
			return c, nil
		}
		before := b.groupProfile(old)
		before.Set("id", old.ID)
		doc, changed, err := patch.Apply(b.groups, before, rest)
		if err != nil || !changed {
			return c, err
		}
		doc.Delete("id")
		c = describe(doc)
		c.Steps, c.IfRevision = steps, old.Revision
		return c, nil
	})
}

var stepKinds = map[patch.StepKind]account.StepKind{
	patch.StepAdd: account.Add, patch.StepRemove: account.Remove, patch.StepReplace: account.Replace,
}

// patchGroupWhole applies operations to the group with all its members read.
func (b *Bridge) patchGroupWhole(ctx context.Context, id string, ops []patch.Operation, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	return b.changeGroup(ctx, id, ifMatch, true, shape, func(old *account.Group) (account.GroupChange, error) {
		before := b.groupProfile(old)
		before.Set("id", old.ID)
		members, err := b.members(ctx, old.ID)
		if err != nil {
			return account.GroupChange{}, err
		}
		before.Set("members", memberValues(members, shape.Base))
		doc, changed, err := patch.Apply(b.groups, before, ops)
		if err != nil || !changed {
			return account.GroupChange{}, err
		}
		ids, err := takeMembers(doc)
		if err != nil {
			return account.GroupChange{}, err
		}
		doc.Delete("id")
		c := describe(doc)
		c.IfRevision = old.Revision
		c.Steps = []account.MemberStep{{Kind: account.Replace, Users: ids, Evidence: b.ofMembers(id, ids)}}
		return c, nil
	})
}

// changeGroup applies the change that compute makes of the group as it stands. With read false and no precondition
// the group is not read before, and compute gets nil.
func (b *Bridge) changeGroup(ctx context.Context, id, ifMatch string, read bool, shape protocol.Shape, compute func(*account.Group) (account.GroupChange, error)) (protocol.Resource, error) {
	for range retries {
		var old *account.Group
		if read || ifMatch != "" {
			g, err := b.account.Group(ctx, id)
			if err != nil {
				return protocol.Resource{}, groupError(id, err)
			}
			old = &g
			if err := precondition(ifMatch, groupVersion(old)); err != nil {
				return protocol.Resource{}, err
			}
		}
		c, err := compute(old)
		if err != nil {
			return protocol.Resource{}, groupError(id, err)
		}
		c.Strict, c.Show = b.strict, quietMembers
		if ifMatch != "" {
			c.IfRevision = old.Revision
		}
		res, err := b.account.ChangeGroup(ctx, id, c)
		if errors.Is(err, account.ErrRevision) {
			continue
		}
		if err != nil {
			return protocol.Resource{}, groupError(id, err)
		}
		b.skipped(ctx, &res)
		if res.Group.Members > quietMembers && len(shape.Attributes) == 0 && len(shape.Excluded) == 0 {
			return protocol.Resource{ID: id, Version: groupVersion(&res.Group), Location: shape.Base + "/Groups/" + id}, nil
		}
		if p := b.projection(b.groups, shape); res.Shown {
			return b.renderGroup(&res.Group, res.Members, p.Wants("members"), shape.Base, p), nil
		}
		return b.groupResource(ctx, &res.Group, shape)
	}
	return protocol.Resource{}, errBusy()
}

func (b *Bridge) deleteGroup(ctx context.Context, id, ifMatch string) error {
	for range retries {
		var revision int64
		if ifMatch != "" {
			g, err := b.account.Group(ctx, id)
			if err != nil {
				return groupError(id, err)
			}
			if err := precondition(ifMatch, groupVersion(&g)); err != nil {
				return err
			}
			revision = g.Revision
		}
		err := b.account.DeleteGroup(ctx, id, revision)
		if errors.Is(err, account.ErrRevision) {
			continue
		}
		return groupError(id, err)
	}
	return errBusy()
}

func (b *Bridge) groupResource(ctx context.Context, g *account.Group, shape protocol.Shape) (protocol.Resource, error) {
	p := b.projection(b.groups, shape)
	members, shown, err := b.shownMembers(ctx, g, p)
	if err != nil {
		return protocol.Resource{}, groupError(g.ID, err)
	}
	return b.renderGroup(g, members, shown, shape.Base, p), nil
}

func (b *Bridge) renderGroup(g *account.Group, members []account.Member, shown bool, base string, p schema.Projection) protocol.Resource {
	size := len(g.Profile) + 512 + len(members)*(len(base)+140)
	return protocol.Resource{
		ID: g.ID, Version: groupVersion(g), Location: base + "/Groups/" + g.ID,
		Body: b.appendGroup(make([]byte, 0, size), g, members, shown, base, p),
	}
}

// shownMembers reads the members where the answer has them; excluding them saves the reading.
func (b *Bridge) shownMembers(ctx context.Context, g *account.Group, p interface{ Wants(string) bool }) ([]account.Member, bool, error) {
	if !p.Wants("members") {
		return nil, false, nil
	}
	if g.Members == 0 {
		return nil, true, nil
	}
	members, err := b.members(ctx, g.ID)
	return members, true, err
}

func (b *Bridge) members(ctx context.Context, group string) ([]account.Member, error) {
	var all []account.Member
	for after := ""; ; after = all[len(all)-1].UserID {
		page, err := b.account.Members(ctx, group, after, memberPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < memberPage {
			return all, nil
		}
	}
}

// describe is the change that gives a group the canonical document's name, external id and profile.
func describe(doc *scim.Object) account.GroupChange {
	name, external := doc.String("displayName"), doc.String("externalId")
	return account.GroupChange{Name: &name, ExternalID: &external, Profile: scim.JSON(doc)}
}

// takeMembers removes the members from a canonical document and returns their ids. Groups in groups are refused:
// an account grants a group's keys to people.
func takeMembers(doc *scim.Object) ([]string, error) {
	values, _ := doc.Get("members").(scim.Array)
	doc.Delete("members")
	ids := make([]string, 0, len(values))
	for _, v := range values {
		o, ok := v.(*scim.Object)
		if !ok {
			continue
		}
		if strings.EqualFold(o.String("type"), "Group") {
			return nil, scim.BadRequest(scim.InvalidValue, "members: %s is a group. Groups cannot be members of groups here; add the people.", short(o.String("value")))
		}
		ids = append(ids, o.String("value"))
	}
	return ids, nil
}

// groupProfile is the canonical document of a group without members; name and external id are the account's.
func (b *Bridge) groupProfile(g *account.Group) *scim.Object {
	doc, err := scim.ParseObject(g.Profile)
	if err != nil {
		doc = scim.NewObject(scim.Member{Name: "schemas", Value: scim.Array{scim.GroupSchema}})
	}
	set(doc, "displayName", g.Name)
	set(doc, "externalId", g.ExternalID)
	return doc
}

// skipped logs members that name no user: refusing them would lose the push, since no client repeats a 400.
func (b *Bridge) skipped(ctx context.Context, res *account.GroupResult) {
	if len(res.Unknown) > 0 {
		b.log.WarnContext(ctx, "members that name no user were skipped", "group", res.Group.ID, "count", len(res.Unknown),
			"first", short(res.Unknown[0]))
	}
}
