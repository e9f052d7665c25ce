package cache

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/scimbridge/scimbridge/internal/account"
)

// A copy's content is a format (1 byte) and a block, which is compressed with a dictionary of the words that profiles are
// made of: that brings a person from 900 bytes to some 280. Small blocks stay as they are. In a block texts come after
// their length, numbers as varints, and ids as the 16 bytes that they stand for.
//
//	user    id, profile, userName, signInName, email, name, language, externalId, addresses, state, protection, flags,
//	        revision, created, modified, groups (id, name)
//	group   id, profile, name, externalId, mode, flags, revision, created, modified, members, serial
//	found   ids
//
// An empty block says that nothing is there.

// The formats change with every change of the above or of the dictionary: copies may outlive a version of the program.
const (
	format = 1
	plain  = 2 // not compressed

	largestPlain = 40 // what some ids take, of which compression makes nothing less
)

var dictionary = s2.MakeDict([]byte(`"photos":[{"value":"https://","type":"photo"}],"roles":[{"value":"","primary":true}],"ims":[],"entitlements":[],`+
	`"x509Certificates":[],"profileUrl":"","nickName":"","userType":"Employee","middleName":"","honorificPrefix":"","honorificSuffix":"",`+
	`"addresses":[{"type":"work","streetAddress":"","locality":"","region":"","postalCode":"","country":"US","formatted":"","primary":true}],`+
	`"urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"EXCLUSIVE ADDITIVE SUSPENDED INVITE_SUSPENDED ACCEPTED INVITED ACTIVE `+
	`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":"",`+
	`"externalId":"00u","name":{"formatted":"","familyName":"","givenName":""},"displayName":"","title":"Engineer","preferredLanguage":"en-US",`+
	`"locale":"en-US","timezone":"Europe/Berlin","emails":[{"value":"@example.com","type":"work","primary":true}],`+
	`"phoneNumbers":[{"value":"+1-","type":"work"},{"value":"","type":"mobile"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":`+
	`{"employeeNumber":"","costCenter":"","organization":"","division":"","department":"","manager":{"value":"","$ref":"../Users/","displayName":""}}}`), nil)

// errCopy means that a copy cannot be read. It is dropped.
var errCopy = errors.New("no copy of this version")

// pack makes a copy's content of a block.
func pack(dst, block []byte) []byte {
	if len(block) <= largestPlain {
		return append(append(dst, plain), block...)
	}
	dst = append(dst, format)
	n := len(dst)
	dst = append(dst, make([]byte, s2.MaxEncodedLen(len(block)))...)
	return dst[:n+len(dictionary.Encode(dst[n:], block))]
}

// unpack returns the block; empty says that nothing is there.
func unpack(content []byte) ([]byte, error) {
	switch {
	case len(content) > 1 && content[0] == format:
	case len(content) > 0 && content[0] == plain:
		return bytes.Clone(content[1:]), nil // whose memory is used again
	default:
		return nil, errCopy
	}
	n, err := s2.DecodedLen(content[1:])
	if err != nil || n > 4*largestCopy {
		return nil, errCopy
	}
	return dictionary.Decode(make([]byte, n), content[1:])
}

// Flags of users and groups.
const (
	managed = 1 << iota
	released
	stale
	privileged
	rotate
)

func flag(set bool, bit uint64) uint64 {
	if set {
		return bit
	}
	return 0
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// ids is how account.NewID writes 16 bytes.
var ids = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const (
	idBytes      = 16
	idCharacters = 26
)

// appendID appends an id as a zero and its bytes, and what is none as a text, whose length is counted from one.
func appendID(b []byte, id string) []byte {
	var raw [idBytes + 1]byte
	if len(id) == idCharacters {
		if n, err := ids.Decode(raw[:], []byte(id)); err == nil && n == idBytes && ids.EncodeToString(raw[:n]) == id {
			return append(append(b, 0), raw[:n]...)
		}
	}
	return append(binary.AppendUvarint(b, uint64(len(id))+1), id...)
}

func appendTime(b []byte, t time.Time) []byte { return binary.AppendVarint(b, t.UnixMilli()) }

func appendUser(b []byte, u *account.User) []byte {
	b = appendText(appendID(b, u.ID), u.Profile)
	for _, s := range [...]string{u.UserName, u.SignInName, u.Email, u.Name, u.Language, u.ExternalID} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(u.Addresses)))
	for _, a := range u.Addresses {
		b = appendText(b, a)
	}
	b = appendText(appendText(b, string(u.State)), u.Protection)
	b = binary.AppendUvarint(b, flag(u.Managed, managed)|flag(u.Released, released)|flag(u.ProfileStale, stale))
	b = appendTime(appendTime(binary.AppendVarint(b, u.Revision), u.Created), u.Modified)
	b = binary.AppendUvarint(b, uint64(len(u.Groups)))
	for _, g := range u.Groups {
		b = appendText(appendID(b, g.ID), g.Name)
	}
	return b
}

func appendGroup(b []byte, g *account.Group) []byte {
	b = appendText(appendID(b, g.ID), g.Profile)
	b = appendText(appendText(appendText(b, g.Name), g.ExternalID), string(g.Mode))
	b = binary.AppendUvarint(b, flag(g.Managed, managed)|flag(g.Privileged, privileged)|flag(g.Rotate, rotate))
	b = appendTime(appendTime(binary.AppendVarint(b, g.Revision), g.Created), g.Modified)
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(g.Members)), uint64(g.Serial)) //nolint:gosec // no negative counts
}

func appendIDs(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, id := range list {
		b = appendID(b, id)
	}
	return b
}

// reader reads a block. After an error everything is empty.
type reader struct {
	text string // the block, so that texts share its memory
	raw  []byte // the same
	at   int
	bad  bool
}

func newReader(block []byte) *reader { return &reader{text: string(block), raw: block} }

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.raw[r.at:])
	if size <= 0 {
		r.bad, r.at = true, len(r.raw)
		return 0
	}
	r.at += size
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.raw[r.at:])
	if size <= 0 {
		r.bad, r.at = true, len(r.raw)
		return 0
	}
	r.at += size
	return n
}

// span passes over a text and returns where it stands.
func (r *reader) span() (from, to int) { return r.skip(r.uint()) }

func (r *reader) skip(n uint64) (from, to int) {
	if n > uint64(len(r.raw)-r.at) {
		r.bad, r.at = true, len(r.raw)
		return r.at, r.at
	}
	from = r.at
	r.at += int(n) //nolint:gosec // within the block
	return from, r.at
}

func (r *reader) string() string {
	from, to := r.span()
	return r.text[from:to]
}

func (r *reader) id() string {
	n := r.uint()
	if n > 0 {
		from, to := r.skip(n - 1)
		return r.text[from:to]
	}
	from, to := r.skip(idBytes)
	if from == to {
		return ""
	}
	return ids.EncodeToString(r.raw[from:to])
}

// bytes shares the block's memory; nil where there are none.
func (r *reader) bytes() []byte {
	from, to := r.span()
	if from == to {
		return nil
	}
	return r.raw[from:to:to]
}

func (r *reader) time() time.Time { return time.UnixMilli(r.int()).UTC() }

// count is of things that take a byte at least.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.raw)-r.at) {
		r.bad = true
		return 0
	}
	return int(n) //nolint:gosec // within the block
}

func (r *reader) user() (u account.User, err error) {
	u.ID, u.Profile = r.id(), r.bytes()
	for _, s := range [...]*string{&u.UserName, &u.SignInName, &u.Email, &u.Name, &u.Language, &u.ExternalID} {
		*s = r.string()
	}
	for range r.count() {
		u.Addresses = append(u.Addresses, r.string())
	}
	u.State, u.Protection = account.State(r.string()), r.string()
	flags := r.uint()
	u.Managed, u.Released, u.ProfileStale = flags&managed != 0, flags&released != 0, flags&stale != 0
	u.Revision, u.Created, u.Modified = r.int(), r.time(), r.time()
	if n := r.count(); n > 0 {
		u.Groups = make([]account.GroupRef, 0, n)
		for range n {
			u.Groups = append(u.Groups, account.GroupRef{ID: r.id(), Name: r.string()})
		}
	}
	return u, r.end()
}

func (r *reader) group() (g account.Group, err error) {
	g.ID, g.Profile = r.id(), r.bytes()
	g.Name, g.ExternalID, g.Mode = r.string(), r.string(), account.GroupMode(r.string())
	flags := r.uint()
	g.Managed, g.Privileged, g.Rotate = flags&managed != 0, flags&privileged != 0, flags&rotate != 0
	g.Revision, g.Created, g.Modified = r.int(), r.time(), r.time()
	g.Members, g.Serial = int(r.uint()), int(r.uint()) //nolint:gosec // as they were written
	return g, r.end()
}

func (r *reader) ids() (list []string, err error) {
	for range r.count() {
		list = append(list, r.id())
	}
	return list, r.end()
}

func (r *reader) end() error {
	if r.bad || r.at != len(r.raw) {
		return errCopy
	}
	return nil
}
