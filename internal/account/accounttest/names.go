package accounttest

import (
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
)

// names: which user names are one, and what becomes of them when they change.
func names(t *testing.T, open func(t testing.TB) Fixture) {
	t.Run("one name", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		for _, tt := range []struct{ name, first, second string }{
			{"case", "Ada@Example.COM", "ada@example.com"},
			{"case beyond ASCII", "ÉMILIE@example.com", "émilie@example.com"},
			{"composed or not", "zoe\u0308@example.com", "zoë@example.com"},
			{"width", "ｇｒａｃｅ@example.com", "grace@example.com"},
			{"ideographic", "ハナコ@example.com", "ﾊﾅｺ@example.com"},
			{"spaces inside", "Mary Ann", "mary ann"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				first, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: tt.first}})
				must(t, err)
				same(t, "user name as sent", first.UserName, tt.first)
				_, err = f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: tt.second}})
				wantError(t, err, account.ErrUserNameTaken)
				same(t, "who holds it", holder(err), first.ID)
				page, err := f.Users(t.Context(), account.Query{Terms: []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: tt.second}}, Limit: 5})
				must(t, err)
				same(t, "found", userNames(page.Users), []string{tt.first})
			})
		}
	})
	t.Run("two names", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		for _, tt := range []struct{ name, first, second string }{
			{"accents", "resume@example.com", "résumé@example.com"},
			{"a space more", "mary ann", "mary  ann"},
			{"dots", "a.b@example.com", "ab@example.com"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				for _, name := range []string{tt.first, tt.second} {
					_, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: name}})
					must(t, err)
				}
			})
		}
	})
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"renamed to a name that is taken": func(t *testing.T, f Fixture) {
			grace, ada := f.invite(t, "grace"), f.invite(t, "ada")
			p := ada.Person
			p.UserName = "GRACE@example.com"
			_, err := f.ChangeUser(t.Context(), ada.ID, account.UserChange{Person: &p})
			wantError(t, err, account.ErrUserNameTaken)
			same(t, "who holds it", holder(err), grace.ID)
			got, err := f.User(t.Context(), ada.ID)
			must(t, err)
			same(t, "after the refusal", got, ada)
		},
		"an invited person's old name is free at once": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			got := f.rename(t, ada, "lovelace")
			same(t, "name to sign in with", got.SignInName, got.UserName)
			f.invite(t, "ada")
		},
		"an active person's old name stays reserved until confirmed": func(t *testing.T, f Fixture) {
			ada := f.inState(t, "ada", account.Active)
			got := f.rename(t, ada, "lovelace")
			same(t, "user name", got.UserName, person("lovelace").UserName)
			same(t, "name to sign in with", got.SignInName, ada.UserName)
			for _, name := range []string{"ada", "lovelace"} {
				_, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: person(name)})
				wantError(t, err, account.ErrUserNameTaken)
				same(t, "who holds it", holder(err), ada.ID)
			}
			got, err := f.Admin.ConfirmUserName(t.Context(), ada.ID)
			must(t, err)
			same(t, "name to sign in with", got.SignInName, got.UserName)
			f.invite(t, "ada")
		},
		"back to the old name": func(t *testing.T, f Fixture) {
			ada := f.inState(t, "ada", account.Active)
			f.rename(t, ada, "lovelace")
			got := f.rename(t, ada, "ada")
			same(t, "name to sign in with", got.SignInName, got.UserName)
			f.invite(t, "lovelace")
		},
		"renamed twice": func(t *testing.T, f Fixture) {
			ada := f.inState(t, "ada", account.Active)
			f.rename(t, ada, "lovelace")
			got := f.rename(t, ada, "countess")
			same(t, "name to sign in with", got.SignInName, ada.UserName)
			f.invite(t, "lovelace")
			_, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: person("ada")})
			wantError(t, err, account.ErrUserNameTaken)
		},
		"a suspended person's change waits as well": func(t *testing.T, f Fixture) {
			ada := f.inState(t, "ada", account.Suspended)
			got := f.rename(t, ada, "lovelace")
			same(t, "name to sign in with", got.SignInName, ada.UserName)
		},
		"nothing to confirm": func(t *testing.T, f Fixture) {
			ada := f.inState(t, "ada", account.Active)
			_, err := f.Admin.ConfirmUserName(t.Context(), ada.ID)
			wantError(t, err, account.ErrState)
		},
	})
}

func (f Fixture) rename(t testing.TB, u account.User, name string) account.User {
	t.Helper()
	p := u.Person
	p.UserName = person(name).UserName
	got, err := f.ChangeUser(t.Context(), u.ID, account.UserChange{Person: &p})
	must(t, err)
	return got
}
