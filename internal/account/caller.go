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

// Caller is who acts, for the activity log, and by which right where there is more than one who could.
type Caller struct {
	Kind      CallerKind
	RequestID string
	Fence     Fence // what is done, is done under this lease
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

// Call identifies a call that may come twice, because its answer was lost on the way.
type Call struct {
	Key    string // chosen by the caller
	Digest []byte // of what is asked for
}

type callKey struct{}

// WithCall says that the change to be made is made once, however often the call comes.
func WithCall(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, callKey{}, &c)
}

// CallFrom returns the call; nil where the caller has named none.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}
