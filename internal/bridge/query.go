package bridge

import (
	"strings"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// plan is a filter split in two: what an index of the account answers, and the residue that has to be judged on
// each resource.
type plan struct {
	terms   []account.Term
	residue filter.Expr // nil: the terms say it all
	matcher filter.Matcher
	members bool // the residue speaks of a group's members
}

// plan splits a filter. Each of the conditions joined by "and" becomes a term where the account has an index for it.
func (b *Bridge) plan(rt *schema.ResourceType, e filter.Expr) (plan, error) {
	var p plan
	if e == nil {
		return p, nil
	}
	if err := filter.Check(rt, e); err != nil {
		return p, err
	}
	var rest []filter.Expr
	for _, c := range filter.Conjuncts(e) {
		term, exact, ok := b.term(rt, c)
		if ok {
			p.terms = append(p.terms, term)
		}
		if !ok || !exact {
			rest = append(rest, c)
		}
	}
	if len(rest) == 0 {
		return p, nil
	}
	p.residue = filter.All(rest)
	p.members = rt == b.groups && strings.Contains(strings.ToLower(p.residue.String()), "members")
	var err error
	p.matcher, err = filter.Compile(rt, p.residue)
	return p, err
}

// indexed is an attribute that the account has an index for.
type indexed struct {
	field account.Field
	// exact: the index answers the condition. Otherwise it only narrows, because the account's field holds more
	// than the attribute: a display name made of the parts, the user name where there is no address.
	exact bool
	ops   string // comparisons the index knows, as filter.Op names joined by spaces
}

var (
	anyText  = "eq sw gt ge lt le"
	userTerm = map[string]indexed{
		"id":                {account.ByID, true, "eq"},
		"username":          {account.ByUserName, true, anyText},
		"externalid":        {account.ByExternalID, true, "eq"},
		"displayname":       {account.ByName, false, "eq sw"},
		"emails":            {account.ByEmail, false, "eq"},
		"emails.value":      {account.ByEmail, false, "eq"},
		"active":            {account.ByActive, true, "eq"},
		"meta.lastmodified": {account.ByModified, true, "eq gt ge lt le"},
		"meta.created":      {account.ByCreated, true, "eq gt ge lt le"},
	}
	groupTerm = map[string]indexed{
		"id":                {account.ByID, true, "eq"},
		"displayname":       {account.ByName, true, anyText},
		"externalid":        {account.ByExternalID, true, "eq"},
		"members":           {account.ByMember, true, "eq"},
		"members.value":     {account.ByMember, true, "eq"},
		"meta.lastmodified": {account.ByModified, true, "eq gt ge lt le"},
		"meta.created":      {account.ByCreated, true, "eq gt ge lt le"},
	}
)

var accountOps = map[filter.Op]account.Op{
	filter.Eq: account.Eq, filter.Sw: account.Prefix,
	filter.Gt: account.Gt, filter.Ge: account.Ge, filter.Lt: account.Lt, filter.Le: account.Le,
}

// term finds the index for a condition. exact tells whether the index answers it or only narrows.
func (b *Bridge) term(rt *schema.ResourceType, e filter.Expr) (t account.Term, exact, ok bool) {
	switch e := e.(type) {
	case filter.Compare:
		return b.compareTerm(rt, e.Path, e.Op, e.Value)
	case filter.ValuePath:
		return b.valuePathTerm(rt, e)
	}
	return t, false, false
}

func (b *Bridge) compareTerm(rt *schema.ResourceType, path filter.AttrPath, op filter.Op, value any) (t account.Term, exact, ok bool) {
	target, found := rt.Resolve(path.URN, path.Name, path.Sub)
	if !found || target.Extension != nil || target.Attr == nil {
		return t, false, false
	}
	table := userTerm
	if rt == b.groups {
		table = groupTerm
	}
	name := strings.ToLower(target.Attr.Name)
	if target.Sub != nil {
		name += "." + strings.ToLower(target.Sub.Name)
	}
	ix, found := table[name]
	if !found || !strings.Contains(ix.ops, string(op)) {
		return t, false, false
	}
	text, found := b.termValue(ix.field, value)
	return account.Term{Field: ix.field, Op: accountOps[op], Value: text}, ix.exact, found
}

// termValue is the literal as the account compares it; false where the index cannot take it.
func (b *Bridge) termValue(field account.Field, value any) (string, bool) {
	switch v := value.(type) {
	case bool:
		if field != account.ByActive {
			return "", false
		}
		if v {
			return "true", true
		}
		return "false", true
	case string:
		switch field {
		case account.ByActive:
			s := strings.ToLower(v)
			return s, s == "true" || s == "false"
		case account.ByModified, account.ByCreated:
			t, err := scim.ParseTime(v)
			if err != nil {
				return "", false
			}
			return t.UTC().Format(timeFormat), t.Nanosecond()%1e6 == 0
		}
		return v, v != ""
	}
	return "", false
}

// valuePathTerm narrows by emails[type eq "work"].value eq "x", emails[value eq "x"] and members[value eq "x"].
func (b *Bridge) valuePathTerm(rt *schema.ResourceType, e filter.ValuePath) (t account.Term, exact, ok bool) {
	if e.Sub != "" && strings.EqualFold(e.Sub, "value") || e.Sub == "" && e.Op != "" {
		if t, _, ok := b.compareTerm(rt, e.Path, e.Op, e.Value); ok {
			return t, false, true
		}
	}
	for _, c := range filter.Conjuncts(e.Filter) {
		inner, isCompare := c.(filter.Compare)
		if isCompare && strings.EqualFold(inner.Path.Name, "value") && inner.Path.Sub == "" {
			if t, _, ok := b.compareTerm(rt, e.Path, inner.Op, inner.Value); ok {
				return t, false, true
			}
		}
	}
	return t, false, false
}

// indexOrder is the account's order for a sortBy, where it has one in which no value is missing.
func (b *Bridge) indexOrder(rt *schema.ResourceType, t schema.Target) (account.Field, bool) {
	if t.Extension != nil || t.Attr == nil {
		return "", false
	}
	name := strings.ToLower(t.Attr.Name)
	if t.Sub != nil {
		name += "." + strings.ToLower(t.Sub.Name)
	}
	switch name {
	case "meta.created":
		return account.ByCreated, true
	case "meta.lastmodified":
		return account.ByModified, true
	case "username":
		return account.ByUserName, rt == b.users
	case "displayname":
		return account.ByName, rt == b.groups
	}
	return "", false
}
