package accounttest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
)

// atOnce: many calls at the same time end as some order of them explains.
func atOnce(t *testing.T, open func(t testing.TB) Fixture) {
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"forty add one member each": func(t *testing.T, f Fixture) {
			const many = 40
			g := f.group(t, "Engineers")
			ids := make([]string, many)
			parallel(many, func(i int) {
				u, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: person(fmt.Sprint("u", i))})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = u.ID
				if _, err := f.ChangeGroup(t.Context(), g.ID, account.GroupChange{Steps: []account.MemberStep{add(u.ID)}}); err != nil {
					t.Error(err)
				}
			})
			got := f.members(t, g.ID)
			slices.Sort(got)
			slices.Sort(ids)
			same(t, "members", got, ids)
			after, err := f.Group(t.Context(), g.ID)
			must(t, err)
			same(t, "count", after.Members, many)
			same(t, "revision", after.Revision, g.Revision+many)
		},
		"twenty invite one name": func(t *testing.T, f Fixture) {
			const many = 20
			var made atomic.Int64
			parallel(many, func(i int) {
				p := person("ada")
				p.ExternalID = fmt.Sprint(i)
				_, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: p})
				switch {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, account.ErrUserNameTaken):
					t.Error(err)
				}
			})
			same(t, "people made", made.Load(), int64(1))
		},
		"ten change one revision": func(t *testing.T, f Fixture) {
			const many = 10
			u := f.invite(t, "ada")
			var won atomic.Int64
			parallel(many, func(i int) {
				p := person("ada")
				p.Name = fmt.Sprint("Ada ", i)
				_, err := f.ChangeUser(t.Context(), u.ID, account.UserChange{IfRevision: u.Revision, Person: &p})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, account.ErrRevision):
					t.Error(err)
				}
			})
			same(t, "changes made", won.Load(), int64(1))
		},
		"ten make one group": func(t *testing.T, f Fixture) {
			const many = 10
			var made atomic.Int64
			parallel(many, func(int) {
				_, err := f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: "Engineers"})
				switch {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, account.ErrGroupName):
					t.Error(err)
				}
			})
			same(t, "groups made", made.Load(), int64(1))
		},
		"adding while being released": func(t *testing.T, f Fixture) {
			const many = 10
			g := f.group(t, "Engineers")
			var ids []string
			for i := range many {
				ids = append(ids, f.invite(t, fmt.Sprint("u", i)).ID)
			}
			parallel(2*many, func(i int) {
				id := ids[i/2]
				var err error
				if i%2 == 0 {
					_, err = f.ChangeGroup(t.Context(), g.ID, account.GroupChange{Steps: []account.MemberStep{add(id)}})
				} else {
					err = f.ReleaseUser(t.Context(), id, 0)
				}
				if err != nil {
					t.Error(err)
				}
			})
			same(t, "members", f.members(t, g.ID), []string{})
		},
	})
}

// parallel runs do n times at once.
func parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			do(i)
		})
	}
	close(begin)
	wg.Wait()
}
