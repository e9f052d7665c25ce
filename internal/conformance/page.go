package conformance

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
)

// RFC 7644 §3.4.2.4: pages by index, tried on the crowd (stock.go).

func pageRequirements() []Requirement {
	list := section(
		"7644", "3.4.2.4",
		entry{206, Must, "a startIndex below 1 is 1", func(p *probe) {
			for _, start := range []string{"0", "-5"} {
				a, _ := p.fivePage("startIndex", start, "count", "2")
				p.equal("startIndex", a.body["startIndex"], 1)
			}
		}},
		entry{207, Must, "a page holds no more than count", func(p *probe) {
			_, found := p.fivePage("count", "2")
			p.want(len(found) <= 2 && len(found) > 0, "it holds %d", len(found))
		}},
		entry{208, Must, "a negative count is 0", func(p *probe) {
			a, found := p.fivePage("count", "-1")
			p.want(len(found) == 0, "the page holds %d", len(found))
			p.equal("totalResults", a.body["totalResults"], len(fiveNames))
		}},
		entry{209, Def, "a count of 0 asks for the total only", func(p *probe) {
			a, found := p.fivePage("count", "0")
			p.want(len(found) == 0, "the page holds %d", len(found))
			p.equal("totalResults", a.body["totalResults"], len(fiveNames))
		}},
		entry{210, Def, "a page past the end is empty", func(p *probe) {
			a, found := p.fivePage("startIndex", "6")
			p.want(len(found) == 0, "it holds %d", len(found))
			p.equal("totalResults", a.body["totalResults"], len(fiveNames))
		}},
		entry{211, Iop, "pages show each resource once", func(p *probe) {
			crowd := p.crowd()
			ids, _ := p.walk(p.crowdFilter(), 25)
			p.want(p.stopped() || sameSet(ids, column(crowd, "id")), "of %d people %d are shown, %d of them different", len(crowd), len(ids), distinct(ids))
		}},
		entry{212, Iop, "a count that is no number does no harm", func(p *probe) {
			p.refusedOr(p.get("/Users?count=abc"), http.StatusBadRequest, "invalidValue", "invalidSyntax", "invalidCount")
		}},
		entry{213, Def, "itemsPerPage is the length of this page", func(p *probe) {
			a, found := p.fivePage("startIndex", "5", "count", "4")
			p.want(len(found) == 1, "the last page holds %d", len(found))
			p.equal("itemsPerPage", a.body["itemsPerPage"], 1)
		}},
		entry{214, Def, "totalResults counts what the filter finds, not the page", func(p *probe) {
			a, _ := p.fivePage("count", "1")
			p.equal("totalResults", a.body["totalResults"], len(fiveNames))
		}},
		entry{215, Iop, "the order stays from request to request", func(p *probe) {
			p.crowd()
			once, _ := p.walk(p.crowdFilter(), 40)
			again, _ := p.walk(p.crowdFilter(), 40)
			p.want(slices.Equal(once, again), "two walks show different orders")
		}},
		entry{216, Def, "the announced maximum of a page is kept", func(p *probe) {
			limit, ok := integer(at(p.config().body, "filter", "maxResults"))
			if !ok || limit <= 0 {
				p.skip("the server announces no filter.maxResults")
			}
			_, found := p.list("/Users", "filter", p.crowdFilter(), "count", "100000")
			p.want(len(found) <= limit, "the page holds %d, announced are %d", len(found), limit)
		}},
	)
	for i, r := range list {
		list[i].Check = withFilters(r.Check)
	}
	return list
}

// fivePage lists the five.
func (p *probe) fivePage(params ...string) (answer, []object) {
	p.five()
	return p.list("/Users", append([]string{"filter", p.fiveFilter()}, params...)...)
}

// walk pages through what a filter finds and returns the ids in the order shown.
func (p *probe) walk(filter string, count int) (ids []string, pages int) {
	for start := 1; !p.stopped() && pages < 1000; pages++ {
		a, found := p.list("/Users", "filter", filter, "startIndex", strconv.Itoa(start), "count", strconv.Itoa(count))
		ids = append(ids, column(found, "id")...)
		total, _ := integer(a.body["totalResults"])
		start += len(found)
		if len(found) == 0 || start > total {
			break
		}
	}
	return ids, pages
}

func distinct(ids []string) int {
	return len(slices.CompactFunc(slices.SortedFunc(slices.Values(ids), cmp.Compare), func(a, b string) bool { return a == b }))
}
