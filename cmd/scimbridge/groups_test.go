package main

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/owner"
)

// TestGroupsShowNewKeys: a group that is getting a new key says how far that has come, in every place where people look.
func TestGroupsShowNewKeys(t *testing.T) {
	t.Parallel()
	ctx, dir := asAdministrator(t.Context()), t.TempDir()
	service, closeStore, err := openAccount(ctx, dir, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := foundKeys(owner.Founding{AccountName: "Acme", Name: "O", UserName: "o@example.com", Password: "correct horse"}, "")
	must(err)
	must(f.found(ctx, service, ""))
	id, err := account.NewID(time.Now(), source().Rand)
	must(err)
	_, err = service.CreateGroup(ctx, account.NewGroup{ID: id, Name: "Crew", Members: []string{f.kit.User}, Evidence: [][]byte{[]byte("signed")}})
	must(err)
	must(service.KeyGroup(ctx, id, account.GroupKey{Serial: 1, Attestation: []byte("first")}))
	must(service.Confirm(ctx, f.kit.User, account.Confirmation{Grants: []account.Grant{
		{Group: id, Serial: 1, To: account.Holder{Kind: account.UserHolder, ID: f.kit.User, Serial: 1}, Sealed: []byte("sealed")},
	}}))
	must(service.KeyGroup(ctx, id, account.GroupKey{Serial: 2, Attestation: []byte("second")}))
	must(closeStore())
	for name, tt := range map[string]struct {
		verb groupsVerb
		want string
	}{
		"the list":      {groupsVerb{}, `(?m)^` + id + ` +Crew +1 +managed +0 of 1$`},
		"others":        {groupsVerb{}, `(?m)Owners +1 +never +-$`},
		"as JSON":       {groupsVerb{where: where{JSON: true}}, `"id":"` + id + `".*"key":2,"newKey":{"have":0,"of":1}}`},
		"one":           {groupsVerb{Group: "crew"}, `(?m)^key +2\nnew key +0 of 1$`},
		"one as JSON":   {groupsVerb{where: where{JSON: true}, Group: id}, `^{"id":"` + id + `".*"newKey":{"have":0,"of":1}}\n$`},
		"one, that has": {groupsVerb{Group: "Owners"}, `(?m)^key +1\ncreated`},
	} {
		var out bytes.Buffer
		tt.verb.Data = dir
		if err := tt.verb.Run(ctx, &environment{stdout: &out}); err != nil || !regexp.MustCompile(tt.want).MatchString(out.String()) {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
	if text := newKey(&account.Group{ID: "g", Rotate: true}, nil); text != "waits for the bridge to make it" {
		t.Error(text)
	}
}

func TestRekeyingProgress(t *testing.T) {
	t.Parallel()
	one := account.Rekeying{Group: "g", Serial: 2, Have: 3120, Of: 10000}
	for n, want := range map[int]string{
		0: "", 1: "new key of the group g: 3,120 of 10,000", 5: "and of 2 groups more",
	} {
		list := make([]account.Rekeying, n)
		for i := range list {
			list[i] = one
		}
		got := rekeyingProgress(list)
		if !strings.HasSuffix(got, want) || n == 0 && got != "" {
			t.Errorf("%d groups: %q", n, got)
		}
		if r := watcherReport(bridge.WatcherState{Rekeyings: list}); r.State != "healthy" || r.Progress != got {
			t.Errorf("report %+v", r)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d becomes %s", n, got)
		}
	}
}
