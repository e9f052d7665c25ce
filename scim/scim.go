// Package scim holds the words of SCIM 2.0 (RFC 7643, RFC 7644, RFC 9865) as values: resources as ordered JSON
// trees, errors, list responses, versions. It does no I/O and knows neither HTTP nor any account.
//
// A resource is an *Object: attribute names are found without regard to case (RFC 7643 §2.1), members keep
// their order, numbers keep their text. Parse is strict where leniency would let two readers of one document
// disagree: duplicate names (also those that differ by case only), invalid UTF-8 and U+0000 are refused.
//
// What an attribute means stands in package schema, how resources are selected in package filter, how they are
// changed in package patch.
package scim

// URNs of schemas and messages (RFC 7643 §8, RFC 7644 §8.2).
const (
	UserSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

	ListResponseMessage  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	SearchRequestMessage = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	PatchOpMessage       = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	BulkRequestMessage   = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	BulkResponseMessage  = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
	ErrorMessage         = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// MediaType is the media type of SCIM requests and answers (RFC 7644 §8.1).
const MediaType = "application/scim+json"
