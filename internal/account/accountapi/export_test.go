package accountapi

import "github.com/scimbridge/scimbridge/internal/account"

// Route is a line of the table, for the tests that go through all of them.
type Route struct {
	Pattern     string
	Integration bool
	Person      bool
	Body        int64
	Once        bool
}

// Routes is the table.
func (h *Handler) Routes() []Route {
	var list []Route
	for i := range h.routes {
		rt := &h.routes[i]
		list = append(list, Route{rt.pattern, rt.who == integration, rt.who == person, rt.body, rt.once})
	}
	return list
}

// Codes are all codes that a problem may have.
func Codes() []string {
	list := []string{
		codeSessionRequired, codeSessionInvalid, codeSessionEnded, codeSessionKind, codeSignInRefused, codeChallenge, codeWrongHost, codeClock,
		codeTooMany, codeNoRoute, codeMethod, codeType, codeTooLarge, codeBodyCut, codeKeyMissing, codeTimeout, codeInternal,
		codeBody, codeQuery, codeIfMatch, codeSubject, codeLease,
	}
	for i := range codes {
		list = append(list, codes[i].code)
	}
	return list
}

// OverTheWire makes of an error what the client gets of it.
func OverTheWire(err error) (status int, code string, back error) {
	p, _ := translate(err)
	return p.Status, p.Code, restore(&p)
}

// Shapes goes there and back through every shape.
func Shapes() map[string]func(in any) any {
	return map[string]func(in any) any{
		"User":  func(in any) any { u := in.(account.User); w := sent(fromUser(&u)); return w.user() },
		"Group": func(in any) any { return account.Group(sent(wireGroup(in.(account.Group)))) },
		"Query": func(in any) any { q := in.(account.Query); w := sent(fromQuery(&q)); out, _ := w.query(); return out },
		"MemberStep": func(in any) any {
			s := in.(account.MemberStep)
			w := sent(fromStep(&s))
			out, _ := w.step()
			return out
		},
		"GroupResult": func(in any) any {
			r := in.(account.GroupResult)
			w := sent(fromGroupResult(&r))
			return w.result()
		},
		"Info":     func(in any) any { return account.Info(sent(wireInfo(in.(account.Info)))) },
		"NewGroup": func(in any) any { return account.NewGroup(sent(wireNewGroup(in.(account.NewGroup)))) },
		"Opening":  func(in any) any { return account.Opening(sent(wireOpening(in.(account.Opening)))) },
		"Backlog":  func(in any) any { return account.Backlog(sent(wireBacklog(in.(account.Backlog)))) },
		"Lease":    func(in any) any { return account.Lease(sent(wireLease(in.(account.Lease)))) },
		"Grant":    func(in any) any { g := in.(account.Grant); w := sent(fromGrant(&g)); return w.grant() },
		"InvitationRow": func(in any) any {
			i := in.(account.InvitationRow)
			w := sent(fromInvitation(&i))
			return w.invitation()
		},
		"Candidate": func(in any) any { c := in.(account.Candidate); w := sent(fromCandidate(&c)); return w.candidate() },
		"Own":       func(in any) any { o := in.(account.Own); w := sent(fromOwn(&o)); return w.own() },
	}
}

// sent is a shape after it has been written and read.
func sent[T any](in T) (out T) {
	raw, err := encode(in)
	if err == nil {
		err = decode(raw, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

// DecodeAny reads a body as every shape that the API takes; it is for the fuzzer.
func DecodeAny(raw []byte) {
	for _, into := range []any{
		&wireSubject{}, &wireSignIn{}, &wireInvite{}, &wireUserChange{}, &wireNewGroup{}, &wireGroupChange{}, &wireQuery{}, &wireOpening{},
		&wireConfirmation{}, &wireGroupKey{}, &wireProposal{}, &wireContact{}, &wireLeaseAsk{}, &wireUserName{},
	} {
		_ = decode(raw, into)
	}
}

// ParseRef and ParseSession read what stands in a URL and in a header.
func ParseRef(text string) bool { _, ok := parseRef(text); return ok }

func ParseFence(text string) bool { _, ok := parseFence(text); return ok }

func ParseSession(text string) bool { _, _, ok := parseSession(text); return ok }

// RouteOf is the pattern of the route that a path leads to.
func RouteOf(path string) string { return routeOf(path) }
