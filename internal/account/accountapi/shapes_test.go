package accountapi_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
)

// fill puts something into every field, so that one which is forgotten on the wire is found.
func fill(v reflect.Value, path string, skip map[string]bool) {
	if skip[path] {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, skip)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(path))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), path, skip)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, path, skip)
		fill(value, path, skip)
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, skip)
	case reflect.String:
		switch v.Interface().(type) {
		case account.Field:
			v.SetString(string(account.ByName))
		case account.Op:
			v.SetString(string(account.Ge))
		default:
			v.SetString(path)
		}
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(2)
	}
}

// TestShapes: whatever package account says of something gets to the other side, but for what is named here.
func TestShapes(t *testing.T) {
	t.Parallel()
	// What a bridge or a person has no business with.
	skip := map[string]bool{
		".Link": true, ".Proposal": true, ".Keys.SessionsFrom": true, ".Keys.Sealed": true, ".Keys.SignIn": true, ".Privileged.": true,
	}
	for name, in := range map[string]any{
		"User": account.User{}, "Group": account.Group{}, "Query": account.Query{}, "MemberStep": account.MemberStep{}, "GroupResult": account.GroupResult{},
		"Info": account.Info{}, "NewGroup": account.NewGroup{}, "Grant": account.Grant{}, "Lease": account.Lease{}, "Backlog": account.Backlog{},
		"InvitationRow": account.InvitationRow{}, "Candidate": account.Candidate{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := reflect.New(reflect.TypeOf(in)).Elem()
			fill(v, "", skip)
			want := v.Interface()
			if diff := cmp.Diff(want, accountapi.Shapes()[name](want)); diff != "" {
				t.Errorf("after the wire (-want +got):\n%s", diff)
			}
		})
	}
	for name, in := range map[string]any{"Opening": account.Opening{}, "Own": account.Own{}} { // with link, and with the person's own secrets
		v := reflect.New(reflect.TypeOf(in)).Elem()
		fill(v, "", map[string]bool{".Keys.SessionsFrom": true})
		want := v.Interface()
		if diff := cmp.Diff(want, accountapi.Shapes()[name](want)); diff != "" {
			t.Errorf("%s after the wire (-want +got):\n%s", name, diff)
		}
	}
}

// TestErrors: errors of package account keep their identity and what they carry.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		code   string
	}{
		{&account.TakenError{Kind: account.ErrUserNameTaken, ID: "x"}, 409, "user_name_taken"},
		{&account.TakenError{Kind: account.ErrGroupName, ID: "x", Managed: true, Several: true}, 409, "group_name_taken"},
		{&account.ProtectedError{Reason: "break-glass"}, 403, "protected_user"},
		{&account.InvalidError{Field: "emails", Reason: "policy"}, 422, "invalid"},
		{&account.UnknownMembersError{IDs: []string{"a", "b"}}, 422, "unknown_members"},
		{account.ErrNotFound, 404, "not_found"},
		{account.ErrRevision, 412, "revision_mismatch"},
		{fmt.Errorf("%w: two memberships wait", account.ErrRevision), 412, "revision_mismatch"},
		{account.ErrNotManaged, 403, "not_managed"},
		{account.ErrPendingName, 409, "pending_name"},
		{account.ErrIDTaken, 409, "id_taken"},
		{fmt.Errorf("%w: suspended", account.ErrState), 409, "state_conflict"},
		{account.ErrNoKeys, 409, "no_keys"},
		{fmt.Errorf("%w: it has expired", account.ErrInvitation), 410, "invitation_closed"},
		{account.ErrAccess, 403, "link_invalid"},
		{account.ErrGeneration, 401, "generation_revoked"},
		{account.ErrCallReused, 409, "idempotency_mismatch"},
		{&account.HeldError{Reason: "many were suspended"}, 503, "guard_tripped"},
	} {
		status, code, back := accountapi.OverTheWire(fmt.Errorf("user x: %w", tt.err))
		if status != tt.status || code != tt.code {
			t.Errorf("%v is %d %s, want %d %s", tt.err, status, code, tt.status, tt.code)
		}
		if typed := strings.HasSuffix(reflect.TypeOf(tt.err).Elem().PkgPath(), "internal/account"); typed && !reflect.DeepEqual(back, tt.err) {
			t.Errorf("%s comes back as %#v, want %#v", tt.code, back, tt.err)
		}
		for sentinel := tt.err; sentinel != nil; sentinel = errors.Unwrap(sentinel) {
			if errors.Unwrap(sentinel) == nil && !errors.Is(back, sentinel) {
				t.Errorf("%s comes back as %v, which is no %v", tt.code, back, sentinel)
			}
		}
	}
	if status, code, back := accountapi.OverTheWire(errors.New("disk: secret path")); status != 500 || code != "internal" || strings.Contains(back.Error(), "secret") {
		t.Errorf("another error is %d %s: %v", status, code, back)
	}
}

// TestDocumented: the page about the API names every route and every code.
func TestDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/account-api.md")
	must(t, err)
	page := string(raw)
	for _, code := range accountapi.Codes() {
		if !strings.Contains(page, "`"+code+"`") {
			t.Errorf("docs/account-api.md says nothing of the code %s", code)
		}
	}
	_, h := serve(t, nil)
	for _, rt := range h.Routes() {
		if !strings.Contains(page, "`"+rt.Pattern+"`") {
			t.Errorf("docs/account-api.md says nothing of %s", rt.Pattern)
		}
	}
}

// TestStrict: what is not as it should be is refused, and not taken for what it may have meant.
func TestStrict(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	c := newRaw(t, url, k)
	for name, tt := range map[string]struct {
		body, kind, code string
		status           int
	}{
		"unknown member":   {`{"id":"x","person":{"userName":"a"},"admin":true}`, "application/json", "body_malformed", 400},
		"case of a member": {`{"ID":"x","person":{"userName":"a"}}`, "application/json", "body_malformed", 400},
		"twice":            {`{"id":"x","id":"y","person":{"userName":"a"}}`, "application/json", "body_malformed", 400},
		"two values":       {`{"id":"x","person":{"userName":"a"}}{}`, "application/json", "body_malformed", 400},
		"not UTF-8":        {"{\"id\":\"\xff\"}", "application/json", "body_malformed", 400},
		"wrong type":       {`{"id":7}`, "application/json", "body_malformed", 400},
		"cut":              {`{"id":"x"`, "application/json", "body_malformed", 400},
		"no body":          {``, "application/json", "body_malformed", 400},
		"other media type": {`{}`, "text/plain", "unsupported_media_type", 415},
		"too large":        {`{"id":"` + strings.Repeat("x", 5<<20) + `"}`, "application/json", "body_too_large", 413},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.send(t, "POST", "/v1/users", tt.body, map[string]string{"Content-Type": tt.kind, "Idempotency-Key": "0123456789abcdef"})
			if got.Status != tt.status || got.Code != tt.code {
				t.Errorf("answer %+v, want %d %s", got, tt.status, tt.code)
			}
		})
	}
}

func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"id":"a","person":{"userName":"a","profile":"e30="}}`, `{"steps":[{"kind":"add","users":["a"],"evidence":[""]}]}`,
		`{"terms":[{"field":"name","op":"eq","value":"x"}],"after":{"key":"k","id":"i"}}`, `{"grants":[{"to":{"kind":"user"}}]}`,
		`{"account":"a","host":"h","time":"2026-01-02T03:04:05Z","nonce":"","signature":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, raw []byte) { accountapi.DecodeAny(raw) })
}

func FuzzNames(f *testing.F) {
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbb.1")
	f.Add("scx_aaaaaaaaaaaaaaaaaaaaaaaaaa.AAAA")
	f.Add("watchers=7")
	f.Fuzz(func(t *testing.T, text string) {
		if accountapi.ParseRef(text) && strings.ContainsAny(text, "/#? \n") {
			t.Errorf("%q was taken for an invitation", text)
		}
		accountapi.ParseSession(text)
		if accountapi.ParseFence(text) && !strings.Contains(text, "=") {
			t.Errorf("%q was taken for a lease", text)
		}
	})
}
