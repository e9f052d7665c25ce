package scimapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/protocol"
)

// Circles (RFC 7644 §3.7.1): people who refer to one another, as each other's managers, are made in two steps: one of
// them without the references, so that the others can be made, then the references are added. Circles of groups stay
// unresolved, since no group takes another as a member.

// breakCircle makes the first person that waits without what it waits for. ok tells whether there was one.
func (run *bulkRun) breakCircle(ctx context.Context) (ok bool, err error) {
	for _, op := range run.ops {
		if op.done || op.method != http.MethodPost || op.bulkID == "" || op.data == nil {
			continue
		}
		if rt, _, err := run.target(op); err != nil || rt != run.h.provider.Types().User() {
			continue
		}
		op.data, op.later = withoutReferences(op.data)
		return true, run.one(ctx, op)
	}
	return false, nil
}

// closeCircles adds the references that were left out. A person whose references cannot be added is taken back, as the
// operation stands for all of it or nothing.
func (run *bulkRun) closeCircles(ctx context.Context) error {
	for _, op := range run.ops {
		if op.later == nil || op.failure != nil {
			continue
		}
		err := run.closeCircle(ctx, op)
		if err == nil {
			continue
		}
		var e *scim.Error
		if !errors.As(err, &e) {
			return err
		}
		if err := run.h.provider.Delete(ctx, run.h.provider.Types().User(), run.ids[op.bulkID], ""); err != nil {
			return err
		}
		delete(run.ids, op.bulkID)
		op.location, op.etag = "", ""
		run.fail(op, e)
	}
	return nil
}

func (run *bulkRun) closeCircle(ctx context.Context, op *bulkOperation) error {
	missing := ""
	replaceReferences(op.later, func(ref string) string {
		if run.ids[ref] == "" {
			missing = ref
		}
		return run.ids[ref]
	})
	if missing != "" {
		return scim.Errorf(http.StatusConflict, "", "The operation refers to the bulkId %q, under which nothing could be made.", clean(missing))
	}
	ops := []patch.Operation{{Op: patch.Add, Value: op.later, Index: 1}}
	res, err := run.h.provider.Patch(ctx, run.h.provider.Types().User(), run.ids[op.bulkID], ops, "", protocol.Shape{Base: run.base})
	if err == nil {
		op.etag = res.Version
	}
	return err
}

// withoutReferences parts a document: what refers to others, by the members that do, and the rest.
func withoutReferences(o *scim.Object) (rest, later *scim.Object) {
	rest, later = scim.NewObject(), scim.NewObject()
	for name, v := range o.All() {
		found := false
		replaceReferences(v, func(string) string { found = true; return "" })
		if !found {
			rest.Set(name, v)
			continue
		}
		if inner, ok := v.(*scim.Object); ok && strings.Contains(name, ":") { // an extension keeps its other attributes
			others, refs := withoutReferences(inner)
			rest.Set(name, others)
			later.Set(name, refs)
			continue
		}
		later.Set(name, v)
	}
	return rest, later
}
