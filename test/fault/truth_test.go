package fault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// truth is what the account holds, read from the database while nothing is under way, against what was acknowledged.
type truth struct {
	lost, doubled, late int
	problems            []string
}

func (tr *truth) add(count *int, format string, args ...any) {
	*count++
	tr.problems = append(tr.problems, fmt.Sprintf(format, args...))
}

// settle judges what is there.
func (tr *truth) settle(what string, k *known, value string) {
	want := k.now
	switch k.settle(value) {
	case fresh:
	case late:
		tr.late++
	default:
		tr.add(&tr.lost, "lost: %s is %q, and %q was acknowledged", what, value, want)
	}
	k.rest()
}

// page is how many rows are read at once.
const page = 1000

// pages reads all rows of a list.
func pages[T any](ctx context.Context, read func(ctx context.Context, after string, limit int) ([]T, error), id func(*T) string) ([]T, error) {
	var all []T
	for after := ""; ; after = id(&all[len(all)-1]) {
		list, err := read(ctx, after, page)
		all = append(all, list...)
		if err != nil || len(list) < page {
			return all, err
		}
	}
}

// check compares, with all workers standing still.
func (s *site) check(ctx context.Context) (*truth, error) {
	tr := &truth{}
	people, err := pages(ctx, s.service.People, func(u *account.User) string { return u.ID })
	if err != nil {
		return nil, err
	}
	groups, err := pages(ctx, s.service.AllGroups, func(g *account.Group) string { return g.ID })
	if err != nil {
		return nil, err
	}
	tr.people(s.workers, people)
	if err := s.checkGroups(ctx, tr, groups); err != nil {
		return nil, err
	}
	if err := s.checkActivity(ctx, tr); err != nil {
		return nil, err
	}
	return tr, s.checkJoined(ctx, tr)
}

func (tr *truth) people(workers []*worker, people []account.User) {
	byName, byExternal := map[string][]*account.User{}, map[string]int{}
	for i := range people {
		u := &people[i]
		if u.Released {
			continue
		}
		byName[u.UserName] = append(byName[u.UserName], u)
		if u.ExternalID != "" {
			if byExternal[u.ExternalID]++; byExternal[u.ExternalID] == 2 {
				tr.add(&tr.doubled, "doubled: person %s", u.ExternalID)
			}
		}
	}
	for _, w := range workers {
		for _, p := range w.allPeople {
			list := byName[p.name]
			tr.settle(p.name, &p.there, word(len(list) > 0))
			if len(list) != 1 {
				continue
			}
			u := list[0]
			var profile struct{ Title string }
			if err := json.Unmarshal(u.Profile, &profile); err != nil || u.ID != p.id && p.id != "" {
				tr.add(&tr.lost, "lost: %s is not whole: %s %s %v", p.name, u.ID, u.Profile, err)
			}
			p.id = u.ID
			tr.settle("title of "+p.name, &p.title, profile.Title)
			tr.settle(p.name+" active", &p.active, word(u.State == account.Invited || u.State == account.Accepted || u.State == account.Active))
		}
	}
}

func (s *site) checkGroups(ctx context.Context, tr *truth, groups []account.Group) error {
	byName := map[string][]*account.Group{}
	for i := range groups {
		g := &groups[i]
		if byName[g.Name] = append(byName[g.Name], g); len(byName[g.Name]) == 2 {
			tr.add(&tr.doubled, "doubled: group %s", g.Name)
		}
	}
	for _, w := range s.workers {
		for _, g := range w.allGroups {
			list := byName[g.name]
			tr.settle(g.name, &g.there, word(len(list) > 0))
			if len(list) != 1 {
				continue
			}
			g.id = list[0].ID
			members, err := pages(ctx, func(ctx context.Context, after string, limit int) ([]account.Member, error) {
				return s.service.Members(ctx, g.id, after, limit)
			}, func(m *account.Member) string { return m.UserID })
			if err != nil {
				return err
			}
			in := map[string]bool{}
			for _, m := range members {
				in[m.UserID] = true
			}
			for p, k := range g.members {
				tr.settle(p.name+" in "+g.name, k, word(in[p.id]))
				delete(in, p.id)
			}
			g.replaced = false
			for _, j := range s.joined {
				if j.group == g.id {
					delete(in, j.id)
				}
			}
			for id := range in {
				tr.add(&tr.doubled, "doubled: %s is in %s, whom nobody has put there", id, g.name)
			}
		}
	}
	return nil
}

// checkActivity reads the entries since the last time: nothing was done twice by one request, nobody and no group was
// made twice, and the chain holds.
func (s *site) checkActivity(ctx context.Context, tr *truth) error {
	for {
		list, err := s.service.Activity(ctx, s.entries, page)
		if err != nil {
			return err
		}
		for i := range list {
			e := &list[i]
			s.entries = e.Number
			what := ""
			switch {
			case e.Verb == "user.invite", e.Verb == "group.create", e.Verb == "user.confirm":
				what = e.Verb + " " + e.ObjectID
			case e.Caller == account.Integration && e.RequestID != "":
				what = fmt.Sprint(e.RequestID, " ", e.Verb, " ", e.ObjectID, " ", e.Detail)
			}
			if what != "" && s.seenMade[what] {
				tr.add(&tr.doubled, "doubled: %s", what)
			}
			s.seenMade[what] = true
		}
		if len(list) < page {
			break
		}
	}
	v, err := s.service.Verify(ctx)
	if err == nil && v.Problem != "" {
		tr.problems = append(tr.problems, "the activity log: "+v.Problem)
	}
	return err
}

// checkJoined waits until nothing is due at the account any more: every group has its key, every link is made, and whoever
// has accepted is in, with the keys of the person's groups.
func (s *site) checkJoined(ctx context.Context, tr *truth) error {
	ctx, cancel := context.WithTimeout(ctx, recoverIn)
	defer cancel()
	begin := time.Now()
	if err := until(ctx, func() error {
		due, err := s.service.Due(ctx, "", page)
		if err == nil && !due.Empty() {
			err = fmt.Errorf("%d invitations, %d groups and %d people wait", len(due.Invitations), len(due.Groups), len(due.People))
		}
		return err
	}); err != nil {
		tr.problems = append(tr.problems, fmt.Sprintf("stuck after %s: %v", time.Since(begin).Round(time.Millisecond), err))
		return nil
	}
	for _, j := range s.joined {
		u, err := s.service.Person(ctx, j.id)
		if err != nil {
			return err
		}
		if u.State != account.Active {
			tr.add(&tr.lost, "lost: %s has accepted and is %s", j.id, u.State)
		}
		grants, err := s.service.GrantsOf(ctx, j.group, account.Holder{Kind: account.UserHolder, ID: j.id, Serial: 1})
		if err != nil {
			return err
		}
		if len(grants) != 1 {
			tr.add(&tr.doubled, "%s holds %d grants of the group", j.id, len(grants))
		}
	}
	return nil
}
