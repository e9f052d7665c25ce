package accountapi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/scimbridge/scimbridge/internal/account"
)

// problem is an error on the wire (RFC 9457). Code is stable; Detail is for people. The other members are what the typed
// errors of package account carry.
type problem struct {
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Detail    string    `json:"detail,omitzero"`
	Code      string    `json:"code"`
	RequestID string    `json:"requestId,omitzero"`
	Field     string    `json:"field,omitzero"`
	Reason    string    `json:"reason,omitzero"`
	ID        string    `json:"id,omitzero"`
	Managed   bool      `json:"managed,omitzero"`
	Several   bool      `json:"several,omitzero"`
	IDs       []string  `json:"ids,omitzero"`
	Time      time.Time `json:"time,omitzero"` // the server's
}

// code is one line of the table of errors of package account.
type code struct {
	code   string
	status int
	err    error
	// pack puts a typed error's fields into a problem, unpack makes the error again; nil where a sentinel is enough.
	pack   func(err error, p *problem)
	unpack func(p *problem) error
}

// codes is the table, in both directions. The first line whose sentinel an error wraps counts.
var codes = []code{
	{"user_name_taken", http.StatusConflict, account.ErrUserNameTaken, packTaken, unpackTaken(account.ErrUserNameTaken)},
	{"group_name_taken", http.StatusConflict, account.ErrGroupName, packTaken, unpackTaken(account.ErrGroupName)},
	{"protected_user", http.StatusForbidden, account.ErrProtected, func(err error, p *problem) {
		var typed *account.ProtectedError
		if errors.As(err, &typed) {
			p.Reason = typed.Reason
		}
	}, func(p *problem) error { return &account.ProtectedError{Reason: p.Reason} }},
	{"invalid", http.StatusUnprocessableEntity, account.ErrInvalid, func(err error, p *problem) {
		var typed *account.InvalidError
		if errors.As(err, &typed) {
			p.Field, p.Reason = typed.Field, typed.Reason
		}
	}, func(p *problem) error { return &account.InvalidError{Field: p.Field, Reason: p.Reason} }},
	{"unknown_members", http.StatusUnprocessableEntity, account.ErrUnknownMember, func(err error, p *problem) {
		var typed *account.UnknownMembersError
		if errors.As(err, &typed) {
			p.IDs = typed.IDs
		}
	}, func(p *problem) error { return &account.UnknownMembersError{IDs: p.IDs} }},
	{"guard_tripped", http.StatusServiceUnavailable, account.ErrHeld, func(err error, p *problem) {
		var typed *account.HeldError
		if errors.As(err, &typed) {
			p.Reason = typed.Reason
		}
	}, func(p *problem) error { return &account.HeldError{Reason: p.Reason} }},
	{code: "not_found", status: http.StatusNotFound, err: account.ErrNotFound},
	{code: "revision_mismatch", status: http.StatusPreconditionFailed, err: account.ErrRevision},
	{code: "not_managed", status: http.StatusForbidden, err: account.ErrNotManaged},
	{code: "pending_name", status: http.StatusConflict, err: account.ErrPendingName},
	{code: "id_taken", status: http.StatusConflict, err: account.ErrIDTaken},
	{code: "state_conflict", status: http.StatusConflict, err: account.ErrState},
	{code: "no_keys", status: http.StatusConflict, err: account.ErrNoKeys},
	{code: "invitation_closed", status: http.StatusGone, err: account.ErrInvitation},
	{code: "link_invalid", status: http.StatusForbidden, err: account.ErrAccess},
	{code: "generation_revoked", status: http.StatusUnauthorized, err: account.ErrGeneration},
	{code: "idempotency_mismatch", status: http.StatusConflict, err: account.ErrCallReused},
	{code: "lease_lost", status: http.StatusConflict, err: account.ErrFenced},
	{code: codeUnavailable, status: http.StatusServiceUnavailable, err: account.ErrUnavailable},
}

func packTaken(err error, p *problem) {
	var typed *account.TakenError
	if errors.As(err, &typed) {
		p.ID, p.Managed, p.Several = typed.ID, typed.Managed, typed.Several
	}
}

func unpackTaken(kind error) func(*problem) error {
	return func(p *problem) error {
		return &account.TakenError{Kind: kind, ID: p.ID, Managed: p.Managed, Several: p.Several}
	}
}

// apiError is a refusal by the API itself, before the account is asked.
type apiError struct {
	status     int
	code       string
	detail     string
	retryAfter time.Duration
	time       time.Time
}

func (e *apiError) Error() string { return e.detail }

// badRequest is a request that is not as this API takes it.
type badRequest struct{ code, detail string }

func (e *badRequest) Error() string { return e.detail }

// The codes that are no error of package account: of the API itself.
const (
	codeSessionRequired   = "session_required"
	codeSessionInvalid    = "session_invalid"
	codeSessionEnded      = "session_ended"
	codeSessionKind       = "session_kind"
	codeSignInRefused     = "sign_in_refused"
	codeChallenge         = "challenge_expired"
	codeWrongHost         = "wrong_host"
	codeClock             = "clock_off"
	codeTooMany           = "too_many_requests"
	codeNoRoute           = "no_route"
	codeMethod            = "method_not_allowed"
	codeType              = "unsupported_media_type"
	codeTooLarge          = "body_too_large"
	codeBodyCut           = "body_incomplete"
	codeKeyMissing        = "idempotency_key_missing"
	codeTimeout           = "timeout"
	codeUnavailable       = "unavailable"
	codeInternal          = "internal"
	codeBody              = "body_malformed"
	codeQuery             = "query_invalid"
	codeIfMatch           = "if_match_invalid"
	codeSubject           = "subject_invalid"
	codeLease             = "lease_invalid"
	retryUnavailable      = 1 * time.Second
	problemType           = "application/problem+json"
	shortestKey           = 16 // characters of an idempotency key
	longestKey            = 64
	maxErrorIDs           = 1000 // that a problem names
	headerIdempotency     = "Idempotency-Key"
	headerRequestID       = "X-Request-Id"
	headerAccess          = "Invitation-Access"
	headerLease           = "Lease"
	headerContentType     = "Content-Type"
	jsonType              = "application/json"
	maxProblem            = 1 << 20 // bytes that a client reads of one
	statusClientClosed    = 499     // for log and metrics: the client has gone
	contentSecurityPolicy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

// translate is what an error becomes on the wire. What is not known becomes a 500 that says nothing.
func translate(err error) (p problem, retryAfter time.Duration) {
	var (
		api *apiError
		bad *badRequest
		big *http.MaxBytesError
	)
	switch {
	case errors.As(err, &api):
		return problem{Status: api.status, Code: api.code, Detail: api.detail, Time: api.time}, api.retryAfter
	case errors.As(err, &bad):
		return problem{Status: http.StatusBadRequest, Code: bad.code, Detail: bad.detail}, 0
	case errors.As(err, &big):
		return problem{Status: http.StatusRequestEntityTooLarge, Code: codeTooLarge, Detail: fmt.Sprintf("The body has more than the %d bytes that this route takes.", big.Limit)}, 0
	}
	for i := range codes {
		c := &codes[i]
		if !errors.Is(err, c.err) {
			continue
		}
		p = problem{Status: c.status, Code: c.code, Detail: short(err.Error())}
		if c.pack != nil {
			c.pack(err, &p)
		}
		if len(p.IDs) > maxErrorIDs {
			p.IDs = p.IDs[:maxErrorIDs]
		}
		if held := (*account.HeldError)(nil); errors.As(err, &held) {
			return p, held.Retry
		}
		if c.status == http.StatusServiceUnavailable {
			p.Detail = "The account's database cannot be used at the moment. Try again."
			retryAfter = retryUnavailable
		}
		return p, retryAfter
	}
	return problem{Status: http.StatusInternalServerError, Code: codeInternal, Detail: "Something went wrong in the account service. Its log says what, under the request's id."}, 0
}

func writeProblem(w http.ResponseWriter, p problem, retryAfter time.Duration) {
	p.Title = http.StatusText(p.Status)
	body, err := json.Marshal(p)
	if err != nil { // an id that is not UTF-8
		p.ID, p.IDs, p.Field, p.Reason, p.Detail = "", nil, "", "", ""
		body, _ = json.Marshal(p)
	}
	w.Header().Set(headerContentType, problemType)
	w.Header().Set("Cache-Control", "no-store")
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client has gone; there is nobody to tell
}

// remoteProblem is an error of an account far away, with the sentinel that it wrapped there.
type remoteProblem struct {
	text     string
	sentinel error
}

func (e *remoteProblem) Error() string { return e.text }
func (e *remoteProblem) Unwrap() error { return e.sentinel }

// problemError is a refusal by the API itself, as the client has read it.
type problemError struct{ problem }

func (e *problemError) Error() string {
	text := e.Code
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// restore makes the error of package account again that a problem was made of; any other problem stays one.
func restore(p *problem) error {
	for i := range codes {
		c := &codes[i]
		switch {
		case c.code != p.Code:
		case c.code == codeUnavailable:
			return ErrDatabase
		case c.unpack != nil:
			return c.unpack(p)
		case p.Detail == "" || p.Detail == c.err.Error():
			return c.err
		default:
			return &remoteProblem{p.Detail, c.err}
		}
	}
	if p.Code == codeSessionEnded {
		return &remoteProblem{p.Detail, account.ErrState}
	}
	return &problemError{*p}
}

// Why an account cannot be used though its service answers. Both wrap account.ErrUnavailable.
var (
	// ErrDatabase means that the service cannot use its database.
	ErrDatabase = fmt.Errorf("%w: the account service cannot use its database", account.ErrUnavailable)
	// ErrClock means that the clocks here and there are too far apart to sign in.
	ErrClock = fmt.Errorf("%w: the clock of this machine or of the account service is not right", account.ErrUnavailable)
)
