package scimapi

import (
	"net/http"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/protocol"
)

func (h *Handler) create(w http.ResponseWriter, c *call) error {
	params, err := c.query()
	if err != nil {
		return err
	}
	body, err := c.object(w)
	if err != nil {
		return err
	}
	res, err := h.provider.Create(c.Context(), c.rt, body, c.shape(params))
	if err != nil {
		return err
	}
	c.resource(w, http.StatusCreated, res)
	return nil
}

func (h *Handler) get(w http.ResponseWriter, c *call) error {
	params, err := c.query()
	if err != nil {
		return err
	}
	res, err := h.provider.Get(c.Context(), c.rt, c.id, c.shape(params))
	if err != nil {
		return err
	}
	if header := c.Header.Get("If-None-Match"); header != "" {
		same, err := scim.MatchVersion(header, res.Version)
		if err != nil {
			return err
		}
		if same {
			w.Header().Set("ETag", res.Version)
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	c.resource(w, http.StatusOK, res)
	return nil
}

func (h *Handler) replace(w http.ResponseWriter, c *call) error {
	params, err := c.query()
	if err != nil {
		return err
	}
	body, err := c.object(w)
	if err != nil {
		return err
	}
	res, err := h.provider.Replace(c.Context(), c.rt, c.id, body, c.Header.Get("If-Match"), c.shape(params))
	if err != nil {
		return err
	}
	c.resource(w, http.StatusOK, res)
	return nil
}

func (h *Handler) patch(w http.ResponseWriter, c *call) error {
	params, err := c.query()
	if err != nil {
		return err
	}
	body, err := c.object(w)
	if err != nil {
		return err
	}
	ops, err := patch.Parse(body)
	if err != nil {
		return err
	}
	res, err := h.provider.Patch(c.Context(), c.rt, c.id, ops, c.Header.Get("If-Match"), c.shape(params))
	if err != nil {
		return err
	}
	c.resource(w, http.StatusOK, res)
	return nil
}

func (h *Handler) delete(w http.ResponseWriter, c *call) error {
	if err := h.provider.Delete(c.Context(), c.rt, c.id, c.Header.Get("If-Match")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// me answers with the caller's own resource, and says where it lives (RFC 7644 §3.11).
func (h *Handler) me(w http.ResponseWriter, c *call) error {
	params, err := c.query()
	if err != nil {
		return err
	}
	res, err := h.provider.Me(c.Context(), c.shape(params))
	if err != nil {
		return err
	}
	w.Header().Set("Location", res.Location)
	c.resource(w, http.StatusOK, res)
	return nil
}

// changeMe refuses: the integration is changed by an administrator of the account.
func (h *Handler) changeMe(http.ResponseWriter, *call) error {
	return scim.Errorf(http.StatusNotImplemented, "", "/Me is the integration, which an administrator of the account manages; it can only be read here.")
}

func (h *Handler) list(w http.ResponseWriter, c *call) error {
	params, err := c.query()
	if err != nil {
		return err
	}
	q := protocol.Query{Shape: c.shape(params), Types: c.types(), SortBy: params["sortby"]}
	text, given := params["filter"]
	if q.Filter, err = parseFilter(text, given); err != nil {
		return err
	}
	q.Descending = descending(params["sortorder"])
	if q.StartIndex, err = number(params, "startIndex", 1); err != nil {
		return err
	}
	if q.Count, err = number(params, "count", protocol.DefaultPageSize); err != nil {
		return err
	}
	if cursor, ok := params["cursor"]; ok {
		q.Cursor = &cursor
	}
	return h.page(w, c, q)
}

// page answers a query. A count above the most is capped, as the configuration announces.
func (h *Handler) page(w http.ResponseWriter, c *call, q protocol.Query) error {
	q.Count = min(q.Count, protocol.MaxPageSize)
	page, err := h.provider.List(c.Context(), q)
	if err != nil {
		return err
	}
	const frame = 300 // bytes of a ListResponse without its resources
	size := frame + len(page.Next)
	for _, r := range page.Resources {
		size += len(r) + 1
	}
	body := scim.AppendList(h.buffer(size), scim.ListHeader{
		Total: page.Total, StartIndex: page.StartIndex, ItemsPerPage: len(page.Resources), NextCursor: page.Next,
	}, page.Resources)
	write(w, c.Request, http.StatusOK, body)
	h.reuse(body)
	return nil
}

// largestReused is the largest buffer that is kept: a page of 100 has some 100 KB.
const largestReused = 256 << 10

// buffer is an empty buffer for at least size bytes. Making one for every page and sweeping it up costs as much as
// filling it.
func (h *Handler) buffer(size int) []byte {
	if b, ok := h.buffers.Get().(*[]byte); ok && cap(*b) >= size {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

// reuse takes back a buffer that nobody reads any more.
func (h *Handler) reuse(b []byte) {
	if cap(b) <= largestReused {
		h.buffers.Put(&b)
	}
}

func descending(order string) bool { return len(order) > 0 && (order[0] == 'd' || order[0] == 'D') }
