package scim

import "strconv"

// ListHeader is what a ListResponse says about its page (RFC 7644 §3.4.2, RFC 9865 §2).
type ListHeader struct {
	Total          int    // resources that match, on all pages
	StartIndex     int    // 1-based; 0 leaves it out, as cursor paging does
	ItemsPerPage   int    // resources on this page
	NextCursor     string // empty: the last page, or index paging
	PreviousCursor string // empty: the first page, or index paging
}

// AppendList appends a ListResponse whose resources are JSON texts already. Resources is there even when it is
// empty, since clients fail without the key.
func AppendList(dst []byte, h ListHeader, resources [][]byte) []byte {
	dst = append(dst, `{"schemas":["`+ListResponseMessage+`"],"totalResults":`...)
	dst = strconv.AppendInt(dst, int64(h.Total), 10)
	if h.StartIndex > 0 {
		dst = append(dst, `,"startIndex":`...)
		dst = strconv.AppendInt(dst, int64(h.StartIndex), 10)
	}
	dst = append(dst, `,"itemsPerPage":`...)
	dst = strconv.AppendInt(dst, int64(h.ItemsPerPage), 10)
	if h.NextCursor != "" {
		dst = AppendString(append(dst, `,"nextCursor":`...), h.NextCursor)
	}
	if h.PreviousCursor != "" {
		dst = AppendString(append(dst, `,"previousCursor":`...), h.PreviousCursor)
	}
	dst = append(dst, `,"Resources":[`...)
	for i, r := range resources {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, r...)
	}
	return append(dst, "]}"...)
}
