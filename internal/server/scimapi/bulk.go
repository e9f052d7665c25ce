package scimapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// Bulk (RFC 7644 §3.7): operations are carried out one after the other, in the order of the request but for those
// that refer by bulkId to a resource made later; these wait for it (circle.go has what waits for one another). Each
// stands for itself: it is done or it is not, whatever becomes of the others.

// bulkOperation is one operation and what became of it.
type bulkOperation struct {
	method, path, bulkID, version string
	data                          *scim.Object
	later                         *scim.Object // references of data that were left out to break a circle

	done     bool
	status   int
	location string
	etag     string
	failure  *scim.Error
}

// bulkRun is one Bulk request under way.
type bulkRun struct {
	h      *Handler
	base   string
	ops    []*bulkOperation
	ids    map[string]string         // bulkId → id of what was made
	makers map[string]*bulkOperation // bulkId → the operation that makes it
	errors int
	stop   int // failOnErrors; 0: never
}

func (h *Handler) bulk(w http.ResponseWriter, c *call) error {
	body, err := c.object(w)
	if err != nil {
		return err
	}
	run, err := h.bulkRun(c.base, body)
	if err != nil {
		return err
	}
	if err := run.all(c.Context()); err != nil {
		return err
	}
	write(w, c.Request, http.StatusOK, scim.JSON(run.answer()))
	return nil
}

func (h *Handler) bulkRun(base string, body *scim.Object) (*bulkRun, error) {
	if err := message(body, scim.BulkRequestMessage); err != nil {
		return nil, err
	}
	list, ok := body.Get("Operations").(scim.Array)
	if !ok || len(list) == 0 {
		return nil, scim.BadRequest(scim.InvalidSyntax, "Operations must be an array of at least one operation.")
	}
	if len(list) > protocol.MaxBulkOperations {
		return nil, scim.Errorf(413, "", "The request holds %d operations; at most %d (maxOperations) are accepted.", len(list), protocol.MaxBulkOperations)
	}
	run := &bulkRun{h: h, base: base, ids: map[string]string{}, makers: map[string]*bulkOperation{}}
	var err error
	if run.stop, err = integer(body, "failOnErrors", 0); err != nil {
		return nil, err
	}
	for i, v := range list {
		o, ok := v.(*scim.Object)
		if !ok {
			return nil, scim.BadRequest(scim.InvalidSyntax, "Operations[%d] must be an object, not %s.", i, scim.Kind(v))
		}
		op := &bulkOperation{
			method: strings.ToUpper(o.String("method")), path: o.String("path"),
			bulkID: o.String("bulkId"), version: o.String("version"),
		}
		op.data = data(op.method, o.Get("data"))
		if op.bulkID != "" && op.method == http.MethodPost {
			if run.makers[op.bulkID] != nil {
				return nil, scim.BadRequest(scim.InvalidValue, "Operations[%d]: the bulkId %q is used twice.", i, clean(op.bulkID))
			}
			run.makers[op.bulkID] = op
		}
		run.ops = append(run.ops, op)
	}
	return run, nil
}

// data is an operation's body, nil where there is none. For PATCH the RFC's own example has the operations alone
// (RFC 7644 §3.7.3).
func data(method string, v any) *scim.Object {
	if ops, ok := v.(scim.Array); ok && method == http.MethodPatch {
		return object(members{{Name: "Operations", Value: ops}})
	}
	o, _ := v.(*scim.Object)
	return o
}

// all runs the operations until none is left, or nothing but circles that cannot be broken, or failOnErrors is reached.
func (run *bulkRun) all(ctx context.Context) error {
	for {
		progress, waiting := false, 0
		for _, op := range run.ops {
			if op.done || run.stop > 0 && run.errors >= run.stop {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if run.waits(op) {
				waiting++
				continue
			}
			if err := run.one(ctx, op); err != nil {
				return err
			}
			progress = true
		}
		if waiting == 0 {
			break
		}
		if progress {
			continue
		}
		if broken, err := run.breakCircle(ctx); err != nil {
			return err
		} else if !broken {
			break
		}
	}
	if err := run.closeCircles(ctx); err != nil {
		return err
	}
	for _, op := range run.ops {
		if !op.done && (run.stop == 0 || run.errors < run.stop) {
			run.fail(op, scim.Errorf(409, "", "The operation refers, by bulkId, to one that refers back to it. Make the resources first and connect them afterwards."))
		}
	}
	return nil
}

// waits tells whether the operation refers to a resource that is yet to be made.
func (run *bulkRun) waits(op *bulkOperation) bool {
	waiting := false
	references(op, func(ref string) string {
		if maker := run.makers[ref]; maker != nil && !maker.done {
			waiting = true
		}
		return ""
	})
	return waiting
}

// references visits every "bulkId:x" of the path and the data, and puts in what visit returns, unless it is empty.
func references(op *bulkOperation, visit func(ref string) string) {
	segments := strings.Split(op.path, "/")
	for i, s := range segments {
		if ref, ok := strings.CutPrefix(s, "bulkId:"); ok {
			if id := visit(ref); id != "" {
				segments[i] = id
			}
		}
	}
	op.path = strings.Join(segments, "/")
	if op.data != nil {
		op.data = replaceReferences(op.data, visit).(*scim.Object)
	}
}

func replaceReferences(v any, visit func(string) string) any {
	switch v := v.(type) {
	case string:
		if ref, ok := strings.CutPrefix(v, "bulkId:"); ok {
			if id := visit(ref); id != "" {
				return id
			}
		}
		// A value path inside a PATCH operation: members[value eq "bulkId:x"].
		if before, rest, ok := strings.Cut(v, `"bulkId:`); ok {
			if ref, after, ok := strings.Cut(rest, `"`); ok {
				if id := visit(ref); id != "" {
					return before + `"` + id + `"` + after
				}
			}
		}
	case scim.Array:
		for i := range v {
			v[i] = replaceReferences(v[i], visit)
		}
	case *scim.Object:
		for name, value := range v.All() {
			changed := replaceReferences(value, visit)
			if was, ok := value.(string); ok && changed != was {
				v.Set(name, changed)
			}
		}
	}
	return v
}

// one carries out an operation. It returns an error only where the whole request cannot go on.
func (run *bulkRun) one(ctx context.Context, op *bulkOperation) error {
	unknown := ""
	references(op, func(ref string) string {
		if run.ids[ref] == "" {
			unknown = ref
		}
		return run.ids[ref]
	})
	if unknown != "" {
		run.fail(op, scim.BadRequest(scim.InvalidValue, "No resource was made under the bulkId %q.", clean(unknown)))
		return nil
	}
	res, status, err := run.perform(ctx, op)
	if err != nil {
		var e *scim.Error
		if !errors.As(err, &e) {
			return err
		}
		run.fail(op, e)
		return nil
	}
	op.done, op.status, op.location, op.etag = true, status, res.Location, res.Version
	if op.method == http.MethodPost {
		run.ids[op.bulkID] = res.ID
	}
	return nil
}

func (run *bulkRun) fail(op *bulkOperation, e *scim.Error) {
	op.done, op.status, op.failure = true, e.Status, e
	run.errors++
}

func (run *bulkRun) perform(ctx context.Context, op *bulkOperation) (res protocol.Resource, status int, err error) {
	rt, id, err := run.target(op)
	if err != nil {
		return res, 0, err
	}
	if id != "" {
		op.location = run.base + rt.Endpoint + "/" + url.PathEscape(id)
	}
	shape := protocol.Shape{Base: run.base}
	p := run.h.provider
	if op.data == nil && op.method != http.MethodDelete {
		return res, 0, scim.BadRequest(scim.InvalidSyntax, "data must hold the object for %s.", op.method)
	}
	switch op.method {
	case http.MethodPost:
		if op.bulkID == "" {
			return res, 0, scim.BadRequest(scim.InvalidSyntax, "bulkId is needed for POST.")
		}
		res, err = p.Create(ctx, rt, op.data, shape)
		return res, http.StatusCreated, err
	case http.MethodPut:
		res, err = p.Replace(ctx, rt, id, op.data, op.version, shape)
	case http.MethodPatch:
		var ops []patch.Operation
		if ops, err = patch.Parse(op.data); err == nil {
			res, err = p.Patch(ctx, rt, id, ops, op.version, shape)
		}
	case http.MethodDelete:
		res.Location = op.location
		return res, http.StatusNoContent, p.Delete(ctx, rt, id, op.version)
	}
	return res, http.StatusOK, err
}

// target finds what the operation is about and whether its method fits.
func (run *bulkRun) target(op *bulkOperation) (*schema.ResourceType, string, error) {
	segments := strings.Split(strings.Trim(op.path, "/"), "/")
	e, ok := Locate(segments)
	types := run.h.provider.Types()
	var rt *schema.ResourceType
	switch {
	case !ok:
	case e.Type == "Users":
		rt = types.User()
	case e.Type == "Groups":
		rt = types.Group()
	}
	if rt == nil || strings.HasSuffix(e.Pattern, "/.search") {
		return nil, "", scim.Errorf(404, "", "path %q is not the endpoint of a resource type.", clean(op.path))
	}
	fits := false
	switch op.method {
	case http.MethodPost:
		fits = e.ID == ""
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		fits = e.ID != ""
	case "":
		return nil, "", scim.BadRequest(scim.InvalidSyntax, "method is needed.")
	}
	if !fits {
		return nil, "", scim.Errorf(405, "", "%s is not allowed on %q in a Bulk request.", clean(op.method), clean(op.path))
	}
	return rt, e.ID, nil
}

func (run *bulkRun) answer() *scim.Object {
	results := scim.Array{}
	for _, op := range run.ops {
		if !op.done {
			continue
		}
		o := object(members{{Name: "method", Value: op.method}})
		if op.bulkID != "" {
			o.Set("bulkId", op.bulkID)
		}
		if op.location != "" {
			o.Set("location", op.location)
		}
		if op.etag != "" {
			o.Set("version", op.etag)
		}
		o.Set("status", strconv.Itoa(op.status))
		if op.failure != nil {
			o.Set("response", op.failure.Object())
		}
		results = append(results, o)
	}
	return object(members{
		{Name: "schemas", Value: scim.Array{scim.BulkResponseMessage}},
		{Name: "Operations", Value: results},
	})
}
