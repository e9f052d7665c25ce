package accounttest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// queries: what is found, in which order, and page by page.
func queries(t *testing.T, open func(t testing.TB) Fixture) {
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		byName := map[string]account.User{}
		for _, name := range []string{"carol", "Adam", "bob", "ada", "élodie"} {
			p := person(name)
			p.ExternalID = "X-" + name
			p.Addresses = []string{name + "@elsewhere.example"}
			u, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: p})
			must(t, err)
			byName[name] = u
		}
		_, err := f.setActive(t, byName["bob"].ID, false)
		must(t, err)
		gone := f.invite(t, "gone")
		must(t, f.ReleaseUser(t.Context(), gone.ID, 0))
		deleted := f.inState(t, "deleted", account.Active)
		_, err = f.Admin.SetState(t.Context(), deleted.ID, account.Deleted)
		must(t, err)
		f.userTerms(t, byName)
		f.userOrders(t)
	})
	t.Run("groups", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		ada := f.invite(t, "ada")
		made := map[string]account.Group{}
		for _, name := range []string{"Poets", "engineers", "Painters"} {
			res, err := f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: name, ExternalID: "X-" + name})
			must(t, err)
			made[name] = res.Group
		}
		_, err := f.Admin.MakeGroup(t.Context(), "Pirates", []string{ada.ID})
		must(t, err)
		f.change(t, made["Poets"].ID, add(ada.ID))
		f.change(t, made["engineers"].ID, add(ada.ID))
		f.groupTerms(t, ada, made)
		f.groupOrders(t)
	})
}

func (f Fixture) userTerms(t *testing.T, byName map[string]account.User) {
	t.Helper()
	carol, ada := byName["carol"], byName["ada"]
	at := func(u account.User, d time.Duration) string { return u.Created.Add(d).Format(time.RFC3339Nano) }
	for _, tt := range []struct {
		name  string
		terms []account.Term
		want  string // names, as made
	}{
		{"nothing asked", nil, "owner carol Adam bob ada élodie"},
		{"id", []account.Term{{Field: account.ByID, Op: account.Eq, Value: ada.ID}}, "ada"},
		{"id of nobody", []account.Term{{Field: account.ByID, Op: account.Eq, Value: "x"}}, ""},
		{"user name", []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: "ÉLODIE@EXAMPLE.COM"}}, "élodie"},
		{"user name of a released person", []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: "gone@example.com"}}, ""},
		{"user name begins", []account.Term{{Field: account.ByUserName, Op: account.Prefix, Value: "ADA"}}, "Adam ada"},
		{"user name after", []account.Term{{Field: account.ByUserName, Op: account.Gt, Value: "ada@example.com"}}, "owner carol Adam bob élodie"},
		{"user name from", []account.Term{{Field: account.ByUserName, Op: account.Ge, Value: "carol@example.com"}}, "owner carol élodie"},
		{"user name before", []account.Term{{Field: account.ByUserName, Op: account.Lt, Value: "adam@example.com"}}, "ada"},
		{"user name to", []account.Term{{Field: account.ByUserName, Op: account.Le, Value: "ADAM@example.com"}}, "Adam ada"},
		{"e-mail address", []account.Term{{Field: account.ByEmail, Op: account.Eq, Value: "Carol@Example.com"}}, "carol"},
		{"another address", []account.Term{{Field: account.ByEmail, Op: account.Eq, Value: "CAROL@elsewhere.example"}}, "carol"},
		{"external id", []account.Term{{Field: account.ByExternalID, Op: account.Eq, Value: "X-bob"}}, "bob"},
		{"external id in another case", []account.Term{{Field: account.ByExternalID, Op: account.Eq, Value: "x-bob"}}, ""},
		{"name", []account.Term{{Field: account.ByName, Op: account.Eq, Value: "person ADA"}}, "ada"},
		{"name begins", []account.Term{{Field: account.ByName, Op: account.Prefix, Value: "person a"}}, "Adam ada"},
		{"active", []account.Term{{Field: account.ByActive, Op: account.Eq, Value: "true"}}, "owner carol Adam ada élodie"},
		{"inactive", []account.Term{{Field: account.ByActive, Op: account.Eq, Value: "false"}}, "bob"},
		{"created then", []account.Term{{Field: account.ByCreated, Op: account.Eq, Value: at(ada, 0)}, {Field: account.ByName, Op: account.Eq, Value: "person ada"}}, "ada"},
		{"created just after", []account.Term{{Field: account.ByCreated, Op: account.Eq, Value: at(ada, 1)}}, ""},
		{"created before a moment between", []account.Term{{Field: account.ByCreated, Op: account.Lt, Value: at(carol, 1)}, {Field: account.ByUserName, Op: account.Prefix, Value: "carol"}}, "carol"},
		{"created from a moment between", []account.Term{{Field: account.ByCreated, Op: account.Ge, Value: at(carol, 1)}, {Field: account.ByUserName, Op: account.Prefix, Value: "carol"}}, ""},
		{"modified before it was", []account.Term{{Field: account.ByModified, Op: account.Lt, Value: at(carol, 0)}, {Field: account.ByUserName, Op: account.Prefix, Value: "carol"}}, ""},
		{"modified since", []account.Term{{Field: account.ByModified, Op: account.Ge, Value: at(carol, 0)}, {Field: account.ByActive, Op: account.Eq, Value: "false"}}, "bob"},
		{"two names", []account.Term{{Field: account.ByUserName, Op: account.Prefix, Value: "a"}, {Field: account.ByName, Op: account.Prefix, Value: "person b"}}, ""},
	} {
		page, err := f.Users(t.Context(), account.Query{Terms: tt.terms, Limit: 100})
		must(t, err)
		got := []string{}
		for _, u := range page.Users {
			if u.ID == f.Owner {
				got = append(got, "owner")
			} else {
				got = append(got, strings.TrimSuffix(u.UserName, "@example.com"))
			}
		}
		same(t, tt.name, got, slices.AppendSeq([]string{}, strings.FieldsSeq(tt.want)))
		for _, q := range []account.Query{{Terms: tt.terms}, {Terms: tt.terms, Limit: 1}, {Terms: tt.terms, Offset: 2, Limit: 1}} {
			some, err := f.Users(t.Context(), q)
			must(t, err)
			same(t, tt.name+": total", some.Total, len(got))
		}
	}
}

// userOrders: each order, in both directions, is the same whether it is read at once, by offset or by position.
func (f Fixture) userOrders(t *testing.T) {
	t.Helper()
	keys := map[account.Field]func(a, b account.User) int{
		account.BySequence: func(account.User, account.User) int { return 0 },
		account.ByID:       func(a, b account.User) int { return strings.Compare(a.ID, b.ID) },
		account.ByUserName: func(a, b account.User) int {
			return strings.Compare(account.Fold(a.UserName), account.Fold(b.UserName))
		},
		account.ByName:       func(a, b account.User) int { return strings.Compare(account.Fold(a.Name), account.Fold(b.Name)) },
		account.ByExternalID: func(a, b account.User) int { return strings.Compare(a.ExternalID, b.ExternalID) },
		account.ByCreated:    func(a, b account.User) int { return a.Created.Compare(b.Created) },
		account.ByModified:   func(a, b account.User) int { return a.Modified.Compare(b.Modified) },
	}
	made, err := f.Users(t.Context(), account.Query{Limit: 100, NoTotal: true, Groups: true})
	must(t, err)
	same(t, "total that is not wanted", made.Total, -1)
	for order, compare := range keys {
		for _, descending := range []bool{false, true} {
			want := slices.Clone(made.Users)
			if descending {
				slices.Reverse(want) // where keys are equal, the order of creation decides, backwards as well
			}
			slices.SortStableFunc(want, func(a, b account.User) int {
				if descending {
					return compare(b, a)
				}
				return compare(a, b)
			})
			q := account.Query{Order: order, Descending: descending, Limit: 2}
			name := "order by " + string(order)
			var byOffset, byPosition []string
			for q.Offset < len(want) {
				page, err := f.Users(t.Context(), q)
				must(t, err)
				same(t, name+": total", page.Total, len(want))
				byOffset = append(byOffset, userNames(page.Users)...)
				q.Offset += q.Limit
			}
			beyond, err := f.Users(t.Context(), q)
			must(t, err)
			same(t, name+": beyond the end", len(beyond.Users), 0)
			for q.Offset = 0; ; {
				page, err := f.Users(t.Context(), q)
				must(t, err)
				byPosition = append(byPosition, userNames(page.Users)...)
				if q.After = page.Next; q.After == nil {
					break
				}
			}
			same(t, name+" by offset", byOffset, userNames(want))
			same(t, name+" by position", byPosition, userNames(want))
		}
	}
}

func (f Fixture) groupTerms(t *testing.T, ada account.User, made map[string]account.Group) {
	t.Helper()
	for _, tt := range []struct {
		name string
		term account.Term
		want string
	}{
		{"id", account.Term{Field: account.ByID, Op: account.Eq, Value: made["Painters"].ID}, "Painters"},
		{"name", account.Term{Field: account.ByName, Op: account.Eq, Value: "poets"}, "Poets"},
		{"name of a group that is not managed", account.Term{Field: account.ByName, Op: account.Eq, Value: "Pirates"}, ""},
		{"name begins", account.Term{Field: account.ByName, Op: account.Prefix, Value: "p"}, "Poets Painters"},
		{"name before", account.Term{Field: account.ByName, Op: account.Lt, Value: "PAINTERS"}, "engineers"},
		{"external id", account.Term{Field: account.ByExternalID, Op: account.Eq, Value: "X-Poets"}, "Poets"},
		{"member", account.Term{Field: account.ByMember, Op: account.Eq, Value: ada.ID}, "Poets engineers"},
		{"member of none", account.Term{Field: account.ByMember, Op: account.Eq, Value: f.Owner}, ""},
		{"nobody as a member", account.Term{Field: account.ByMember, Op: account.Eq, Value: ""}, ""},
		{"modified", account.Term{Field: account.ByModified, Op: account.Ge, Value: made["Poets"].Created.Format(time.RFC3339Nano)}, "Poets engineers Painters"},
		{"created", account.Term{Field: account.ByCreated, Op: account.Lt, Value: made["Poets"].Created.Format(time.RFC3339Nano)}, ""},
	} {
		page, err := f.Groups(t.Context(), account.Query{Terms: []account.Term{tt.term}, Limit: 10})
		must(t, err)
		got := []string{}
		for _, g := range page.Groups {
			got = append(got, g.Name)
		}
		same(t, tt.name, got, slices.AppendSeq([]string{}, strings.FieldsSeq(tt.want)))
		count, err := f.Groups(t.Context(), account.Query{Terms: []account.Term{tt.term}})
		must(t, err)
		same(t, tt.name+": total", count.Total, len(got))
	}
}

func (f Fixture) groupOrders(t *testing.T) {
	t.Helper()
	keys := map[account.Field]func(a, b account.Group) int{
		account.BySequence: func(account.Group, account.Group) int { return 0 },
		account.ByID:       func(a, b account.Group) int { return strings.Compare(a.ID, b.ID) },
		account.ByName:     func(a, b account.Group) int { return strings.Compare(account.Fold(a.Name), account.Fold(b.Name)) },
		account.ByModified: func(a, b account.Group) int { return a.Modified.Compare(b.Modified) },
		account.ByCreated:  func(a, b account.Group) int { return a.Created.Compare(b.Created) },
	}
	made, err := f.Groups(t.Context(), account.Query{Limit: 100})
	must(t, err)
	for order, compare := range keys {
		for _, descending := range []bool{false, true} {
			want := slices.Clone(made.Groups)
			if descending {
				slices.Reverse(want)
			}
			slices.SortStableFunc(want, func(a, b account.Group) int {
				if descending {
					return compare(b, a)
				}
				return compare(a, b)
			})
			q := account.Query{Order: order, Descending: descending, Limit: 1}
			var byOffset, byPosition []account.Group
			for ; q.Offset < len(want); q.Offset++ {
				page, err := f.Groups(t.Context(), q)
				must(t, err)
				byOffset = append(byOffset, page.Groups...)
			}
			for q.Offset = 0; ; {
				page, err := f.Groups(t.Context(), q)
				must(t, err)
				byPosition = append(byPosition, page.Groups...)
				if q.After = page.Next; q.After == nil {
					break
				}
			}
			same(t, "by offset, order by "+string(order), byOffset, want)
			same(t, "by position, order by "+string(order), byPosition, want)
		}
	}
}
