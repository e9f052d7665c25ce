package conformance

import (
	"fmt"
	"strings"
	"sync"
)

// trace keeps the last request of a check and its answer, for whoever wants to know why the check failed. It holds
// no header and so no token.
type trace struct {
	mu   sync.Mutex // guards last
	last string
}

// add notes an exchange. A nil trace notes nothing.
func (t *trace) add(call call, a answer, err error) {
	if t == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "sent %s %s", call.method, shorten(call.path, 300))
	if body, e := encode(call.body); e == nil && len(body) > 0 {
		fmt.Fprintf(&b, " %s", shorten(strings.ToValidUTF8(string(body), "\uFFFD"), 400))
	}
	if err != nil {
		fmt.Fprintf(&b, ", no answer")
	} else {
		fmt.Fprintf(&b, ", received %d", a.status)
		if len(a.raw) > 0 {
			fmt.Fprintf(&b, " %s", shorten(strings.ToValidUTF8(string(a.raw), "\uFFFD"), 400))
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = b.String()
}

func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
