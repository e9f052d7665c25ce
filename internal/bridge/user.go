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

func (b *Bridge) createUser(ctx context.Context, body *scim.Object, shape protocol.Shape) (protocol.Resource, error) {
	doc, err := b.users.Canonical(body)
	if err != nil {
		return protocol.Resource{}, err
	}
	active := takeActive(doc)
	id, err := account.NewID(b.clock(), b.rand)
	if err != nil {
		return protocol.Resource{}, err
	}
	p := person(doc)
	u, err := b.account.Invite(ctx, account.Invitation{
		ID: id, Person: p, Inactive: active != nil && !*active, Evidence: b.ofInvitee(id, p.Email),
	})
	if err == nil && u.ID != id { // somebody who was let go comes back under the old id
		if proof := b.ofInvitee(u.ID, p.Email); proof != nil {
			u, err = b.account.ChangeUser(ctx, u.ID, account.UserChange{Evidence: proof})
		}
	}
	if err != nil {
		return protocol.Resource{}, userError(id, err)
	}
	return b.userResource(&u, shape), nil
}

func (b *Bridge) getUser(ctx context.Context, id string, shape protocol.Shape) (protocol.Resource, error) {
	if id == b.integration.ID {
		u := b.self()
		return b.userResource(&u, shape), nil
	}
	u, err := b.view.User(ctx, id)
	if err != nil {
		return protocol.Resource{}, userError(id, err)
	}
	return b.userResource(&u, shape), nil
}

// replaceUser is PUT. What the body leaves out is unassigned, but for active, which stays: a client that forgets
// it must not let anybody back in (RFC 7644 §3.5.1 leaves the choice).
func (b *Bridge) replaceUser(ctx context.Context, id string, body *scim.Object, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	doc, err := b.users.Canonical(body)
	if err != nil {
		return protocol.Resource{}, err
	}
	active := takeActive(doc)
	p := person(doc)
	fixed := immutables(b.users)
	u, err := b.changeUser(ctx, id, ifMatch, len(fixed) > 0, func(old *account.User) (account.UserChange, error) {
		if old != nil {
			if err := keepsImmutables(fixed, b.document(old), doc); err != nil {
				return account.UserChange{}, err
			}
		}
		return account.UserChange{Person: &p, Active: active, Evidence: b.ofInvitee(id, p.Email)}, nil
	})
	if err != nil {
		return protocol.Resource{}, err
	}
	return b.userResource(&u, shape), nil
}

func (b *Bridge) patchUser(ctx context.Context, id string, ops []patch.Operation, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	active, only := b.onlyActive(ops)
	u, err := b.changeUser(ctx, id, ifMatch, !only, func(old *account.User) (account.UserChange, error) {
		if only {
			return account.UserChange{Active: &active}, nil
		}
		doc, changed, err := patch.Apply(b.users, b.document(old), ops)
		if err != nil || !changed {
			return account.UserChange{}, err
		}
		c := account.UserChange{IfRevision: old.Revision, Active: takeActive(doc)}
		doc.Delete("id")
		p := person(doc)
		c.Person = &p
		if p.Email != old.Email {
			c.Evidence = b.ofInvitee(id, p.Email)
		}
		return c, nil
	})
	if err != nil {
		return protocol.Resource{}, err
	}
	return b.userResource(&u, shape), nil
}

// changeUser applies the change that compute makes of the user as it stands. With read false and no precondition
// the user is not read before, and compute gets nil.
func (b *Bridge) changeUser(ctx context.Context, id, ifMatch string, read bool, compute func(*account.User) (account.UserChange, error)) (account.User, error) {
	if id == b.integration.ID {
		return account.User{}, errSelf()
	}
	for range retries {
		var old *account.User
		if read || ifMatch != "" {
			u, err := b.account.User(ctx, id)
			if err != nil {
				return account.User{}, userError(id, err)
			}
			old = &u
			if err := precondition(ifMatch, userVersion(old)); err != nil {
				return account.User{}, err
			}
		}
		c, err := compute(old)
		if err != nil {
			return account.User{}, err
		}
		if ifMatch != "" {
			c.IfRevision = old.Revision
		}
		u, err := b.account.ChangeUser(ctx, id, c)
		if errors.Is(err, account.ErrRevision) {
			continue // the precondition, if any, is judged anew on what stands now
		}
		if err != nil {
			return account.User{}, userError(id, err)
		}
		return u, nil
	}
	return account.User{}, errBusy()
}

func (b *Bridge) deleteUser(ctx context.Context, id, ifMatch string) error {
	if id == b.integration.ID {
		return errSelf()
	}
	for range retries {
		var revision int64
		if ifMatch != "" {
			u, err := b.account.User(ctx, id)
			if err != nil {
				return userError(id, err)
			}
			if err := precondition(ifMatch, userVersion(&u)); err != nil {
				return err
			}
			revision = u.Revision
		}
		err := b.account.ReleaseUser(ctx, id, revision)
		if errors.Is(err, account.ErrRevision) {
			continue
		}
		return userError(id, err)
	}
	return errBusy()
}

// onlyActive tells whether the operations do nothing but set active, which is the commonest change of all and needs
// no look at the profile.
func (b *Bridge) onlyActive(ops []patch.Operation) (active, only bool) {
	target, ok := b.users.Resolve("", "active", "")
	if !ok {
		return false, false
	}
	for _, op := range ops {
		if op.Op == patch.Remove {
			return false, false
		}
		value := op.Value
		if op.HasPath {
			if !strings.EqualFold(op.Path.String(), "active") {
				return false, false
			}
		} else {
			o, ok := value.(*scim.Object)
			if !ok || o.Len() != 1 || !o.Has("active") {
				return false, false
			}
			value = o.Get("active")
		}
		// What is no boolean as it stands is left to package patch, which knows the dialects.
		v, err := b.users.Coerce(target, value)
		if err != nil {
			return false, false
		}
		if active, ok = v.(bool); !ok {
			return false, false
		}
	}
	return active, len(ops) > 0
}

// takeActive removes active from a document and returns it, nil where it is unassigned.
func takeActive(doc *scim.Object) *bool {
	v, ok := doc.Get("active").(bool)
	doc.Delete("active")
	if !ok {
		return nil
	}
	return &v
}

// person draws the account's fields from a canonical document without id, active, groups and meta, which becomes
// the profile.
func person(doc *scim.Object) account.Person {
	linkManager(doc)
	p := account.Person{
		UserName:   doc.String("userName"),
		Name:       displayName(doc),
		Language:   doc.String("preferredLanguage"),
		ExternalID: doc.String("externalId"),
		Profile:    scim.JSON(doc),
	}
	p.Email, p.Addresses = addresses(doc)
	if p.Email == "" {
		p.Email = p.UserName
	}
	return p
}

// linkManager gives a manager who is a person of the account the reference that goes with the id (RFC 7643 §4.3). It
// is relative to the person's own address, as in the RFC's example, and so the same under every base.
func linkManager(doc *scim.Object) {
	ext, ok := doc.Get(scim.EnterpriseSchema).(*scim.Object)
	if !ok {
		return
	}
	if m, ok := ext.Get("manager").(*scim.Object); ok && account.IsID(m.String("value")) {
		m.Set("$ref", "../Users/"+m.String("value"))
	}
}

// displayName is what people see: displayName, or else name.formatted, or else the parts of the name.
func displayName(doc *scim.Object) string {
	if s := doc.String("displayName"); s != "" {
		return s
	}
	if name, ok := doc.Get("name").(*scim.Object); ok {
		if s := name.String("formatted"); s != "" {
			return s
		}
		if s := strings.TrimSpace(name.String("givenName") + " " + name.String("familyName")); s != "" {
			return s
		}
	}
	return doc.String("userName")
}

// addresses returns the primary e-mail address, or the first, and the others.
func addresses(doc *scim.Object) (first string, others []string) {
	emails, _ := doc.Get("emails").(scim.Array)
	for _, e := range emails {
		o, ok := e.(*scim.Object)
		if !ok || o.String("value") == "" {
			continue
		}
		value := o.String("value")
		switch primary, _ := o.Get("primary").(bool); {
		case first == "":
			first = value
		case primary:
			first, others = value, append(others, first)
		default:
			others = append(others, value)
		}
	}
	return first, others
}

// document is the user as PATCH and filters see it: the profile, id and active.
func (b *Bridge) document(u *account.User) *scim.Object {
	doc := b.profile(u)
	doc.Set("id", u.ID)
	doc.Set("active", u.State.Live())
	return doc
}

// profile is the canonical document of a user, with what the account knows better put in.
func (b *Bridge) profile(u *account.User) *scim.Object {
	doc, err := scim.ParseObject(u.Profile)
	if err != nil {
		return bareProfile(u)
	}
	if !u.ProfileStale {
		return doc
	}
	set(doc, "userName", u.UserName)
	set(doc, "externalId", u.ExternalID)
	set(doc, "preferredLanguage", u.Language)
	if u.Name != displayName(doc) {
		set(doc, "displayName", u.Name)
		doc.Set("name", nameParts(u.Name))
	}
	if first, _ := addresses(doc); u.Email != first && u.Email != u.UserName {
		if list := emails(u); list != nil {
			doc.Set("emails", list)
		}
	}
	doc.Set("schemas", b.users.Schemas(doc))
	return doc
}

// bareProfile is the document of a user that no identity provider has described, the owner for one. It has a name
// and an e-mail address, since Okta's test of a new integration reads those of the first user listed.
func bareProfile(u *account.User) *scim.Object {
	doc := scim.NewObject(
		scim.Member{Name: "schemas", Value: scim.Array{scim.UserSchema}},
		scim.Member{Name: "userName", Value: u.UserName},
		scim.Member{Name: "name", Value: nameParts(u.Name)},
		scim.Member{Name: "displayName", Value: u.Name})
	if list := emails(u); list != nil {
		doc.Set("emails", list)
	}
	set(doc, "externalId", u.ExternalID)
	set(doc, "preferredLanguage", u.Language)
	return doc
}

// nameParts takes the first word for the given name, as the original bridge does.
func nameParts(name string) *scim.Object {
	given, family, _ := strings.Cut(name, " ")
	if family == "" {
		family = given
	}
	return scim.NewObject(
		scim.Member{Name: "formatted", Value: name},
		scim.Member{Name: "givenName", Value: given},
		scim.Member{Name: "familyName", Value: family})
}

func emails(u *account.User) scim.Array {
	if !strings.Contains(u.Email, "@") {
		return nil
	}
	return scim.Array{scim.NewObject(
		scim.Member{Name: "value", Value: u.Email},
		scim.Member{Name: "type", Value: "work"},
		scim.Member{Name: "primary", Value: true})}
}

func set(doc *scim.Object, name, value string) {
	if value == "" {
		doc.Delete(name)
		return
	}
	doc.Set(name, value)
}

// self is the integration as a user, for /Me.
func (b *Bridge) self() account.User {
	u := account.User{ID: b.integration.ID, State: account.Active, Protection: "the integration itself"}
	u.UserName, u.Name = b.integration.Name, b.integration.Name
	u.Email = b.integration.Name
	u.Created, u.Modified, u.Revision = b.integration.Created, b.integration.Created, 1
	return u
}

// immutables lists the attributes outside members that may be set only once; the standard schemas have none, an
// extension may.
func immutables(rt *schema.ResourceType) []schema.Target {
	var targets []schema.Target
	add := func(ext *schema.Schema, attrs []*schema.Attribute) {
		for _, a := range attrs {
			if a.Mutability == schema.Immutable {
				targets = append(targets, schema.Target{Extension: ext, Attr: a})
			}
		}
	}
	add(nil, rt.Schema.Attributes)
	for _, e := range rt.Extensions {
		add(e.Schema, e.Schema.Attributes)
	}
	return targets
}

// keepsImmutables refuses a PUT that gives an immutable attribute another value (RFC 7644 §3.5.1).
func keepsImmutables(fixed []schema.Target, old, now *scim.Object) error {
	for _, t := range fixed {
		was, is := attribute(old, t), attribute(now, t)
		if was != nil && !scim.Equal(was, is) {
			return scim.BadRequest(scim.Mutability, "%s is immutable: it has a value and cannot be given another", t)
		}
	}
	return nil
}

func attribute(doc *scim.Object, t schema.Target) any {
	if t.Extension != nil {
		ext, ok := doc.Get(t.Extension.ID).(*scim.Object)
		if !ok {
			return nil
		}
		doc = ext
	}
	return doc.Get(t.Attr.Name)
}
