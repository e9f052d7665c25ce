package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The schemas that every server has, and the messages (RFC 7643 §8, RFC 7644 §8.2).
const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	messagePrefix = "urn:ietf:params:scim:api:"
	listURN       = messagePrefix + "messages:2.0:ListResponse"
	errorURN      = messagePrefix + "messages:2.0:Error"
	patchURN      = messagePrefix + "messages:2.0:PatchOp"
	searchURN     = messagePrefix + "messages:2.0:SearchRequest"
	bulkURN       = messagePrefix + "messages:2.0:BulkRequest"
	bulkAnswerURN = messagePrefix + "messages:2.0:BulkResponse"
)

// text returns v where it is a string, else "".
func text(v any) string {
	s, _ := v.(string)
	return s
}

// integer returns v where it is a whole number.
func integer(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return int(i), err == nil
}

// at follows names through objects. A name is taken as the RFCs spell it: answers come in the schema's spelling.
func at(o object, names ...string) any {
	var v any = o
	for _, n := range names {
		m, ok := v.(object)
		if !ok {
			return nil
		}
		v = m[n]
	}
	return v
}

// objects returns the objects of an array, and nothing where there is none.
func objects(o object, names ...string) []object {
	list, _ := at(o, names...).([]any)
	found := make([]object, 0, len(list))
	for _, v := range list {
		if m, ok := v.(object); ok {
			found = append(found, m)
		}
	}
	return found
}

// texts returns the strings of an array.
func texts(v any) []string {
	list, _ := v.([]any)
	found := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			found = append(found, s)
		}
	}
	return found
}

// column returns one string of each object.
func column(list []object, name string) []string {
	found := make([]string, 0, len(list))
	for _, o := range list {
		found = append(found, text(o[name]))
	}
	return found
}

// assigned tells whether v is a value at all: null, [] and absence are one state (RFC 7643 §2.5).
func assigned(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case []any:
		return len(v) > 0
	case object:
		return len(v) > 0
	default:
		return true
	}
}

// plain brings a value that a check wrote into the form in which decode returns it, so that the two can be compared.
func plain(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return v
	}
	o := decode([]byte(`{"v":` + string(raw) + `}`))
	return o["v"]
}

func same(a, b any) bool { return reflect.DeepEqual(plain(a), plain(b)) }

// contains tells whether got holds every member of want, down through objects; arrays are compared whole.
func contains(got, want any) bool {
	w, ok := want.(object)
	if !ok {
		return same(got, want)
	}
	g, ok := got.(object)
	if !ok {
		return false
	}
	for name, v := range w {
		if !contains(g[name], v) {
			return false
		}
	}
	return true
}

// sameSet tells whether two lists hold the same strings in any order.
func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// without copies an object but for some members.
func without(o object, names ...string) object {
	o = maps.Clone(o)
	for _, n := range names {
		delete(o, n)
	}
	return o
}

// instant reads a dateTime (RFC 7643 §2.3.5).
func instant(v any) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, text(v))
	return t, err == nil
}

// bulkStatus returns the status of an operation of a Bulk answer, or 0. RFC 7644 shows it as a string.
func bulkStatus(op object) int {
	var n int
	_, _ = fmt.Sscanf(fmt.Sprint(op["status"]), "%d", &n)
	return n
}

// show writes a value for a person.
func show(v any) string {
	if v == nil {
		return "nothing"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return shorten(string(raw), 200)
}

// shorten cuts a text to about n bytes, in one line.
func shorten(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
