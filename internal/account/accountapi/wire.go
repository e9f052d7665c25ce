package accountapi

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/scimbridge/scimbridge/internal/account"
)

// The shapes on the wire, one for each word of package account that travels. They are types of their own, so that a
// field which is added there does not get out by itself. docs/account-api.md describes them.

// decode reads a body strictly: one JSON value in UTF-8, no member twice, none that is not known.
func decode(raw []byte, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return &badRequest{codeBody, "The request has no body."}
	}
	if err := json.Unmarshal(raw, into, json.RejectUnknownMembers(true)); err != nil {
		return &badRequest{codeBody, "The body is not the JSON that this route takes: " + short(err.Error())}
	}
	return nil
}

// encode writes a body. Texts that are not UTF-8 cannot be written.
func encode(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, &account.InvalidError{Field: "a text", Reason: "is not valid UTF-8"}
	}
	return raw, nil
}

// short bounds what an error repeats of what somebody else has sent.
func short(text string) string {
	const longest = 300
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return string(bytes.ToValidUTF8([]byte(text), []byte("\uFFFD")))
}

type wirePerson struct {
	UserName   string   `json:"userName"`
	Email      string   `json:"email,omitzero"`
	Addresses  []string `json:"addresses,omitzero"`
	Name       string   `json:"name,omitzero"`
	Language   string   `json:"language,omitzero"`
	ExternalID string   `json:"externalId,omitzero"`
	Profile    []byte   `json:"profile,omitzero"` // base64: the account keeps it to the byte
}

type wireRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type wireUser struct {
	ID           string        `json:"id"`
	Person       wirePerson    `json:"person"`
	SignInName   string        `json:"signInName,omitzero"`
	State        account.State `json:"state"`
	Managed      bool          `json:"managed,omitzero"`
	Protection   string        `json:"protection,omitzero"`
	Released     bool          `json:"released,omitzero"`
	ProfileStale bool          `json:"profileStale,omitzero"`
	Revision     int64         `json:"revision"`
	Created      time.Time     `json:"created"`
	Modified     time.Time     `json:"modified"`
	Groups       []wireRef     `json:"groups,omitzero"`
}

func fromUser(u *account.User) wireUser {
	return wireUser{
		ID: u.ID, Person: wirePerson(u.Person), SignInName: u.SignInName, State: u.State, Managed: u.Managed, Protection: u.Protection,
		Released: u.Released, ProfileStale: u.ProfileStale, Revision: u.Revision, Created: u.Created, Modified: u.Modified,
		Groups: mapped(u.Groups, func(g *account.GroupRef) wireRef { return wireRef(*g) }),
	}
}

func (u *wireUser) user() account.User {
	return account.User{
		ID: u.ID, Person: account.Person(u.Person), SignInName: u.SignInName, State: u.State, Managed: u.Managed, Protection: u.Protection,
		Released: u.Released, ProfileStale: u.ProfileStale, Revision: u.Revision, Created: u.Created, Modified: u.Modified,
		Groups: mapped(u.Groups, func(g *wireRef) account.GroupRef { return account.GroupRef(*g) }),
	}
}

type wireGroup struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	ExternalID string            `json:"externalId,omitzero"`
	Profile    []byte            `json:"profile,omitzero"`
	Managed    bool              `json:"managed,omitzero"`
	Mode       account.GroupMode `json:"mode"`
	Privileged bool              `json:"privileged,omitzero"`
	Revision   int64             `json:"revision"`
	Created    time.Time         `json:"created"`
	Modified   time.Time         `json:"modified"`
	Members    int               `json:"members"`
	Serial     int               `json:"serial,omitzero"`
	Rotate     bool              `json:"rotate,omitzero"`
}

func (g *wireGroup) group() account.Group { return account.Group(*g) }

type wireMember struct {
	UserID string         `json:"userId"`
	Name   string         `json:"name,omitzero"`
	Source account.Source `json:"source"`
}

type wireTerm struct {
	Field account.Field `json:"field"`
	Op    account.Op    `json:"op"`
	Value string        `json:"value"`
}

type wirePosition struct {
	Key string `json:"key"`
	ID  string `json:"id"`
}

type wireQuery struct {
	Terms      []wireTerm    `json:"terms,omitzero"`
	Order      account.Field `json:"order,omitzero"`
	Descending bool          `json:"descending,omitzero"`
	After      *wirePosition `json:"after,omitzero"`
	Offset     int           `json:"offset,omitzero"`
	Limit      int           `json:"limit,omitzero"`
	NoTotal    bool          `json:"noTotal,omitzero"`
	Groups     bool          `json:"groups,omitzero"`
}

func fromQuery(q *account.Query) wireQuery {
	return wireQuery{
		Terms: mapped(q.Terms, func(t *account.Term) wireTerm { return wireTerm(*t) }), Order: q.Order, Descending: q.Descending,
		After: (*wirePosition)(q.After), Offset: q.Offset, Limit: q.Limit, NoTotal: q.NoTotal, Groups: q.Groups,
	}
}

// Limits of a question.
const (
	maxPage  = 10_000 // rows
	maxTerms = 100
)

var (
	knownFields = []account.Field{
		account.ByID, account.ByUserName, account.ByEmail, account.ByExternalID, account.ByName, account.ByActive,
		account.ByModified, account.ByCreated, account.ByMember, account.BySequence,
	}
	knownOps = []account.Op{account.Eq, account.Prefix, account.Gt, account.Ge, account.Lt, account.Le}
)

func (q *wireQuery) query() (account.Query, error) {
	if q.Limit < 0 || q.Limit > maxPage || q.Offset < 0 || len(q.Terms) > maxTerms {
		return account.Query{}, &badRequest{codeQuery, fmt.Sprintf("A question has an offset of at least 0, a limit from 0 to %d and at most %d terms.", maxPage, maxTerms)}
	}
	if !slices.Contains(knownFields, q.Order) || slices.ContainsFunc(q.Terms, func(t wireTerm) bool {
		return !slices.Contains(knownFields, t.Field) || !slices.Contains(knownOps, t.Op)
	}) {
		return account.Query{}, &badRequest{codeQuery, "A term or the order names a field or a comparison that there is not."}
	}
	return account.Query{
		Terms: mapped(q.Terms, func(t *wireTerm) account.Term { return account.Term(*t) }), Order: q.Order, Descending: q.Descending,
		After: (*account.Position)(q.After), Offset: q.Offset, Limit: q.Limit, NoTotal: q.NoTotal, Groups: q.Groups,
	}, nil
}

type wireUsers struct {
	Users []wireUser    `json:"users"`
	Total int           `json:"total"`
	Next  *wirePosition `json:"next,omitzero"`
}

type wireGroups struct {
	Groups []wireGroup   `json:"groups"`
	Total  int           `json:"total"`
	Next   *wirePosition `json:"next,omitzero"`
}

type wireInvite struct {
	ID       string     `json:"id"`
	Person   wirePerson `json:"person"`
	Inactive bool       `json:"inactive,omitzero"`
	Evidence []byte     `json:"evidence,omitzero"`
}

type wireUserChange struct {
	Person   *wirePerson `json:"person,omitzero"`
	Active   *bool       `json:"active,omitzero"`
	Evidence []byte      `json:"evidence,omitzero"`
}

type wireNewGroup struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	ExternalID string   `json:"externalId,omitzero"`
	Profile    []byte   `json:"profile,omitzero"`
	Members    []string `json:"members,omitzero"`
	Evidence   [][]byte `json:"evidence,omitzero"`
	Strict     bool     `json:"strict,omitzero"`
}

type wireGroupChange struct {
	Name       *string    `json:"name,omitzero"`
	ExternalID *string    `json:"externalId,omitzero"`
	Profile    []byte     `json:"profile,omitzero"` // left out: keep
	Steps      []wireStep `json:"steps,omitzero"`
	Strict     bool       `json:"strict,omitzero"`
	Show       int        `json:"show,omitzero"`
}

type wireStep struct {
	Kind     string   `json:"kind"`
	Users    []string `json:"users,omitzero"`
	Evidence [][]byte `json:"evidence,omitzero"`
}

var stepNames = map[account.StepKind]string{account.Add: "add", account.Remove: "remove", account.Replace: "replace"}

func fromStep(s *account.MemberStep) wireStep {
	return wireStep{stepNames[s.Kind], s.Users, s.Evidence}
}

func (s *wireStep) step() (account.MemberStep, error) {
	for kind, name := range stepNames {
		if name == s.Kind {
			return account.MemberStep{Kind: kind, Users: s.Users, Evidence: evidence(s.Evidence)}, nil
		}
	}
	return account.MemberStep{}, &badRequest{codeBody, "A step is one of add, remove and replace."}
}

// evidence is a list of evidence as it was before JSON made none and an empty one the same.
func evidence(list [][]byte) [][]byte {
	for i := range list {
		if len(list[i]) == 0 {
			list[i] = nil
		}
	}
	return list
}

type wireGroupResult struct {
	Group   wireGroup    `json:"group"`
	Unknown []string     `json:"unknown,omitzero"`
	Changed bool         `json:"changed,omitzero"`
	Shown   bool         `json:"shown,omitzero"`
	Members []wireMember `json:"members,omitzero"`
}

func fromGroupResult(r *account.GroupResult) wireGroupResult {
	return wireGroupResult{wireGroup(r.Group), r.Unknown, r.Changed, r.Shown, mapped(r.Members, func(m *account.Member) wireMember { return wireMember(*m) })}
}

func (r *wireGroupResult) result() account.GroupResult {
	return account.GroupResult{
		Group: account.Group(r.Group), Unknown: r.Unknown, Changed: r.Changed, Shown: r.Shown,
		Members: mapped(r.Members, func(m *wireMember) account.Member { return account.Member(*m) }),
	}
}

type wireInfo struct {
	ID    string             `json:"id"`
	Name  string             `json:"name"`
	Guard account.GuardState `json:"guard,omitzero"`
	Root  []byte             `json:"root,omitzero"`
}

// mapped is a list of other things, nil where the list is.
func mapped[A, B any](list []A, f func(*A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i := range list {
		out[i] = f(&list[i])
	}
	return out
}
