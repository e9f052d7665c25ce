package accountapi

import (
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// invited is an invitation as its link's path names it: ACCOUNT.USER.NUMBER.
type invited struct {
	account, user string
	number        int
}

func parseRef(ref string) (i invited, ok bool) {
	const parts = 3
	list := strings.Split(ref, ".")
	if len(list) != parts || !account.IsID(list[0]) || !account.IsID(list[1]) {
		return i, false
	}
	n, err := strconv.ParseInt(list[2], 10, 32)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != list[2] {
		return i, false
	}
	return invited{list[0], list[1], int(n)}, true
}

const accessSize = 32 // bytes of what the holder of a link shows

// held finds the account of an invitation, and what the request shows for holding its link. Whatever is wrong is
// account.ErrAccess, so that nobody learns which invitations there are.
func (h *Handler) held(r *request) (*account.Service, invited, []byte, error) {
	i, ok := parseRef(r.PathValue("ref"))
	access, err := url64.DecodeString(r.Header.Get(headerAccess))
	if !ok || err != nil || len(access) != accessSize {
		return nil, i, nil, account.ErrAccess
	}
	svc, err := h.c.Accounts.Account(r.Context(), i.account)
	if errors.Is(err, account.ErrNotFound) {
		err = account.ErrAccess
	}
	r.Request = r.WithContext(account.WithCaller(r.Context(), account.Caller{Kind: joiner, RequestID: r.id}))
	return svc, i, access, err
}

// judged counts who shows the wrong thing.
func (h *Handler) judged(r *request, err error) error {
	if errors.Is(err, account.ErrAccess) {
		h.metrics.wrong.Inc()
		if !h.limits.wrong(h.source(r.Request)) {
			return tooMany()
		}
	}
	return err
}

func (h *Handler) join(r *request) (any, error) {
	svc, i, access, err := h.held(r)
	if err != nil {
		return nil, h.judged(r, err)
	}
	j, err := svc.Join(r.Context(), i.user, i.number, access)
	return j, h.judged(r, err)
}

func (h *Handler) accept(r *request) (any, error) {
	var in wireProposal
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	svc, i, access, err := h.held(r)
	if err != nil {
		return nil, h.judged(r, err)
	}
	return nil, h.judged(r, svc.Accept(r.Context(), i.user, i.number, access, account.Proposal{
		Keys: account.PersonKeys{Public: in.Public, Sealed: in.Sealed, SignIn: in.SignIn}, Possession: in.Possession, Proof: in.Proof,
	}))
}

// began is when a session began.
func began(t ticket) time.Time { return time.UnixMilli(t.Began) }

func (h *Handler) me(r *request) (any, error) {
	own, err := r.service.Own(r.Context(), r.session.Subject, began(r.session))
	return fromOwn(&own), err
}

func (h *Handler) confirmOwnName(r *request) (any, error) {
	var in wireUserName
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return nil, r.service.ConfirmOwnName(r.Context(), r.session.Subject, began(r.session), in.UserName)
}

func (h *Handler) standing(r *request) (any, error) {
	info, err := r.service.Describe(r.Context())
	if err != nil {
		return nil, err
	}
	list, err := r.service.Trust(r.Context())
	return wireStanding{wireInfo(info), list}, err
}

//go:embed pages
var pages embed.FS

var joinTemplate = template.Must(template.ParseFS(pages, "pages/join.html"))

// joinPage tells who opens a link in a browser what to do with it. It is the same for every link: what it is about is
// for the holder of the whole link only, and the part after # never gets here.
func (h *Handler) joinPage(r *request) (any, error) {
	_, ok := parseRef(r.PathValue("ref"))
	head := r.w.Header()
	head.Set(headerContentType, "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", contentSecurityPolicy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cache-Control", "no-store")
	status := http.StatusOK
	if !ok {
		status = http.StatusNotFound
	}
	r.w.WriteHeader(status)
	_ = joinTemplate.Execute(r.w, struct { // the client has gone; there is nobody to tell
		Host  string
		Valid bool
	}{h.host, ok})
	r.written = true
	return nil, nil
}

func (h *Handler) joinStyle(r *request) (any, error) {
	r.w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(r.w, r.Request, pages, "pages/join.css")
	r.written = true
	return nil, nil
}
