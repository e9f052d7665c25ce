package account_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/account"
)

// inGroup lets somebody in and hands him or her the key of a group.
func (k *keyed) inGroup(t testing.TB, name, group string) string {
	t.Helper()
	u := k.opened(t, name)
	_, err := k.ChangeGroup(asIntegration(t), group, account.GroupChange{Steps: []account.MemberStep{{Users: []string{u.ID}, Evidence: [][]byte{[]byte("signed")}}}})
	must(t, err)
	must(t, k.accept(t, u.ID, 1))
	must(t, k.hand(t, u.ID, group, 1))
	return u.ID
}

// hand hands a group's key over as a bridge does, confirming who has accepted.
func (k *keyed) hand(t testing.TB, user, group string, serial int) error {
	t.Helper()
	return k.Confirm(asIntegration(t), user, account.Confirmation{Number: 1, Attestation: []byte("attested"), Grants: []account.Grant{
		{Group: group, Serial: serial, To: account.Holder{Kind: account.UserHolder, ID: user, Serial: 1}, Sealed: []byte("sealed")},
	}})
}

// TestRekeyingIsCounted: how many hold the newest key of a group, of those who hold any; and the grants of older keys stay
// as long as somebody holds nothing else, and no longer, however the last one ceases to.
func TestRekeyingIsCounted(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, k *keyed, group, last string) error{
		"handed": func(t *testing.T, k *keyed, group, last string) error { return k.hand(t, last, group, 2) },
		"refused": func(t *testing.T, k *keyed, group, last string) error {
			return k.Confirm(asIntegration(t), last, account.Confirmation{Refused: []string{group}})
		},
		"removed": func(t *testing.T, k *keyed, group, last string) error {
			_, err := k.ChangeGroup(asIntegration(t), group, account.GroupChange{Steps: []account.MemberStep{{Kind: account.Remove, Users: []string{last}}}})
			return err
		},
		"released": func(t *testing.T, k *keyed, _, last string) error { return k.ReleaseUser(asIntegration(t), last, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := foundKeyed(t)
			res, err := k.CreateGroup(asIntegration(t), account.NewGroup{ID: anID(t), Name: "Crew"})
			must(t, err)
			group := res.Group.ID
			shows := func(want ...account.Rekeying) {
				t.Helper()
				got, err := k.Rekeyings(t.Context(), "", 10)
				must(t, err)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("progress (-want +got):\n%s", diff)
				}
			}
			must(t, k.KeyGroup(t.Context(), group, account.GroupKey{Serial: 1, Attestation: []byte("first")}))
			ada, grace, last := k.inGroup(t, "ada@example.com", group), k.inGroup(t, "grace@example.com", group), k.inGroup(t, "last@example.com", group)
			k.invite(t, "waits@example.com") // who holds no key is not waited for
			must(t, suspend(t, k.Service, asIntegration(t), grace))
			shows()
			must(t, k.KeyGroup(t.Context(), group, account.GroupKey{Serial: 2, Attestation: []byte("second")}))
			shows(account.Rekeying{Group: group, Serial: 2, Have: 0, Of: 3})
			must(t, k.hand(t, ada, group, 2))
			must(t, k.hand(t, ada, group, 2)) // the answer was lost on the way
			shows(account.Rekeying{Group: group, Serial: 2, Have: 1, Of: 3})
			must(t, k.hand(t, grace, group, 2))
			if list, err := k.Rekeyings(t.Context(), group, 10); err != nil || len(list) > 0 {
				t.Errorf("after the last group: %v %v", list, err)
			}
			shows(account.Rekeying{Group: group, Serial: 2, Have: 2, Of: 3})
			old := func(user string) (n int) {
				t.Helper()
				list, err := k.GrantsOf(t.Context(), group, account.Holder{Kind: account.UserHolder, ID: user, Serial: 1})
				must(t, err)
				for _, g := range list {
					if g.Serial == 1 {
						n++
					}
				}
				return n
			}
			if old(ada)+old(grace)+old(last) != 3 {
				t.Error("a grant of the old key has gone too early")
			}
			must(t, end(t, k, group, last))
			shows()
			if n := old(ada) + old(grace) + old(last); n != 0 {
				t.Errorf("%d grants of the old key stay", n)
			}
		})
	}
}
