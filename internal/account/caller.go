package account

import "context"

// CallerKind says what kind of caller acts.
type CallerKind string

// The kinds of caller.
const (
	Integration   CallerKind = "integration"
	Administrator CallerKind = "administrator"
	System        CallerKind = "system" // the program itself
)

// Caller is who acts, for the activity log.
type Caller struct {
	Kind      CallerKind
	RequestID string
}

type callerKey struct{}

// WithCaller says who acts.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns who acts; System where nobody was named.
func CallerFrom(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok {
		return c
	}
	return Caller{Kind: System}
}
