package scimapi

import (
	"net/http"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/protocol"
)

// Discovery (RFC 7644 §4): three endpoints that describe the service. A filter on them is refused, other
// parameters are ignored.

// cursorTimeout is what the configuration announces for cursors, in seconds (RFC 9865 §4).
const cursorTimeout = 3600

// serviceProviderConfig is readable without a token, so that a client can learn how to authenticate.
func (h *Handler) serviceProviderConfig(w http.ResponseWriter, c *call) error {
	if err := c.unfiltered(); err != nil {
		return err
	}
	write(w, c.Request, http.StatusOK, scim.JSON(config(c.base)))
	return nil
}

type members = []scim.Member

func object(m members) *scim.Object { return scim.NewObject(m...) }

func config(base string) *scim.Object {
	supported := func(yes bool, more ...scim.Member) *scim.Object {
		return object(append(members{{Name: "supported", Value: yes}}, more...))
	}
	scheme := object(members{
		{Name: "type", Value: "oauthbearertoken"},
		{Name: "name", Value: "Bearer token"},
		{Name: "description", Value: "The bearer token that belongs to the bridge's scimsession, in the Authorization header"},
		{Name: "specUri", Value: "https://www.rfc-editor.org/info/rfc6750"},
		{Name: "primary", Value: true},
	})
	return object(members{
		{Name: "schemas", Value: scim.Array{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"}},
		{Name: "patch", Value: supported(true)},
		{Name: "bulk", Value: supported(true,
			scim.Member{Name: "maxOperations", Value: scim.Int(protocol.MaxBulkOperations)},
			scim.Member{Name: "maxPayloadSize", Value: scim.Int(protocol.MaxGroupBody)})},
		{Name: "filter", Value: supported(true, scim.Member{Name: "maxResults", Value: scim.Int(protocol.MaxPageSize)})},
		{Name: "changePassword", Value: supported(false)},
		{Name: "sort", Value: supported(true)},
		{Name: "etag", Value: supported(true)},
		{Name: "pagination", Value: object(members{
			{Name: "cursor", Value: true},
			{Name: "index", Value: true},
			{Name: "defaultPaginationMethod", Value: "index"},
			{Name: "defaultPageSize", Value: scim.Int(protocol.DefaultPageSize)},
			{Name: "maxPageSize", Value: scim.Int(protocol.MaxPageSize)},
			{Name: "cursorTimeout", Value: scim.Int(cursorTimeout)},
		})},
		{Name: "authenticationSchemes", Value: scim.Array{scheme}},
		{Name: "meta", Value: object(members{
			{Name: "resourceType", Value: "ServiceProviderConfig"},
			{Name: "location", Value: base + "/ServiceProviderConfig"},
		})},
	})
}

func (h *Handler) resourceTypes(w http.ResponseWriter, c *call) error {
	if err := c.unfiltered(); err != nil {
		return err
	}
	var all [][]byte
	for _, rt := range h.provider.Types().ResourceTypes() {
		all = append(all, scim.JSON(rt.Object(c.base)))
	}
	c.everything(w, all)
	return nil
}

func (h *Handler) resourceType(w http.ResponseWriter, c *call) error {
	rt, ok := h.provider.Types().ResourceTypeByName(c.id)
	if !ok {
		return scim.Errorf(404, "", "There is no resource type %q.", clean(c.id))
	}
	write(w, c.Request, http.StatusOK, scim.JSON(rt.Object(c.base)))
	return nil
}

func (h *Handler) schemas(w http.ResponseWriter, c *call) error {
	if err := c.unfiltered(); err != nil {
		return err
	}
	var all [][]byte
	for _, s := range h.provider.Types().Schemas() {
		all = append(all, scim.JSON(s.Object(c.base)))
	}
	c.everything(w, all)
	return nil
}

func (h *Handler) schema(w http.ResponseWriter, c *call) error {
	s, ok := h.provider.Types().SchemaByID(c.id)
	if !ok {
		return scim.Errorf(404, "", "There is no schema %q.", clean(c.id))
	}
	write(w, c.Request, http.StatusOK, scim.JSON(s.Object(c.base)))
	return nil
}

// unfiltered refuses a filter (RFC 7644 §4).
func (c *call) unfiltered() error {
	params, err := c.query()
	if err != nil {
		return err
	}
	if _, ok := params["filter"]; ok {
		return scim.Errorf(403, "", "Discovery cannot be filtered; leave the filter out.")
	}
	return nil
}

func (c *call) everything(w http.ResponseWriter, all [][]byte) {
	write(w, c.Request, http.StatusOK, scim.AppendList(nil, scim.ListHeader{
		Total: len(all), StartIndex: 1, ItemsPerPage: len(all),
	}, all))
}
