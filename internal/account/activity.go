package account

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The activity log is append-only and chained: entries are numbered without gaps, and each commit adds a link over
// the entries that it carries,
//
//	hash = SHA-256(label ‖ hash of the link before ‖ how many entries ‖ each entry: number ‖ milliseconds ‖ its texts)
//
// with numbers as 8 bytes, the highest first, and label, hash and texts each after its length. So nothing can be
// altered, removed or put in without every later hash being wrong. A log whose end has been cut off is found by
// comparing with a backup or an export that has a later hash.

// Entry is one line of the activity log. It names people and groups by id.
type Entry struct {
	Number    int64      `json:"number"`
	Time      time.Time  `json:"time"`
	Caller    CallerKind `json:"caller"`
	RequestID string     `json:"requestId,omitempty"`
	Verb      string     `json:"verb"` // user.invite, group.members.add, …; refused attempts end in .refused
	Object    string     `json:"object"`
	ObjectID  string     `json:"objectId,omitempty"`
	Detail    string     `json:"detail,omitempty"`
}

// String is the entry on one line.
func (e Entry) String() string {
	return fmt.Sprintf("%d %s %s %s %s %s %s", e.Number, e.Time.Format(time.RFC3339Nano), e.Caller, e.Verb, e.Object, e.ObjectID, e.Detail)
}

// Link closes the entries of one commit.
type Link struct {
	Number      int64
	First, Last int64
	Hash        []byte
}

// linkLabel begins what is hashed, so that the hash can be taken for nothing else.
const linkLabel = "scimbridge activity link 1"

// NextLink makes the link after another one; before is the zero Link at the beginning.
func NextLink(before Link, entries []Entry) Link {
	h := sha256.New()
	var buf []byte
	buf = appendField(buf, []byte(linkLabel))
	buf = appendField(buf, before.Hash)
	buf = binary.BigEndian.AppendUint64(buf, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		buf = binary.BigEndian.AppendUint64(buf, uint64(e.Number))           //nolint:gosec // numbers begin at 1
		buf = binary.BigEndian.AppendUint64(buf, uint64(e.Time.UnixMilli())) //nolint:gosec // the bits count
		for _, s := range []string{string(e.Caller), e.RequestID, e.Verb, e.Object, e.ObjectID, e.Detail} {
			buf = appendField(buf, []byte(s))
		}
	}
	h.Write(buf)
	return Link{Number: before.Number + 1, First: entries[0].Number, Last: entries[len(entries)-1].Number, Hash: h.Sum(nil)}
}

func appendField(dst, field []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(len(field)))
	return append(dst, field...)
}

// Verification is the outcome of checking the chain.
type Verification struct {
	Entries int64  `json:"entries"`
	Links   int64  `json:"links"`
	Hash    string `json:"hash"`              // of the last link, to compare with one kept elsewhere
	Problem string `json:"problem,omitempty"` // what is wrong first; empty: nothing
}

// verifyPage is how many links are read at once.
const verifyPage = 500

// Verify checks the whole chain.
func (s *Service) Verify(ctx context.Context) (Verification, error) {
	var v Verification
	err := s.store.View(ctx, func(tx Tx) error {
		v = Verification{}
		var before Link
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			links, err := tx.Links(before.Number, verifyPage)
			if err != nil {
				return err
			}
			for _, link := range links {
				if v.Problem, err = checkLink(tx, before, link); err != nil || v.Problem != "" {
					return err
				}
				before = link
			}
			v.Links, v.Entries, v.Hash = before.Number, before.Last, hex.EncodeToString(before.Hash)
			if len(links) < verifyPage {
				break
			}
		}
		loose, err := tx.Entries(before.Last, 1)
		if err == nil && len(loose) > 0 {
			v.Problem = fmt.Sprintf("entry %d belongs to no link", loose[0].Number)
		}
		return err
	})
	return v, err
}

func checkLink(tx Tx, before, link Link) (problem string, err error) {
	if link.Number != before.Number+1 {
		return fmt.Sprintf("link %d is missing", before.Number+1), nil
	}
	if link.First != before.Last+1 || link.Last < link.First {
		return fmt.Sprintf("link %d does not begin where link %d ends", link.Number, before.Number), nil
	}
	entries, err := tx.Entries(before.Last, int(link.Last-before.Last))
	if err != nil {
		return "", err
	}
	for i := range entries {
		if want := link.First + int64(i); entries[i].Number != want {
			return fmt.Sprintf("entry %d is missing", want), nil
		}
	}
	if n := link.First + int64(len(entries)); n <= link.Last {
		return fmt.Sprintf("entry %d is missing", n), nil
	}
	if got := NextLink(before, entries); string(got.Hash) != string(link.Hash) {
		return fmt.Sprintf("an entry from %d to %d has been altered", link.First, link.Last), nil
	}
	return "", nil
}

// Activity lists entries after a number, oldest first.
func (s *Service) Activity(ctx context.Context, after int64, limit int) ([]Entry, error) {
	var list []Entry
	err := s.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Entries(after, limit)
		return err
	})
	return list, err
}

// exportPage is how many rows are read at once.
const exportPage = 500

// Export writes people, groups with their members and the activity log as JSON lines, each with a member "kind".
func (s *Service) Export(ctx context.Context, w io.Writer) error {
	enc := json.NewEncoder(w)
	return s.store.View(ctx, func(tx Tx) error {
		return errors.Join(exportUsers(ctx, tx, enc), exportGroups(ctx, tx, enc), exportActivity(ctx, tx, enc))
	})
}

func exportUsers(ctx context.Context, tx Tx, enc *json.Encoder) error {
	q := Query{Limit: exportPage, NoTotal: true}
	for {
		rows, _, next, err := tx.Users(q, Everything)
		if err != nil {
			return err
		}
		for i := range rows {
			u := &rows[i]
			profile := json.RawMessage(u.Profile)
			if len(profile) == 0 {
				profile = nil
			}
			if err := enc.Encode(map[string]any{
				"kind": "user", "id": u.ID, "userName": u.UserName, "signInName": u.SignInName, "email": u.Email, "addresses": u.Addresses,
				"name": u.Name, "language": u.Language, "externalId": u.ExternalID, "state": u.State, "managed": u.Managed,
				"protection": u.Protection, "released": u.Released, "revision": u.Revision, "created": u.Created, "modified": u.Modified, "profile": profile,
			}); err != nil {
				return err
			}
		}
		if next == nil {
			return ctx.Err()
		}
		q.After = next
	}
}

func exportGroups(ctx context.Context, tx Tx, enc *json.Encoder) error {
	q := Query{Limit: exportPage, NoTotal: true}
	for {
		rows, _, next, err := tx.Groups(q, Everything)
		if err != nil {
			return err
		}
		for i := range rows {
			g := &rows[i]
			members, err := allMembers(tx, g.Seq)
			if err != nil {
				return err
			}
			if err := enc.Encode(map[string]any{
				"kind": "group", "id": g.ID, "name": g.Name, "externalId": g.ExternalID, "managed": g.Managed, "mode": g.Mode,
				"privileged": g.Privileged, "revision": g.Revision, "created": g.Created, "modified": g.Modified, "members": members,
			}); err != nil {
				return err
			}
		}
		if next == nil {
			return ctx.Err()
		}
		q.After = next
	}
}

func allMembers(tx Tx, group int64) ([]map[string]any, error) {
	list := []map[string]any{}
	for after := ""; ; {
		page, err := tx.Members(group, after, exportPage, "")
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			list = append(list, map[string]any{"id": m.UserID, "source": m.Source})
			after = m.UserID
		}
		if len(page) < exportPage {
			return list, nil
		}
	}
}

func exportActivity(ctx context.Context, tx Tx, enc *json.Encoder) error {
	for after := int64(0); ; {
		entries, err := tx.Entries(after, exportPage)
		if err != nil {
			return err
		}
		for _, e := range entries {
			after = e.Number
			if err := enc.Encode(struct {
				Kind string `json:"kind"`
				Entry
			}{"activity", e}); err != nil {
				return err
			}
		}
		if len(entries) < exportPage {
			return ctx.Err()
		}
	}
}
