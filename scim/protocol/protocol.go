// Package protocol holds the requests and answers of RFC 7644 as values: what an HTTP handler has read and what it
// writes, and what whoever provides the resources receives and returns. It knows neither HTTP nor where resources
// live, so that both sides can be read, tested and replaced without the other.
package protocol

import (
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// Limits that the service announces in its ServiceProviderConfig (RFC 7643 §5, RFC 9865 §4).
const (
	// DefaultPageSize is how many resources a page has where the client does not say. Okta and others advance by
	// the count they asked for, and ask for 100.
	DefaultPageSize = 100
	// MaxPageSize caps what a client may ask for. PingFederate asks for 1,000; a page of so many people is 1.5 MB.
	MaxPageSize = 1000
	// MaxBulkOperations is how many operations one Bulk request may hold; authentik sizes its requests by it.
	MaxBulkOperations = 1000
	// MaxUserBody is the largest body in bytes for a user: a person with every attribute set is 8 KiB, photos and
	// certificates by value take the rest.
	MaxUserBody = 1 << 20
	// MaxGroupBody is the largest body in bytes for a group and for Bulk: 100,000 members by value take 8 MiB.
	MaxGroupBody = 16 << 20
)

// Shape says how an answer is to look.
type Shape struct {
	Base       string   // URL before the endpoint, as the client used it, without a slash at the end
	Attributes []string // RFC 7644 §3.9; nil: not given
	Excluded   []string
}

// Resource is one resource ready to be sent.
type Resource struct {
	ID       string
	Location string // absolute URL
	Version  string // entity tag, as in the ETag header
	Body     []byte // JSON; nil where the answer is 204
}

// Query is a list request (RFC 7644 §3.4.2, RFC 9865 §2).
type Query struct {
	Shape
	Types      []*schema.ResourceType // in the order of the answer; one, but for queries at the root
	Filter     filter.Expr            // nil: all
	SortBy     string                 // attribute path; empty: a stable order of the server's choice
	Descending bool
	StartIndex int     // 1-based; below 1 means 1
	Count      int     // negative means 0
	Cursor     *string // nil: index paging; "" the first page
}

// Page is the answer to a Query.
type Page struct {
	Total      int // of all that match
	StartIndex int // 0 in cursor paging
	Next       string
	Resources  [][]byte
}
