package accountapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// What the integration does: each handler decodes, calls one thing, encodes.

// ifMatch is the revision of If-Match, 0 where there is none.
func (r *request) ifMatch() (int64, error) {
	text := r.Header.Get("If-Match")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
	if err != nil || n < 1 || text != etag(n) {
		return 0, &badRequest{codeIfMatch, `If-Match is a revision in quotation marks, such as "7".`}
	}
	return n, nil
}

func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// number reads a parameter of the query, within its bounds.
func (r *request) number(name string, otherwise, most int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, &badRequest{codeQuery, name + " is a number from 0 to " + strconv.FormatInt(most, 10) + "."}
	}
	return n, nil
}

func (h *Handler) describe(r *request) (any, error) {
	info, err := r.service.Describe(r.Context())
	return wireInfo(info), err
}

func (h *Handler) users(r *request) (any, error) {
	var in wireQuery
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	page, err := r.service.Users(r.Context(), q)
	return wireUsers{mapped(page.Users, fromUser), page.Total, (*wirePosition)(page.Next)}, err
}

func (h *Handler) user(r *request) (any, error) {
	u, err := r.service.User(r.Context(), r.PathValue("id"))
	return fromUser(&u), err
}

func (h *Handler) invite(r *request) (any, error) {
	var in wireInvite
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	u, err := r.service.Invite(r.Context(), account.Invitation{ID: in.ID, Person: account.Person(in.Person), Inactive: in.Inactive, Evidence: in.Evidence})
	return fromUser(&u), err
}

func (h *Handler) changeUser(r *request) (any, error) {
	var in wireUserChange
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	revision, err := r.ifMatch()
	if err != nil {
		return nil, err
	}
	u, err := r.service.ChangeUser(r.Context(), r.PathValue("id"), account.UserChange{
		IfRevision: revision, Person: (*account.Person)(in.Person), Active: in.Active, Evidence: in.Evidence,
	})
	return fromUser(&u), err
}

func (h *Handler) releaseUser(r *request) (any, error) {
	revision, err := r.ifMatch()
	if err != nil {
		return nil, err
	}
	return nil, r.service.ReleaseUser(r.Context(), r.PathValue("id"), revision)
}

func (h *Handler) groups(r *request) (any, error) {
	var in wireQuery
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	page, err := r.service.Groups(r.Context(), q)
	return wireGroups{mapped(page.Groups, fromGroup), page.Total, (*wirePosition)(page.Next)}, err
}

func fromGroup(g *account.Group) wireGroup { return wireGroup(*g) }

func (h *Handler) group(r *request) (any, error) {
	g, err := r.service.Group(r.Context(), r.PathValue("id"))
	return wireGroup(g), err
}

func (h *Handler) createGroup(r *request) (any, error) {
	var in wireNewGroup
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	in.Evidence = evidence(in.Evidence)
	res, err := r.service.CreateGroup(r.Context(), account.NewGroup(in))
	return fromGroupResult(&res), err
}

func (h *Handler) changeGroup(r *request) (any, error) {
	var in wireGroupChange
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.Show < 0 || in.Show > maxPage {
		return nil, &badRequest{codeBody, "show is a number from 0 to " + strconv.Itoa(maxPage) + "."}
	}
	c := account.GroupChange{Name: in.Name, ExternalID: in.ExternalID, Profile: in.Profile, Strict: in.Strict, Show: in.Show}
	var err error
	if c.IfRevision, err = r.ifMatch(); err != nil {
		return nil, err
	}
	for i := range in.Steps {
		step, err := in.Steps[i].step()
		if err != nil {
			return nil, err
		}
		c.Steps = append(c.Steps, step)
	}
	res, err := r.service.ChangeGroup(r.Context(), r.PathValue("id"), c)
	return fromGroupResult(&res), err
}

func (h *Handler) deleteGroup(r *request) (any, error) {
	revision, err := r.ifMatch()
	if err != nil {
		return nil, err
	}
	return nil, r.service.DeleteGroup(r.Context(), r.PathValue("id"), revision)
}

func (h *Handler) members(r *request) (any, error) {
	limit, err := r.number("limit", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	list, err := r.service.Members(r.Context(), r.PathValue("id"), r.URL.Query().Get("after"), int(limit))
	return mapped(list, func(m *account.Member) wireMember { return wireMember(*m) }), err
}

// defaultPage is how many rows are shown to whoever does not say how many.
const defaultPage = 100

func (h *Handler) trust(r *request) (any, error) {
	list, err := r.service.Trust(r.Context())
	return list, err
}

// longestWait is how long a question for changes may wait: below the 30 s of the most impatient proxies.
const longestWait = 25 * time.Second

func (h *Handler) changes(r *request) (any, error) {
	after, err := r.number("after", 0, 1<<62)
	if err != nil {
		return nil, err
	}
	wait, err := r.number("wait", 0, int64(longestWait/time.Second))
	if err != nil {
		return nil, err
	}
	if h.draining() { // whoever waits would be back at once, until the process has ended
		return nil, account.ErrUnavailable
	}
	const look = 100 * time.Millisecond // for who does not want to wait
	ctx, cancel := context.WithTimeout(r.Context(), max(time.Duration(wait)*time.Second, look))
	defer cancel()
	go func() { // ends with ctx
		select {
		case <-h.drained:
			cancel()
		case <-ctx.Done():
		}
	}()
	if !r.URL.Query().Has("limit") { // only how far it is
		head, err := r.service.Wait(ctx, after)
		return wireHead{Head: head}, err
	}
	limit, err := r.number("limit", 0, maxPage)
	if err != nil {
		return nil, err
	}
	feed, err := r.service.Changes(ctx, after, int(limit))
	return wireHead{feed.Last, mapped(feed.Changes, func(c *account.Change) wireChange { return wireChange(*c) })}, err
}

func (h *Handler) due(r *request) (any, error) {
	limit, err := r.number("limit", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	d, err := r.service.Due(r.Context(), r.URL.Query().Get("after"), int(limit))
	return wireDue{mapped(d.Invitations, fromInvitation), mapped(d.Groups, fromGroup), mapped(d.People, fromCandidate)}, err
}

func (h *Handler) backlog(r *request) (any, error) {
	b, err := r.service.Backlog(r.Context())
	return wireBacklog(b), err
}

func (h *Handler) invitations(r *request) (any, error) {
	limit, err := r.number("limit", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	var states []account.InvitationState
	for _, text := range q["state"] {
		states = append(states, account.InvitationState(text))
	}
	list, err := r.service.Invitations(r.Context(), states, q.Get("after"), int(limit))
	return mapped(list, fromInvitation), err
}

func (h *Handler) openInvitations(r *request) (any, error) {
	var in wireOpenings
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	users, err := r.service.OpenInvitations(r.Context(), mapped(in.Openings, func(o *wireOpening) account.Opening { return account.Opening(*o) }))
	return wireOpened{users}, err
}

func (h *Handler) invitationSent(r *request) (any, error) {
	var in wireNumber
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return nil, r.service.InvitationSent(r.Context(), r.PathValue("id"), in.Number)
}

func (h *Handler) confirm(r *request) (any, error) {
	var in wireConfirmation
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return nil, r.service.Confirm(r.Context(), r.PathValue("id"), account.Confirmation{
		Number: in.Number, Attestation: in.Attestation, Grants: mapped(in.Grants, (*wireGrant).grant), Refused: in.Refused, Withheld: in.Withheld,
	})
}

func (h *Handler) reject(r *request) (any, error) {
	var in wireRefusal
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return nil, r.service.RefuseAcceptance(r.Context(), r.PathValue("id"), in.Number, in.Reason)
}

func (h *Handler) keyGroup(r *request) (any, error) {
	var in wireGroupKey
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return nil, r.service.KeyGroup(r.Context(), r.PathValue("id"), account.GroupKey{
		Serial: in.Serial, Attestation: in.Attestation, Grants: mapped(in.Grants, (*wireGrant).grant),
	})
}

func (h *Handler) rekeyings(r *request) (any, error) {
	limit, err := r.number("limit", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	list, err := r.service.Rekeyings(r.Context(), r.URL.Query().Get("after"), int(limit))
	return mapped(list, func(k *account.Rekeying) wireRekeying { return wireRekeying(*k) }), err
}

func (h *Handler) grants(r *request) (any, error) {
	serial, err := r.number("serial", 0, 1<<31-1)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	to := account.Holder{Kind: account.HolderKind(query.Get("kind")), ID: query.Get("holder"), Serial: int(serial)}
	list, err := r.service.GrantsOf(r.Context(), r.PathValue("id"), to)
	return mapped(list, fromGrant), err
}

func (h *Handler) contact(r *request) (any, error) {
	var in wireContact
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Version)+len(in.Client) > maxSubject {
		return nil, &account.InvalidError{Field: "contact", Reason: "is too long"}
	}
	return nil, r.service.Contact(r.Context(), r.session.Serial, in.Version, in.Client)
}

// fence is the lease that a call is made under, as the header Lease names it: name=number.
func (r *request) fence() (account.Fence, error) {
	text := r.Header.Get(headerLease)
	if text == "" {
		return account.Fence{}, nil
	}
	f, ok := parseFence(text)
	if !ok {
		return f, &badRequest{codeLease, "Lease is the name of a lease and its number, such as watchers=7."}
	}
	return f, nil
}

func parseFence(text string) (account.Fence, bool) {
	name, number, _ := strings.Cut(text, "=")
	n, err := strconv.ParseInt(number, 10, 64)
	f := account.Fence{Name: name, Number: n}
	return f, err == nil && n > 0 && name != "" && text == formatFence(f)
}

func formatFence(f account.Fence) string { return f.Name + "=" + strconv.FormatInt(f.Number, 10) }

func (h *Handler) takeLease(r *request) (any, error) {
	var in wireLeaseAsk
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	life := min(max(in.Life, 0), account.MaxLease.Milliseconds()+1) // what is too long stays so, and does not overflow
	l, err := r.service.TakeLease(r.Context(), account.LeaseAsk{
		Name: r.PathValue("name"), Holder: in.Holder, Generation: r.session.Serial, Life: time.Duration(life) * time.Millisecond,
	})
	return wireLease(l), err
}

func (h *Handler) releaseLease(r *request) (any, error) {
	var in wireNumber
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return nil, r.service.ReleaseLease(r.Context(), account.Fence{Name: r.PathValue("name"), Number: int64(in.Number)})
}

func (h *Handler) ping(r *request) (any, error) { return nil, r.plain(http.StatusOK, "pong") }

// ready says whether requests are wanted.
func (h *Handler) ready(r *request) (any, error) {
	if h.draining() {
		return nil, r.plain(http.StatusServiceUnavailable, "draining")
	}
	return nil, r.plain(http.StatusOK, "ready")
}

func (r *request) plain(status int, text string) error {
	r.written = true
	r.w.Header().Set(headerContentType, "text/plain; charset=utf-8")
	r.w.Header().Set("Cache-Control", "no-store")
	r.w.WriteHeader(status)
	_, _ = r.w.Write([]byte(text + "\n")) // the client has gone; there is nobody to tell
	return nil
}
