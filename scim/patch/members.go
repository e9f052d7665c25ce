package patch

import (
	"strings"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// StepKind says what a MemberStep does.
type StepKind int

// The kinds of step.
const (
	StepAdd StepKind = iota
	StepRemove
	StepReplace
)

// MemberStep is one change of a group's members: ids to add, to remove, or to be all there are.
type MemberStep struct {
	Kind   StepKind
	Values []string
}

// SplitMembers separates what operations do to the members of a group from the rest, so that a change of one member
// needs no look at the others. simple is false where that cannot be said without reading the members: a filter on
// more than their ids, or a value that is none. Then the operations are to be applied to the whole group.
func SplitMembers(ops []Operation) (rest []Operation, steps []MemberStep, simple bool) {
	for _, op := range ops {
		if !op.HasPath {
			others, ids, has, ok := pathlessMembers(op)
			if !ok {
				return nil, nil, false
			}
			if others != nil {
				rest = append(rest, *others)
			}
			if has {
				kind := StepAdd
				if op.Op == Replace {
					kind = StepReplace
				}
				steps = appendStep(steps, kind, ids)
			}
			continue
		}
		if !isMembers(op.Path.Attr) {
			rest = append(rest, op)
			continue
		}
		kind, ids, ok := memberStep(op)
		if !ok {
			return nil, nil, false
		}
		steps = appendStep(steps, kind, ids)
	}
	return rest, steps, true
}

// run makes one operation of the n first ones where all of them add members, or all remove them, by nothing but their
// ids. authentik sends one operation for each member, and applied one by one to a large group they would cost the
// product of both.
func run(rt *schema.ResourceType, ops []Operation) (op Operation, n int) {
	op = ops[0]
	if rt.Schema.ID != scim.GroupSchema {
		return op, 1
	}
	kind := StepReplace
	all := scim.Array{}
	for ; n < len(ops) && ops[n].HasPath && isMembers(ops[n].Path.Attr); n++ {
		k, ids, ok := memberStep(ops[n])
		if !ok || k == StepReplace || n > 0 && k != kind {
			break
		}
		kind = k
		for _, id := range ids {
			all = append(all, id)
		}
	}
	if n < 2 {
		return op, 1
	}
	op.Path.Filter, op.Value = nil, all
	return op, n
}

// culprit is the number of the operation that failed: of several that were made one, the first that fails alone.
func (w *work) culprit(ops []Operation, joined Operation) int {
	if t, err := w.target(joined.Path); err == nil && len(ops) > 1 {
		for i := range ops {
			if _, err := w.coerce(&ops[i], t); err != nil {
				return ops[i].Index
			}
		}
	}
	return joined.Index
}

func isMembers(p filter.AttrPath) bool {
	return strings.EqualFold(p.Name, "members") && (p.URN == "" || scim.EqualName(p.URN, scim.GroupSchema))
}

// appendStep joins steps of one kind, so that 20,000 operations of one member become one step.
func appendStep(steps []MemberStep, kind StepKind, ids []string) []MemberStep {
	if n := len(steps); n > 0 && steps[n-1].Kind == kind && kind != StepReplace {
		steps[n-1].Values = append(steps[n-1].Values, ids...)
		return steps
	}
	return append(steps, MemberStep{kind, ids})
}

// memberStep reads an operation whose path is members.
func memberStep(op Operation) (kind StepKind, ids []string, ok bool) {
	if op.Path.Filter != nil {
		if op.Op != Remove || op.Path.Sub != "" {
			return 0, nil, false
		}
		ids, ok = equations(op.Path.Filter)
		return StepRemove, ids, ok
	}
	if op.Path.Attr.Sub != "" {
		return 0, nil, false
	}
	switch op.Op {
	case Add:
		ids, ok = memberIDs(op.Value)
		return StepAdd, ids, ok
	case Replace:
		ids, ok = memberIDs(op.Value)
		return StepReplace, ids, ok
	}
	named := removals(op.Value)
	if named == nil {
		return StepReplace, nil, true
	}
	ids, ok = memberIDs(scim.Array(named))
	return StepRemove, ids, ok
}

// equations reads value eq "a" or value eq "b" …
func equations(e filter.Expr) ([]string, bool) {
	switch e := e.(type) {
	case filter.Compare:
		s, ok := e.Value.(string)
		return []string{s}, ok && e.Op == filter.Eq && strings.EqualFold(e.Path.Name, "value") && e.Path.URN == "" && e.Path.Sub == ""
	case filter.Or:
		var all []string
		for _, x := range e {
			ids, ok := equations(x)
			if !ok {
				return nil, false
			}
			all = append(all, ids...)
		}
		return all, true
	}
	return nil, false
}

// memberIDs reads members in every form that clients send; null is none. A member of another type than User is left
// to the schema to judge.
func memberIDs(v any) ([]string, bool) {
	list, ok := v.(scim.Array)
	switch {
	case v == nil:
		return nil, true
	case !ok:
		list = scim.Array{v}
	}
	ids := make([]string, 0, len(list))
	for _, e := range list {
		switch e := e.(type) {
		case string:
			if e == "" {
				return nil, false
			}
			ids = append(ids, e)
		case *scim.Object:
			id, ok := e.Get("value").(string)
			if typ := e.Get("type"); typ != nil && typ != "" {
				s, isText := typ.(string)
				ok = ok && isText && strings.EqualFold(s, "User")
			} else if strings.Contains(e.String("$ref"), "Groups/") {
				ok = false
			}
			if !ok || id == "" {
				return nil, false
			}
			ids = append(ids, id)
		default:
			return nil, false
		}
	}
	return ids, true
}

// pathlessMembers takes the members out of a value object. others is nil where nothing else is in it.
func pathlessMembers(op Operation) (others *Operation, ids []string, has, ok bool) {
	o, isObject := op.Value.(*scim.Object)
	if !isObject {
		return nil, nil, false, false
	}
	left := scim.NewObject()
	for key, value := range o.All() {
		name := key
		if i := strings.LastIndexByte(key, ':'); i >= 0 && scim.EqualName(key[:i], scim.GroupSchema) {
			name = key[i+1:]
		}
		if !strings.EqualFold(name, "members") {
			if strings.HasPrefix(strings.ToLower(name), "members") {
				return nil, nil, false, false // members[…] or members.value as a key
			}
			left.Set(key, value)
			continue
		}
		has = true
		if ids, ok = memberIDs(value); !ok {
			return nil, nil, false, false
		}
	}
	if left.Len() > 0 || !has {
		op.Value = left
		others = &op
	}
	return others, ids, has, true
}
