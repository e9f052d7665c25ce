package bridge

import (
	"hash/fnv"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

func (b *Bridge) userResource(u *account.User, shape protocol.Shape) protocol.Resource {
	version := userVersion(u)
	return protocol.Resource{
		ID: u.ID, Version: version, Location: shape.Base + "/Users/" + u.ID,
		Body: b.appendUser(make([]byte, 0, len(u.Profile)+512), u, version, shape.Base, b.projection(b.users, shape)),
	}
}

func (b *Bridge) projection(rt *schema.ResourceType, shape protocol.Shape) schema.Projection {
	return schema.ParseProjection(rt, shape.Attributes, shape.Excluded)
}

// appendUser appends the user's JSON: the stored profile with id, active, groups and meta spliced in, or, where the
// client chose attributes, what remains of all that.
func (b *Bridge) appendUser(dst []byte, u *account.User, version, base string, p schema.Projection) []byte {
	if !p.IsDefault() {
		return scim.AppendJSON(dst, p.Apply(b.users, b.fullUser(u, version, base)))
	}
	profile := u.Profile
	if u.ProfileStale || len(profile) < 2 {
		profile = scim.JSON(b.profile(u))
	}
	dst = append(dst, `{"id":`...)
	dst = scim.AppendString(dst, u.ID)
	dst = append(dst, ',')
	dst = append(dst, profile[1:len(profile)-1]...)
	dst = append(dst, `,"active":`...)
	dst = strconv.AppendBool(dst, u.State.Live())
	if len(u.Groups) > 0 {
		dst = append(dst, `,"groups":[`...)
		for i, g := range u.Groups {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendGroupRef(dst, g, base)
		}
		dst = append(dst, ']')
	}
	return appendMeta(dst, "User", "/Users/", u.ID, version, base, u.Created, u.Modified)
}

func appendGroupRef(dst []byte, g account.GroupRef, base string) []byte {
	dst = append(dst, `{"value":"`...)
	dst = append(dst, g.ID...)
	dst = append(dst, `","$ref":`...)
	dst = appendLocation(dst, base, "/Groups/", g.ID)
	dst = append(dst, `,"display":`...)
	dst = scim.AppendString(dst, g.Name)
	return append(dst, `,"type":"direct"}`...)
}

// appendMeta appends meta and the end of the resource.
func appendMeta(dst []byte, kind, endpoint, id, version, base string, created, modified time.Time) []byte {
	dst = append(dst, `,"meta":{"resourceType":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","created":"`...)
	dst = appendTime(dst, created)
	dst = append(dst, `","lastModified":"`...)
	dst = appendTime(dst, modified)
	dst = append(dst, `","location":`...)
	dst = appendLocation(dst, base, endpoint, id)
	dst = append(dst, `,"version":`...)
	dst = scim.AppendString(dst, version)
	return append(dst, `}}`...)
}

// appendLocation appends the address of a resource. Only the base may need escaping.
func appendLocation(dst []byte, base, endpoint, id string) []byte {
	dst = scim.AppendString(dst, base)
	dst = append(dst[:len(dst)-1], endpoint...)
	dst = append(dst, id...)
	return append(dst, '"')
}

// timeFormat is RFC 3339 in UTC with milliseconds, the precision that the account keeps.
const timeFormat = "2006-01-02T15:04:05.000Z"

// appendTime appends a time in timeFormat, without reading the format for each.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), int(month), 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	dst = appendDigits(append(dst, 'T'), hour, 2)
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	dst = appendDigits(append(dst, '.'), t.Nanosecond()/int(time.Millisecond), 3)
	return append(dst, 'Z')
}

// appendDigits appends a number with leading zeros.
func appendDigits(dst []byte, n, width int) []byte {
	begin := len(dst)
	dst = append(dst, "0000"[:width]...)
	for i := begin + width - 1; i >= begin; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// fullUser is the whole resource as a tree, for filters, sorting and projection.
func (b *Bridge) fullUser(u *account.User, version, base string) *scim.Object {
	doc := b.document(u)
	if len(u.Groups) > 0 {
		groups := make(scim.Array, len(u.Groups))
		for i, g := range u.Groups {
			groups[i] = scim.NewObject(
				scim.Member{Name: "value", Value: g.ID},
				scim.Member{Name: "$ref", Value: base + "/Groups/" + g.ID},
				scim.Member{Name: "display", Value: g.Name},
				scim.Member{Name: "type", Value: "direct"})
		}
		doc.Set("groups", groups)
	}
	doc.Set("meta", meta("User", base+"/Users/"+u.ID, version, u.Created, u.Modified))
	return doc
}

func meta(kind, location, version string, created, modified time.Time) *scim.Object {
	return scim.NewObject(
		scim.Member{Name: "resourceType", Value: kind},
		scim.Member{Name: "created", Value: created.UTC().Format(timeFormat)},
		scim.Member{Name: "lastModified", Value: modified.UTC().Format(timeFormat)},
		scim.Member{Name: "location", Value: location},
		scim.Member{Name: "version", Value: version})
}

// userVersion is the entity tag of a user: the revision, and, since groups are shown but are no part of the user in
// the account, a digest of them.
func userVersion(u *account.User) string {
	buf := append(make([]byte, 0, 48), `W/"`...)
	buf = strconv.AppendInt(buf, u.Revision, 10)
	if len(u.Groups) > 0 {
		h := fnv.New64a()
		for _, g := range u.Groups {
			h.Write([]byte(g.ID))
			h.Write([]byte(g.Name))
			h.Write([]byte{0})
		}
		buf = append(buf, '-')
		buf = strconv.AppendUint(buf, h.Sum64(), 36)
	}
	return string(append(buf, '"'))
}

func groupVersion(g *account.Group) string {
	return `W/"` + strconv.FormatInt(g.Revision, 10) + `"`
}

// precondition judges If-Match (RFC 7644 §3.14).
func precondition(ifMatch, version string) error {
	if ifMatch == "" {
		return nil
	}
	ok, err := scim.MatchVersion(ifMatch, version)
	if err != nil {
		return err
	}
	if !ok {
		return errVersion()
	}
	return nil
}

// appendGroup appends the group's JSON; shown tells whether members are part of it.
func (b *Bridge) appendGroup(dst []byte, g *account.Group, members []account.Member, shown bool, base string, p schema.Projection) []byte {
	version := groupVersion(g)
	if !p.IsDefault() {
		return scim.AppendJSON(dst, p.Apply(b.groups, b.fullGroup(g, members, shown, base)))
	}
	profile := g.Profile
	if len(profile) < 2 {
		profile = scim.JSON(b.groupProfile(g))
	}
	dst = append(dst, `{"id":`...)
	dst = scim.AppendString(dst, g.ID)
	dst = append(dst, ',')
	dst = append(dst, profile[1:len(profile)-1]...)
	if shown {
		dst = append(dst, `,"members":[`...)
		for i := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendMember(dst, &members[i], base)
		}
		dst = append(dst, ']')
	}
	return appendMeta(dst, "Group", "/Groups/", g.ID, version, base, g.Created, g.Modified)
}

func appendMember(dst []byte, m *account.Member, base string) []byte {
	dst = append(dst, `{"value":"`...)
	dst = append(dst, m.UserID...)
	dst = append(dst, `","$ref":`...)
	dst = appendLocation(dst, base, "/Users/", m.UserID)
	dst = append(dst, `,"type":"User","display":`...)
	dst = scim.AppendString(dst, m.Name)
	return append(dst, '}')
}

// fullGroup is the whole group as a tree.
func (b *Bridge) fullGroup(g *account.Group, members []account.Member, shown bool, base string) *scim.Object {
	doc := b.groupProfile(g)
	doc.Set("id", g.ID)
	if shown {
		doc.Set("members", memberValues(members, base))
	}
	doc.Set("meta", meta("Group", base+"/Groups/"+g.ID, groupVersion(g), g.Created, g.Modified))
	return doc
}

func memberValues(members []account.Member, base string) scim.Array {
	values := make(scim.Array, len(members))
	for i, m := range members {
		values[i] = scim.NewObject(
			scim.Member{Name: "value", Value: m.UserID},
			scim.Member{Name: "$ref", Value: base + "/Users/" + m.UserID},
			scim.Member{Name: "type", Value: "User"},
			scim.Member{Name: "display", Value: m.Name})
	}
	return values
}
