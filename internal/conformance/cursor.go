package conformance

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

// RFC 9865: pages by cursor, tried on the five and the crowd (stock.go).

func cursorRequirements() []Requirement {
	list := join(cursorPageRequirements(), cursorErrorRequirements(), cursorDefaultRequirements(), cursorSecurityRequirements())
	for i, r := range list {
		list[i].Check = withFilters(r.Check)
	}
	return list
}

// cursorPage lists the five by cursor; the first page has the cursor "".
func (p *probe) cursorPage(cursor string, params ...string) (answer, []object) {
	p.needCursors()
	p.five()
	return p.list("/Users", append([]string{"filter", p.fiveFilter(), "cursor", cursor}, params...)...)
}

// next returns the cursor of the page after the first of two, which must be there.
func (p *probe) next() string {
	a, _ := p.cursorPage("", "count", "2")
	cursor := text(a.body["nextCursor"])
	p.want(cursor != "", "there is no nextCursor though there is more")
	return cursor
}

// byCursor walks through what the parameters find and returns the ids in the order shown. visit, where given, is
// called after each page.
func (p *probe) byCursor(visit func(page int, found []object), params ...string) []string {
	p.needCursors()
	var ids []string
	cursor := ""
	for page := 1; !p.stopped() && page < 1000; page++ {
		a, found := p.list("/Users", append([]string{"cursor", cursor}, params...)...)
		ids = append(ids, column(found, "id")...)
		if visit != nil {
			visit(page, found)
		}
		if cursor = text(a.body["nextCursor"]); cursor == "" {
			break
		}
	}
	return ids
}

func cursorPageRequirements() []Requirement {
	unreserved := regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
	return section(
		"9865", "2",
		entry{360, Must, "an empty cursor begins at the first page", func(p *probe) {
			_, empty := p.cursorPage("", "count", "2")
			a := p.get("/Users" + query("filter", p.fiveFilter(), "count", "2") + "&cursor")
			p.status(a, http.StatusOK)
			p.equal("the page of a bare cursor", a.body["Resources"], empty)
			p.want(len(empty) == 2 && text(a.body["nextCursor"]) != "", "the first page is %s", shorten(string(a.raw), 160))
		}},
		entry{361, Def, "a cursor needs no escaping in a URL", func(p *probe) {
			cursor := p.next()
			p.want(p.stopped() || unreserved.MatchString(cursor), "nextCursor is %q", cursor)
		}},
		entry{362, Must, "every page but the last has nextCursor", func(p *probe) {
			ids := p.byCursor(func(page int, found []object) {
				p.want(page > 3 || len(found) > 0, "page %d is empty", page)
			}, "filter", p.fiveFilterMade(), "count", "2")
			p.want(p.stopped() || len(ids) == len(fiveNames), "the walk shows %d of %d", len(ids), len(fiveNames))
		}},
		entry{363, Must, "nextCursor is left out at the end only", func(p *probe) {
			a, found := p.cursorPage("", "count", "5")
			p.want(len(found) == len(fiveNames), "the page holds %d", len(found))
			if cursor := text(a.body["nextCursor"]); cursor != "" && !p.stopped() {
				a, found = p.cursorPage(cursor, "count", "5")
				p.want(len(found) == 0 && a.body["nextCursor"] == nil, "after the end there is %s", shorten(string(a.raw), 160))
			}
		}},
		entry{364, Must, "the first page has no previousCursor", func(p *probe) {
			a, _ := p.cursorPage("", "count", "2")
			p.want(a.body["previousCursor"] == nil, "there is one")
		}},
		entry{365, May, "previousCursor leads back", func(p *probe) {
			_, page1 := p.cursorPage("", "count", "2")
			a, _ := p.cursorPage(p.next(), "count", "2")
			back := text(a.body["previousCursor"])
			if back == "" {
				p.skip("the server gives no previousCursor")
			}
			_, again := p.cursorPage(back, "count", "2")
			p.equal("the page before the second", again, page1)
		}},
		entry{366, Must, "a count of 0 or less asks for the total only", func(p *probe) {
			for _, count := range []string{"0", "-3"} {
				a, found := p.cursorPage("", "count", count)
				p.want(len(found) == 0, "the page holds %d", len(found))
				p.equal("totalResults", a.body["totalResults"], len(fiveNames))
			}
		}},
		entry{367, Must, "a page holds no more than count", func(p *probe) {
			_, found := p.cursorPage("", "count", "3")
			p.want(len(found) <= 3 && len(found) > 0, "it holds %d", len(found))
		}},
		entry{368, Iop, "a walk shows each resource once", func(p *probe) {
			p.needCursors()
			crowd := p.crowd()
			ids := p.byCursor(nil, "filter", p.crowdFilter(), "count", "25")
			p.want(p.stopped() || sameSet(ids, column(crowd, "id")), "of %d people %d are shown, %d of them different", len(crowd), len(ids), distinct(ids))
		}},
		entry{369, Iop, "what comes and goes during a walk hides nobody else", changingWalk},
		entry{370, Must, "a cursor belongs to its query", func(p *probe) {
			cursor := p.next()
			a := p.get("/Users" + query("filter", "title pr", "cursor", cursor, "count", "2"))
			p.refused(a, http.StatusBadRequest, "invalidCursor")
		}},
		entry{371, May, "totalResults, where given, is right", func(p *probe) {
			a, _ := p.cursorPage("", "count", "2")
			if total, there := a.body["totalResults"]; there {
				p.equal("totalResults", total, len(fiveNames))
			}
		}},
		entry{372, Def, "sorting holds over the pages of a walk", func(p *probe) {
			p.needs("sort")
			five := p.five()
			ids := p.byCursor(nil, "filter", p.fiveFilter(), "count", "2", "sortBy", "userName", "sortOrder", "descending")
			want := column(five, "id")
			slices.Reverse(want)
			p.equal("the order", ids, want)
		}},
	)
}

// fiveFilterMade is fiveFilter after the five have been made.
func (p *probe) fiveFilterMade() string {
	p.five()
	return p.fiveFilter()
}

// changingWalk deletes somebody who has been shown and adds somebody, and holds the rest against what is shown.
func changingWalk(p *probe) {
	p.needCursors()
	tag := p.c.prefix() + "moving-"
	var all []object
	for i := range 9 {
		all = append(all, p.user(object{"userName": tag + strconv.Itoa(i) + "@example.com"}))
	}
	var gone string
	ids := p.byCursor(func(page int, found []object) {
		if page != 1 || len(found) == 0 {
			return
		}
		gone = text(found[0]["id"])
		p.status(p.delete(userPath(found[0])), http.StatusNoContent)
		p.user(object{"userName": tag + "new@example.com"})
	}, "filter", `userName sw "`+tag+`"`, "count", "4")
	if p.stopped() {
		return
	}
	for _, u := range all {
		id := text(u["id"])
		times := 0
		for _, shown := range ids {
			if shown == id {
				times++
			}
		}
		p.want(times == 1 || id == gone, "%s is shown %d times", text(u["userName"]), times)
	}
}

func cursorErrorRequirements() []Requirement {
	return section(
		"9865", "2.1",
		entry{373, Should, "a cursor that is none is refused", func(p *probe) {
			p.needCursors()
			p.refused(p.get("/Users?cursor=garbage&count=2"), http.StatusBadRequest, "invalidCursor")
		}},
		entry{374, Should, "an old cursor is refused with expiredCursor", unseen("needs a wait longer than the server's cursorTimeout")},
		entry{375, Should, "another count within a walk is refused or honoured", func(p *probe) {
			a := p.get("/Users" + query("filter", p.fiveFilterMade(), "cursor", p.next(), "count", "3"))
			if p.refusedOr(a, http.StatusBadRequest, "invalidCount") {
				p.want(len(objects(a.body, "Resources")) <= 3, "the page is longer than was asked for")
			}
		}},
		entry{376, Should, "a count that is too large is refused or cut", func(p *probe) {
			p.needCursors()
			a := p.get("/Users" + query("filter", p.fiveFilterMade(), "cursor", "", "count", "10000000"))
			p.refusedOr(a, http.StatusBadRequest, "invalidCount")
		}},
		entry{377, Iop, "cursor and startIndex together are refused, or the cursor wins", func(p *probe) {
			p.needCursors()
			a := p.get("/Users" + query("filter", p.fiveFilterMade(), "cursor", "", "startIndex", "3", "count", "2"))
			if p.refusedOr(a, http.StatusBadRequest) {
				_, page := p.cursorPage("", "count", "2")
				p.equal("the page", a.body["Resources"], page)
			}
		}},
	)
}

func cursorDefaultRequirements() []Requirement {
	return section(
		"9865", "2.3",
		entry{378, Must, "without parameters one method is used, the announced one", func(p *probe) {
			p.needCursors()
			p.crowd()
			a, _ := p.list("/Users")
			total, _ := integer(a.body["totalResults"])
			switch byCursor := at(p.config().body, "pagination", "defaultPaginationMethod") == "cursor"; {
			case byCursor:
				p.want(len(objects(a.body, "Resources")) == total || a.body["nextCursor"] != nil, "there is no nextCursor")
			default:
				p.want(a.body["nextCursor"] == nil, "there is a nextCursor")
				p.equal("startIndex", a.body["startIndex"], 1)
			}
		}},
		entry{379, Def, ".search takes a cursor in the body", func(p *probe) {
			p.needCursors()
			p.five()
			body := object{"filter": p.fiveFilter(), "cursor": "", "count": 2}
			a := p.search("/Users", body)
			p.status(a, http.StatusOK)
			p.want(text(a.body["nextCursor"]) != "", "there is no nextCursor")
			body["cursor"] = a.body["nextCursor"]
			b := p.search("/Users", body)
			p.status(b, http.StatusOK)
			one, two := column(objects(a.body, "Resources"), "id"), column(objects(b.body, "Resources"), "id")
			p.want(len(two) == 2 && distinct(slices.Concat(one, two)) == 4, "the second page repeats the first or is short")
		}},
		entry{380, Should, "who pages by cursor announces it", func(p *probe) {
			_, known := p.announces("pagination", "cursor")
			_, index := p.announces("pagination", "index")
			if known && index {
				return
			}
			p.five()
			a := p.get("/Users" + query("filter", p.fiveFilter(), "cursor", "", "count", "2"))
			if a.body["nextCursor"] == nil {
				p.skip("the server does not page by cursor")
			}
			p.failf("the server gives a nextCursor, but announces no pagination.cursor and pagination.index")
		}},
		entry{381, Def, "the sizes of pages announced are true", func(p *probe) {
			p.needCursors()
			p.crowd()
			pagination := func(name string) int {
				n, _ := integer(at(p.config().body, "pagination", name))
				return n
			}
			if most := pagination("maxPageSize"); most > 0 {
				_, found := p.list("/Users", "filter", p.crowdFilter(), "cursor", "", "count", strconv.Itoa(most))
				p.want(len(found) <= most, "a page holds %d, announced are %d", len(found), most)
			}
			if usual := pagination("defaultPageSize"); usual > 0 {
				_, found := p.list("/Users", "filter", p.crowdFilter(), "cursor", "")
				p.want(len(found) == min(usual, crowdSize), "a page holds %d, announced are %d", len(found), usual)
			}
		}},
	)
}

func cursorSecurityRequirements() []Requirement {
	return section(
		"9865", "5",
		entry{382, Must, "a cursor gives no rights to others", unseen(needsTenant)},
		entry{383, Must, "every page asks for the right anew", unseen(needsTokens)},
		entry{384, Should, "lost rights end a walk or narrow it", unseen(needsTokens)},
		entry{385, Def, "a forged cursor is refused", func(p *probe) {
			cursor := p.next()
			a := p.get("/Users" + query("filter", p.fiveFilterMade(), "cursor", forged(cursor), "count", "2"))
			p.refused(a, http.StatusBadRequest, "invalidCursor")
		}},
		entry{386, Must, "cursors that are wrong in different ways are refused alike", func(p *probe) {
			cursor := p.next()
			filter := p.fiveFilterMade()
			a := p.get("/Users" + query("filter", filter, "cursor", forged(cursor), "count", "2"))
			b := p.get("/Users" + query("filter", filter, "cursor", "garbage", "count", "2"))
			p.refused(a, http.StatusBadRequest)
			p.equal("the refusal of garbage", b.body, a.body)
		}},
	)
}

// forged changes a character in the middle of a cursor: the last one may hold bits without meaning.
func forged(cursor string) string {
	if cursor == "" {
		return ""
	}
	b := []byte(cursor)
	i := len(b) / 2
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
