package conformance

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
)

// RFC 7644 §3.4.2.3: sorting.

// withFilters skips a check where the server announces that it has no filters.
func withFilters(check func(context.Context, *Client) error) func(context.Context, *Client) error {
	return within(check, "filter")
}

// within skips a check where the server announces that it does not support what all of a section needs.
func within(check func(context.Context, *Client) error, features ...string) func(context.Context, *Client) error {
	return func(ctx context.Context, c *Client) error {
		p := &probe{ctx: ctx, c: c, trace: &trace{}}
		for _, f := range features {
			p.needs(f)
		}
		if err := p.result(); err != nil {
			return err
		}
		return check(ctx, c)
	}
}

func sortRequirements() []Requirement {
	list := section(
		"7644", "3.4.2.3",
		entry{199, Must, "sortBy orders by an attribute, without regard to case where that means nothing", func(p *probe) {
			p.sorted([]int{ada, bob, cyd, dan, eve}, "sortBy", "userName")
		}},
		entry{200, Must, "sortOrder is ascending unless it is descending", func(p *probe) {
			p.sorted([]int{ada, bob, cyd, dan, eve}, "sortBy", "userName", "sortOrder", "ascending")
			p.sorted([]int{eve, dan, cyd, bob, ada}, "sortBy", "userName", "sortOrder", "descending")
		}},
		entry{201, Must, "dates are sorted by time", func(p *probe) {
			five := p.five()
			byTime := []int{ada, bob, cyd, dan, eve}
			_, found := p.list("/Users", "filter", p.fiveFilter(), "sortBy", "meta.created")
			p.want(len(found) == len(byTime), "%d of the five are listed", len(found))
			in := slices.IsSortedFunc(found, func(a, b object) int {
				x, _ := instant(at(a, "meta", "created"))
				y, _ := instant(at(b, "meta", "created"))
				return x.Compare(y)
			})
			p.want(in, "the order is %s", strings.Join(names(five, found), " "))
		}},
		entry{202, Def, "a complex attribute is sorted by a sub-attribute", func(p *probe) {
			// Aalto, Lovelace, Moore, Zimmer; Eve has no family name.
			p.sorted([]int{bob, ada, dan, cyd, eve}, "sortBy", "name.familyName")
			a := p.get("/Users" + query("filter", p.fiveFilter(), "sortBy", "name"))
			p.refusedOr(a, http.StatusBadRequest)
		}},
		entry{203, Def, "a multi-valued attribute is sorted by its primary value", sortedByPrimary},
		entry{204, Def, "who has no value comes last, or first when descending", func(p *probe) {
			p.sorted([]int{ada, bob, dan, eve, cyd}, "sortBy", "title")
			p.sorted([]int{cyd, eve, dan, bob, ada}, "sortBy", "title", "sortOrder", "descending")
		}},
	)
	for i, r := range list {
		list[i].Check = within(r.Check, "filter", "sort")
	}
	return append(list, section(
		"7644", "3.4.2.3",
		entry{205, Iop, "sorting that is not supported is ignored", func(p *probe) {
			if yes, known := p.announces("sort", "supported"); !known || yes {
				p.skip("the server announces that it sorts")
			}
			p.status(p.get("/Users?sortBy=userName&count=1"), http.StatusOK)
		}},
	)...)
}

func (p *probe) fiveFilter() string { return `userName sw "` + p.fivePrefix() + `"` }

// sorted fails the check unless the five come in this order.
func (p *probe) sorted(want []int, params ...string) {
	five := p.five()
	_, found := p.list("/Users", append([]string{"filter", p.fiveFilter()}, params...)...)
	var wanted []string
	for _, i := range want {
		wanted = append(wanted, fiveNames[i])
	}
	if got := names(five, found); !p.stopped() && !slices.Equal(got, wanted) {
		p.failf("the order is [%s], want [%s]", strings.Join(got, " "), strings.Join(wanted, " "))
	}
}

func names(five, found []object) []string {
	var list []string
	for _, u := range found {
		list = append(list, who(five, u))
	}
	return list
}

// sortedByPrimary takes the e-mails as the server has them: an account may give everybody one.
func sortedByPrimary(p *probe) {
	five := p.five()
	with := p.withMail()
	slices.SortStableFunc(with, func(a, b int) int {
		return cmp.Compare(strings.ToLower(primaryMail(five[a])), strings.ToLower(primaryMail(five[b])))
	})
	_, found := p.list("/Users", "filter", p.fiveFilter()+" and emails pr", "sortBy", "emails.value")
	got := names(five, found)
	var want []string
	for _, i := range with {
		want = append(want, fiveNames[i])
	}
	p.want(len(found) >= 3 && slices.Equal(got, want), "the order is [%s], want [%s]", strings.Join(got, " "), strings.Join(want, " "))
}

// primaryMail returns the primary e-mail, else the first.
func primaryMail(u object) string {
	if values := primaries(u); len(values) > 0 {
		return values[0]
	}
	return text(first(objects(u, "emails"))["value"])
}
