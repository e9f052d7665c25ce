package bridge

import (
	"context"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// Create makes a resource (RFC 7644 §3.3).
func (b *Bridge) Create(ctx context.Context, rt *schema.ResourceType, body *scim.Object, shape protocol.Shape) (protocol.Resource, error) {
	if rt == b.users {
		return b.createUser(ctx, body, shape)
	}
	return b.createGroup(ctx, body, shape)
}

// Get reads a resource (RFC 7644 §3.4.1).
func (b *Bridge) Get(ctx context.Context, rt *schema.ResourceType, id string, shape protocol.Shape) (protocol.Resource, error) {
	if rt == b.users {
		return b.getUser(ctx, id, shape)
	}
	return b.getGroup(ctx, id, shape)
}

// Replace is PUT (RFC 7644 §3.5.1). ifMatch is the header's value, empty where there is none.
func (b *Bridge) Replace(ctx context.Context, rt *schema.ResourceType, id string, body *scim.Object, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	if rt == b.users {
		return b.replaceUser(ctx, id, body, ifMatch, shape)
	}
	return b.replaceGroup(ctx, id, body, ifMatch, shape)
}

// Patch is PATCH (RFC 7644 §3.5.2). A Resource without a body is answered 204.
func (b *Bridge) Patch(ctx context.Context, rt *schema.ResourceType, id string, ops []patch.Operation, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	if rt == b.users {
		return b.patchUser(ctx, id, ops, ifMatch, shape)
	}
	return b.patchGroup(ctx, id, ops, ifMatch, shape)
}

// Delete is DELETE (RFC 7644 §3.6): the person or the group is let go.
func (b *Bridge) Delete(ctx context.Context, rt *schema.ResourceType, id, ifMatch string) error {
	if rt == b.users {
		return b.deleteUser(ctx, id, ifMatch)
	}
	return b.deleteGroup(ctx, id, ifMatch)
}

// Me is the integration itself (RFC 7644 §3.11).
func (b *Bridge) Me(_ context.Context, shape protocol.Shape) (protocol.Resource, error) {
	u := b.self()
	return b.userResource(&u, shape), nil
}

// WithRequest says, for the account's activity log, that the integration acts, and by which request.
func WithRequest(ctx context.Context, id string) context.Context {
	return account.WithCaller(ctx, account.Caller{Kind: account.Integration, RequestID: id})
}
