package scimapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/protocol"
)

// search is a query in a body (RFC 7644 §3.4.3).
func (h *Handler) search(w http.ResponseWriter, c *call) error {
	body, err := c.object(w)
	if err != nil {
		return err
	}
	if err := message(body, scim.SearchRequestMessage); err != nil {
		return err
	}
	q := protocol.Query{Types: c.types()}
	q.Base = c.base
	if q.Attributes, err = textList(body, "attributes"); err != nil {
		return err
	}
	if q.Excluded, err = textList(body, "excludedAttributes"); err != nil {
		return err
	}
	expr, given, err := textMember(body, "filter")
	if err != nil {
		return err
	}
	if q.Filter, err = parseFilter(expr, given); err != nil {
		return err
	}
	if q.SortBy, _, err = textMember(body, "sortBy"); err != nil {
		return err
	}
	order, _, err := textMember(body, "sortOrder")
	if err != nil {
		return err
	}
	q.Descending = descending(order)
	if q.StartIndex, err = integer(body, "startIndex", 1); err != nil {
		return err
	}
	if q.Count, err = integer(body, "count", protocol.DefaultPageSize); err != nil {
		return err
	}
	if cursor, ok, err := textMember(body, "cursor"); err != nil {
		return err
	} else if ok {
		q.Cursor = &cursor
	}
	return h.page(w, c, q)
}

// message checks schemas of a message: absent is tolerated, another message is not.
func message(body *scim.Object, urn string) error {
	schemas, ok := body.Get("schemas").(scim.Array)
	if !ok || len(schemas) == 0 {
		return nil
	}
	for _, s := range schemas {
		if s, ok := s.(string); ok && strings.EqualFold(s, urn) {
			return nil
		}
	}
	return scim.BadRequest(scim.InvalidValue, "schemas: %s is needed here.", urn)
}

func textMember(body *scim.Object, name string) (string, bool, error) {
	switch v := body.Get(name).(type) {
	case nil:
		// RFC 9865 §3: a cursor that is null begins at the first page, and an absent one means index paging.
		return "", name == "cursor" && body.Has(name), nil
	case string:
		return v, true, nil
	default:
		return "", false, scim.BadRequest(scim.InvalidValue, "%s must be a string, not %s.", name, scim.Kind(v))
	}
}

func textList(body *scim.Object, name string) ([]string, error) {
	switch v := body.Get(name).(type) {
	case nil:
		return nil, nil
	case string:
		return names(v), nil
	case scim.Array:
		var list []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, scim.BadRequest(scim.InvalidValue, "%s must hold strings, not %s.", name, scim.Kind(e))
			}
			list = append(list, names(s)...)
		}
		return list, nil
	default:
		return nil, scim.BadRequest(scim.InvalidValue, "%s must be an array of strings, not %s.", name, scim.Kind(v))
	}
}

func integer(body *scim.Object, name string, missing int) (int, error) {
	switch v := body.Get(name).(type) {
	case nil:
		return missing, nil
	case scim.Number:
		return number(map[string]string{strings.ToLower(name): string(v)}, name, missing)
	case string:
		if _, err := strconv.Atoi(v); err == nil {
			return number(map[string]string{strings.ToLower(name): v}, name, missing)
		}
	}
	return 0, scim.BadRequest(scim.InvalidValue, "%s must be an integer.", name)
}
