package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/postgres"
	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
)

// Accounts in one database know nothing of each other. The tests hold that in four ways: the tables have the account
// first everywhere, the texts of all statements name it with every table, the server's plans look for it in every table, and
// two accounts full of equal ids, names and numbers do not notice each other.

// owned are the tables that belong to accounts.
func owned(t *testing.T, db *postgres.Database) []string {
	t.Helper()
	list, err := db.Text(t.Context(), "SELECT string_agg(table_name, ' ') FROM information_schema.tables WHERE table_schema = 'public' AND table_name NOT IN ('accounts', 'goose_db_version', 'schema_reach')")
	must(t, err)
	tables := strings.Fields(list)
	if len(tables) < 15 {
		t.Fatalf("only %d tables", len(tables))
	}
	return tables
}

func TestAccountIsFirstEverywhere(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	for _, table := range owned(t, db) {
		column, err := db.Text(t.Context(), "SELECT column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 AND ordinal_position = 1", table)
		if err != nil || column != "account integer NO" {
			t.Errorf("%s begins with %s, %v", table, column, err)
		}
		others, err := db.Text(t.Context(), `SELECT coalesce(string_agg(indexdef, '; '), '') FROM pg_indexes WHERE schemaname = 'public' AND tablename = $1 AND indexdef NOT LIKE '%USING btree (account, %'`, table)
		if err != nil || others != "" {
			t.Errorf("indexes that do not begin with the account: %s %v", others, err)
		}
		keys, err := db.Text(t.Context(), `SELECT count(*)::text FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'p'`, table)
		if err != nil || keys != "1" {
			t.Errorf("%s has %s primary keys, %v", table, keys, err)
		}
		foreign, err := db.Text(t.Context(), `SELECT coalesce(string_agg(pg_get_constraintdef(oid), '; '), '') FROM pg_constraint
			WHERE conrelid = $1::text::regclass AND contype = 'f' AND pg_get_constraintdef(oid) !~ '^FOREIGN KEY \(account(, \w+)?\) REFERENCES (accounts\(key\)|\w+\(account, )'`, table)
		if err != nil || foreign != "" {
			t.Errorf("references from one account to another are possible: %s %v", foreign, err)
		}
	}
}

// TestNoStatementWithoutAccount reads all texts of statements in the package's source.
func TestNoStatementWithoutAccount(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	tables := owned(t, db)
	all := statements(t)
	if len(all) < 60 {
		t.Errorf("only %d statements found", len(all))
	}
	for _, text := range all {
		if why := unowned(text, tables); why != "" {
			t.Errorf("%s: %s", why, strings.Join(strings.Fields(text), " "))
		}
	}
	for text, ok := range map[string]bool{
		"SELECT a FROM users WHERE account = $1":                                                                    true,
		"SELECT a FROM users WHERE id = $1":                                                                         false,
		"SELECT a FROM users WHERE account = $2":                                                                    false,
		"SELECT a FROM users u JOIN groups g ON g.seq = u.seq WHERE u.account = $1":                                 false,
		"SELECT a FROM users u JOIN groups g ON g.account = $1 AND g.seq = u.seq WHERE u.account = $1":              true,
		"SELECT a FROM users u, groups g WHERE u.account = $1":                                                      false,
		"SELECT a FROM accounts WHERE id = $1":                                                                      true,
		"INSERT INTO users (account, seq) VALUES ($1, $2)":                                                          true,
		"INSERT INTO users (seq, account) VALUES ($1, $2)":                                                          false,
		"INSERT INTO users (account, seq) VALUES ($2, $1)":                                                          false,
		"INSERT INTO due (account, user_seq) SELECT $1, m.user_seq FROM memberships m":                              false,
		"UPDATE users SET name = $2":                                                                                false,
		"DELETE FROM users WHERE seq = $2":                                                                          false,
		"DELETE FROM due WHERE account = $1 AND user_seq IN (SELECT user_seq FROM memberships WHERE group_seq = 1)": false,
	} {
		if why := unowned(text, tables); (why == "") != ok {
			t.Errorf("the test itself says %q of %s", why, text)
		}
	}
}

var (
	tableUse = regexp.MustCompile(`(?i)\b(FROM|JOIN|UPDATE|INTO)\s+([a-z_]+)\b(?:\s+([a-z_]+)\b)?(\s*,)?`)
	keyword  = regexp.MustCompile(`^(?i)(WHERE|SET|ON|ORDER|LEFT|JOIN|VALUES|SELECT|LIMIT|AS|UNION|USING|GROUP)$`)
	bare     = regexp.MustCompile(`(^|[^.\w])account = \$1\b`)
	inserts  = regexp.MustCompile(`^INTO\s+[a-z_]+ \(account, [^)]*\)\s+(VALUES \(|SELECT )\$1, `)
)

// unowned says what is wrong with a statement: a table of accounts in it that is not bound to the account.
func unowned(text string, tables []string) string {
	plain := 0
	for _, m := range tableUse.FindAllStringSubmatchIndex(text, -1) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		table, alias := part(2), part(3)
		if !slices.Contains(tables, table) {
			continue
		}
		switch {
		case strings.EqualFold(part(1), "INTO"):
			if !inserts.MatchString(text[m[0]:]) {
				return "puts something into " + table + " that need not be the account's"
			}
		case part(4) != "":
			return "joins " + table + " by a comma"
		case alias != "" && !keyword.MatchString(alias):
			if !regexp.MustCompile(`\b` + alias + `\.account = \$1\b`).MatchString(text) {
				return table + " " + alias + " is not bound to the account"
			}
		default:
			plain++
			if !bare.MatchString(text) {
				return table + " is not bound to the account"
			}
		}
	}
	if plain > len(bare.FindAllString(text, -1)) {
		return "more tables than conditions"
	}
	return ""
}

// statements are the texts that functions of the package put together and that begin as a statement or hold a part of
// one. Where a text ends in the conditions of a where, it ends as whole makes it begin.
func statements(t *testing.T) (list []string) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	must(t, err)
	var files []*ast.File
	consts := map[string]ast.Expr{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		must(t, err)
		files = append(files, file)
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, s := range g.Specs {
					for i, v := range s.(*ast.ValueSpec).Values {
						consts[s.(*ast.ValueSpec).Names[i].Name] = v
					}
				}
			}
		}
	}
	var value func(e ast.Expr) string
	value = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			if e.Kind == token.STRING {
				s, err := strconv.Unquote(e.Value)
				must(t, err)
				return s
			}
		case *ast.BinaryExpr:
			return value(e.X) + value(e.Y)
		case *ast.ParenExpr:
			return value(e.X)
		case *ast.Ident:
			if c := consts[e.Name]; c != nil {
				return value(c)
			}
		case *ast.CallExpr:
			if s, ok := e.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "text" {
				return " WHERE u.account = $1 AND g.account = $1 "
			}
		}
		return " x "
	}
	add := func(e ast.Expr) {
		if s := value(e); tableUse.MatchString(s) {
			list = append(list, s)
		}
	}
	for _, file := range files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit: // nobody else makes a where but from another one
					if id, ok := n.Type.(*ast.Ident); ok && id.Name == "where" && f.Name.Name != "whole" {
						if kv, ok := n.Elts[0].(*ast.KeyValueExpr); !ok || fmt.Sprint(kv.Value.(*ast.SelectorExpr).X) != "w" {
							t.Errorf("%s makes a where that need not name the account", f.Name.Name)
						}
					}
				case *ast.ValueSpec:
					if id, ok := n.Type.(*ast.Ident); ok && id.Name == "where" {
						t.Errorf("%s makes a where that does not name the account", f.Name.Name)
					}
				case ast.Expr:
					switch n.(type) {
					case *ast.BinaryExpr, *ast.BasicLit, *ast.Ident:
						add(n)
						return false // parts of it are no statements
					}
				}
				return true
			})
		}
	}
	return list
}

// TestPlans: every scan of a table of accounts looks for the account, no look-up, page or change reads a whole table, and
// nothing sorts what an index has in order.
func TestPlans(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	tables := owned(t, db)
	store := db.Account(newID(t))
	err := store.Update(t.Context(), func(tx account.Tx) error {
		for _, m := range everything() {
			if _, err := m.call(tx, "b"); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
		for _, q := range queries() {
			if _, _, _, err := tx.Users(q, account.VisibleOnly); err != nil {
				return err
			}
		}
		plans, err := plans(tx)
		for text, plan := range plans {
			walk(plan, func(node map[string]any) {
				if node["Node Type"] == "Sort" && strings.Contains(text, "ORDER BY u.") {
					t.Errorf("sorts by %v\n  for %s", node["Sort Key"], strings.Join(strings.Fields(text), " "))
				}
				table, _ := node["Relation Name"].(string)
				if !slices.Contains(tables, table) || node["Node Type"] == "ModifyTable" {
					return
				}
				if cond := fmt.Sprint(node["Index Cond"], node["Recheck Cond"]); !strings.Contains(cond, "account = $1") {
					t.Errorf("%v of %s by %q %v\n  for %s", node["Node Type"], table, cond, node["Filter"], strings.Join(strings.Fields(text), " "))
				}
			})
		}
		if len(plans) < 80 {
			t.Errorf("only %d plans", len(plans))
		}
		return err
	})
	must(t, err)
}

// plans are the plans of everything that the connection below a transaction has prepared, for any arguments. Tables are
// nearly empty, so that the server is kept from reading and sorting them whole where there is another way.
func plans(tx account.Tx) (map[string]any, error) {
	c, ctx := postgres.Conn(tx), context.Background()
	for _, set := range []string{"plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_bitmapscan = off", "enable_sort = off"} {
		if _, err := c.Exec(ctx, "SET LOCAL "+set); err != nil {
			return nil, err
		}
	}
	rows, err := c.Query(ctx, "SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements WHERE statement ~ '^(SELECT|INSERT|UPDATE|DELETE)'")
	if err != nil {
		return nil, err
	}
	calls, found := map[string]string{}, map[string]any{}
	for rows.Next() {
		var name, text string
		var n int
		if err := rows.Scan(&name, &text, &n); err != nil {
			return nil, err
		}
		call := `EXPLAIN (FORMAT JSON) EXECUTE "` + name + `"`
		if n > 0 {
			call += "(NULL" + strings.Repeat(", NULL", n-1) + ")"
		}
		calls[text] = call
	}
	if rows.Err() != nil {
		return nil, rows.Err()
	}
	for text, call := range calls {
		res, err := c.PgConn().Exec(ctx, call).ReadAll()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
		var plan any
		if err := json.Unmarshal(res[0].Rows[0][0], &plan); err != nil {
			return nil, err
		}
		found[text] = plan
	}
	return found, nil
}

func walk(v any, see func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walk(e, see)
		}
	case map[string]any:
		if v["Node Type"] != nil {
			see(v)
		}
		for _, e := range v {
			walk(e, see)
		}
	}
}

// queries are listings of every order and look-ups by every field.
func queries() (list []account.Query) {
	for _, f := range []account.Field{account.ByID, account.ByUserName, account.ByName, account.ByExternalID, account.ByEmail} {
		list = append(list, account.Query{Limit: 2, Terms: []account.Term{{Field: f, Op: account.Eq, Value: "x"}}})
	}
	for _, f := range []account.Field{account.BySequence, account.ByID, account.ByUserName, account.ByName, account.ByExternalID, account.ByModified, account.ByCreated} {
		for _, descending := range []bool{false, true} {
			list = append(list, account.Query{Limit: 100, Order: f, Descending: descending}, account.Query{Limit: 100, Offset: 1, Order: f, Descending: descending},
				account.Query{Limit: 100, Order: f, Descending: descending, After: &account.Position{Key: "1", ID: "1"}})
		}
	}
	for _, active := range []string{"true", "false"} {
		list = append(list, account.Query{Limit: 100, Offset: 1, Terms: []account.Term{{Field: account.ByActive, Op: account.Eq, Value: active}}})
	}
	return list
}

type method struct {
	name string
	call func(tx account.Tx, who string) (any, error)
}

// everything calls every method of Tx. Ids, names and numbers are the same whoever calls; what else there is tells who.
func everything() []method {
	u, v, g := userOf("u", 1, ""), userOf("v", 2, ""), groupOf(1, "")
	to := account.Holder{Kind: account.UserHolder, ID: u.ID, Serial: 1}
	do := func(err error) (any, error) { return nil, err }
	page := func(rows any, total int, next *account.Position, err error) (any, error) {
		return []any{rows, total, next}, err
	}
	at := time.UnixMilli(5000).UTC()
	return []method{
		{"SetSetting", func(tx account.Tx, who string) (any, error) { return do(tx.SetSetting("key", who)) }},
		{"Setting", func(tx account.Tx, _ string) (any, error) { return tx.Setting("key") }},
		{"InsertUser", func(tx account.Tx, who string) (any, error) {
			a, b := userOf("u", 0, who), userOf("v", 0, who)
			err := tx.InsertUser(&a)
			if err == nil {
				err = tx.InsertUser(&b)
			}
			return []int64{a.Seq, b.Seq}, err
		}},
		{"UpdateUser", func(tx account.Tx, who string) (any, error) {
			old, next := userOf("u", u.Seq, who), userOf("u", u.Seq, who)
			next.Name, next.Profile, next.Addresses = "changed by "+who, []byte("changed by "+who), []string{"new@" + who}
			return do(tx.UpdateUser(&old, &next))
		}},
		{"UserByID", func(tx account.Tx, _ string) (any, error) { return tx.UserByID(u.ID) }},
		{"UserBySeq", func(tx account.Tx, _ string) (any, error) { return tx.UserBySeq(u.Seq) }},
		{"UserID", func(tx account.Tx, _ string) (any, error) { return tx.UserID(v.Seq) }},
		{"UserByName", func(tx account.Tx, _ string) (any, error) { return tx.UserByName("u@example.com") }},
		{"Users", func(tx account.Tx, _ string) (any, error) {
			var all []any
			for _, q := range queries() {
				rows, total, next, err := tx.Users(q, account.VisibleOnly)
				if err != nil {
					return nil, err
				}
				all = append(all, rows, total, next)
			}
			return all, nil
		}},
		{"InsertGroup", func(tx account.Tx, who string) (any, error) {
			g := groupOf(0, who)
			err := tx.InsertGroup(&g)
			return g.Seq, err
		}},
		{"UpdateGroup", func(tx account.Tx, who string) (any, error) {
			g := groupOf(g.Seq, who)
			g.ExternalID, g.Serial, g.Outdated = "changed by "+who, 3, 1
			return do(tx.UpdateGroup(&g))
		}},
		{"GroupByID", func(tx account.Tx, _ string) (any, error) { return tx.GroupByID(g.ID) }},
		{"GroupBySeq", func(tx account.Tx, _ string) (any, error) { return tx.GroupBySeq(g.Seq) }},
		{"GroupsByName", func(tx account.Tx, _ string) (any, error) { return tx.GroupsByName("group") }},
		{"FindUsers", func(tx account.Tx, _ string) (any, error) { return tx.FindUsers([]string{u.ID, v.ID}) }},
		{"AddMembers", func(tx account.Tx, who string) (any, error) {
			a, c, err := tx.AddMembers(g.Seq, []int64{u.Seq, v.Seq}, account.SCIM, map[int64][]byte{u.Seq: []byte(who)})
			if err != nil || who == "a" {
				return []any{a, c}, err
			}
			a, c, err = tx.AddMembers(g.Seq, []int64{u.Seq}, account.Manual, nil)
			return []any{a, c}, err
		}},
		{"Groups", func(tx account.Tx, _ string) (any, error) {
			return page(tx.Groups(account.Query{Limit: 9, Terms: []account.Term{{Field: account.ByMember, Op: account.Eq, Value: u.ID}}}, account.VisibleOnly))
		}},
		{"GroupsOf", func(tx account.Tx, _ string) (any, error) { return tx.GroupsOf([]int64{u.Seq, v.Seq}) }},
		{"MemberSeqs", func(tx account.Tx, _ string) (any, error) { return tx.MemberSeqs(g.Seq, "") }},
		{"Members", func(tx account.Tx, _ string) (any, error) { return tx.Members(g.Seq, u.ID, 10, "") }},
		{"Memberships", func(tx account.Tx, _ string) (any, error) { return tx.Memberships(u.Seq) }},
		{"CountActive", func(tx account.Tx, _ string) (any, error) { return tx.CountActive(g.Seq) }},
		{"PutInvitation", func(tx account.Tx, who string) (any, error) {
			return do(tx.PutInvitation(u.Seq, &account.InvitationRow{Number: 1, State: account.InvitationOpen, Email: who, Expires: at}))
		}},
		{"OpenInvitation", func(tx account.Tx, who string) (any, error) {
			if err := tx.PutInvitation(u.Seq, &account.InvitationRow{Number: 1, State: account.InvitationDue, Email: who, Expires: at}); err != nil {
				return nil, err
			}
			_, open, err := tx.OpenInvitation(&account.Opening{User: u.ID, Number: 1, Generation: 1, Commitment: []byte(who), Link: who}, at)
			return open, err
		}},
		{"Invitation", func(tx account.Tx, _ string) (any, error) { return tx.Invitation(u.Seq) }},
		{"Invitations", func(tx account.Tx, _ string) (any, error) {
			one, err := tx.Invitations([]account.InvitationState{account.InvitationOpen}, 0, 9)
			if err != nil {
				return nil, err
			}
			two, err := tx.Invitations([]account.InvitationState{account.InvitationOpen, account.InvitationConfirmed}, 0, 9)
			return []any{one, two}, err
		}},
		{"Unsent", func(tx account.Tx, _ string) (any, error) { return tx.Unsent(false, 9) }},
		{"Backlog", func(tx account.Tx, _ string) (any, error) { return tx.Backlog() }},
		{"Expired", func(tx account.Tx, _ string) (any, error) { return tx.Expired(at, 9) }},
		{"PutPersonKeys", func(tx account.Tx, who string) (any, error) {
			return do(tx.PutPersonKeys(u.Seq, &account.PersonKeys{Serial: 1, Public: []byte(who)}))
		}},
		{"PersonKeys", func(tx account.Tx, _ string) (any, error) { return tx.PersonKeys(u.Seq) }},
		{"AddDue", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return do(tx.AddDue(v.Seq))
			}
			return nil, nil
		}},
		{"DueMembers", func(tx account.Tx, _ string) (any, error) { return do(tx.DueMembers(g.Seq)) }},
		{"KeyedMember", func(tx account.Tx, _ string) (any, error) { return do(tx.KeyedMember(v.Seq)) }},
		{"DueUsers", func(tx account.Tx, _ string) (any, error) { return tx.DueUsers(0, 9) }},
		{"RemoveDue", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return nil, nil
			}
			return do(tx.RemoveDue(u.Seq))
		}},
		{"UnkeyedGroups", func(tx account.Tx, _ string) (any, error) { return tx.UnkeyedGroups(9) }},
		{"Pending", func(tx account.Tx, _ string) (any, error) { return tx.Pending(u.Seq) }},
		{"SetGranted", func(tx account.Tx, who string) (any, error) { return do(tx.SetGranted(g.Seq, u.Seq, 1+len(who))) }},
		{"Granted", func(tx account.Tx, _ string) (any, error) { return tx.Granted(g.Seq, u.Seq) }},
		{"SetEvidence", func(tx account.Tx, who string) (any, error) { return do(tx.SetEvidence(g.Seq, v.Seq, []byte(who))) }},
		{"CountGranted", func(tx account.Tx, _ string) (any, error) { return tx.CountGranted(g.Seq) }},
		{"Rekeyings", func(tx account.Tx, _ string) (any, error) { return tx.Rekeyings("", 9) }},
		{"PutGrant", func(tx account.Tx, who string) (any, error) {
			return do(tx.PutGrant(g.Seq, &account.Grant{Serial: 3, To: to, Sealed: []byte(who)}))
		}},
		{"GrantsTo", func(tx account.Tx, _ string) (any, error) {
			list, last, err := tx.GrantsTo(to, 0, 9)
			return []any{list, last}, err
		}},
		{"GrantsOf", func(tx account.Tx, _ string) (any, error) { return tx.GrantsOf(g.Seq, to) }},
		{"DeleteGrants", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return nil, nil
			}
			return do(tx.DeleteGrants(g.Seq, "", 3))
		}},
		{"DeleteGrantsTo", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return nil, nil
			}
			return do(tx.DeleteGrantsTo(to))
		}},
		{"Attest", func(tx account.Tx, who string) (any, error) { return do(tx.Attest("kind", "subject", 1, []byte(who))) }},
		{"Attestations", func(tx account.Tx, _ string) (any, error) { return tx.Attestations("kind", "") }},
		{"PutGeneration", func(tx account.Tx, who string) (any, error) {
			return do(tx.PutGeneration(&account.Generation{Number: 1, Integration: who, Token: "token " + who, Created: at}))
		}},
		{"Generations", func(tx account.Tx, _ string) (any, error) { return tx.Generations() }},
		{"GuardCount", func(tx account.Tx, who string) (any, error) {
			return tx.GuardCount("kind", "subject", 7, int64(4+len(who)), len(who))
		}},
		{"PutHeld", func(tx account.Tx, who string) (any, error) {
			return do(tx.PutHeld(&account.Held{Kind: "kind", Subject: "subject", Users: []string{who}, At: at}))
		}},
		{"Held", func(tx account.Tx, _ string) (any, error) { return tx.Held() }},
		{"DeleteHeld", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return nil, nil
			}
			return do(tx.DeleteHeld(&account.Held{Kind: "kind", Subject: "subject"}))
		}},
		{"PutCall", func(tx account.Tx, who string) (any, error) {
			return do(tx.PutCall([]byte("call"), []byte(who), []byte("outcome of "+who), at))
		}},
		{"Call", func(tx account.Tx, _ string) (any, error) {
			digest, outcome, err := tx.Call([]byte("call"))
			return []any{digest, outcome}, err
		}},
		{"PutLease", func(tx account.Tx, who string) (any, error) {
			return do(tx.PutLease("lease", account.Lease{Number: int64(len(who)), Holder: who, Generation: len(who)}, time.Hour))
		}},
		{"Lease", func(tx account.Tx, _ string) (any, error) {
			l, err := tx.Lease("lease")
			return l.Lease, err // how much is left is another time's
		}},
		{"Forget", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return nil, nil
			}
			return do(tx.Forget(at.Add(time.Hour)))
		}},
		{"Log", func(tx account.Tx, who string) (any, error) {
			return do(tx.Log(account.Entry{Time: at, Verb: "verb", Object: "o", Detail: who}))
		}},
		{"Head", func(tx account.Tx, _ string) (any, error) { return tx.Head() }},
		{"Entries", func(tx account.Tx, _ string) (any, error) { return tx.Entries(0, 9) }},
		{"Links", func(tx account.Tx, _ string) (any, error) { return tx.Links(0, 9) }},
		{"DeletePersonKeys", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return nil, nil
			}
			return do(tx.DeletePersonKeys(u.Seq))
		}},
		{"RemoveMembers", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return nil, nil
			}
			a, c, err := tx.RemoveMembers(g.Seq, []int64{u.Seq, v.Seq}, account.SCIM)
			return []any{a, c}, err
		}},
		{"DeleteGroup", func(tx account.Tx, who string) (any, error) {
			if who == "a" {
				return nil, nil
			}
			return do(tx.DeleteGroup(g.Seq))
		}},
	}
}

func userOf(name string, seq int64, who string) account.UserRow {
	mail := name + "@example.com"
	return account.UserRow{Seq: seq, User: account.User{
		ID: strings.Repeat(name, 26), SignInName: mail, State: account.Active, Revision: 1, Created: time.UnixMilli(1).UTC(), Modified: time.UnixMilli(2).UTC(),
		Person: account.Person{UserName: mail, Email: "team@example.com", Name: "Name", Language: who, ExternalID: "x", Profile: []byte(who), Addresses: []string{"x@example.com"}},
	}}
}

func groupOf(seq int64, who string) account.GroupRow {
	return account.GroupRow{Seq: seq, Group: account.Group{
		ID: strings.Repeat("g", 26), Name: "Group", Managed: true, Mode: account.Exclusive, Revision: 1, Profile: []byte(who),
		Created: time.UnixMilli(1).UTC(), Modified: time.UnixMilli(2).UTC(),
	}}
}

// TestTwoAccounts: an account behaves beside another one, with equal ids, names and numbers, as it does alone, and
// leaves every row of the other as it was.
func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	all := everything()
	names := map[string]bool{}
	for _, m := range all {
		names[m.name] = true
	}
	for m := range reflect.TypeFor[account.Tx]().Methods() {
		if !names[m.Name] {
			t.Errorf("%s is not called", m.Name)
		}
	}
	alone, shared := open(t, postgrestest.New(t)), open(t, postgrestest.New(t))
	tables := owned(t, shared)
	first, second, single := shared.Account(strings.Repeat("a", 26)), shared.Account(strings.Repeat("b", 26)), alone.Account(strings.Repeat("b", 26))
	call := func(s account.Store, m method, who string) (result any) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx account.Tx) (err error) {
			result, err = m.call(tx, who)
			return err
		}); err != nil {
			t.Fatalf("%s by %s: %v", m.name, who, err)
		}
		return result
	}
	for _, m := range all {
		call(first, m, "a")
	}
	rows := func() map[string]string {
		dump := map[string]string{}
		for _, table := range tables {
			var err error
			dump[table], err = shared.Text(t.Context(), "SELECT coalesce(json_agg(x ORDER BY x::text), '[]')::text FROM "+table+" x WHERE account = $1", postgres.Key(first))
			must(t, err)
			if dump[table] == "[]" {
				t.Errorf("%s is empty, which shows nothing", table)
			}
		}
		return dump
	}
	before := rows()
	for _, m := range all {
		if diff := cmp.Diff(call(single, m, "bb"), call(second, m, "bb")); diff != "" {
			t.Errorf("%s beside another account (-alone +beside):\n%s", m.name, diff)
		}
	}
	if diff := cmp.Diff(before, rows()); diff != "" {
		t.Errorf("the other account has changed:\n%s", diff)
	}
	if list, err := shared.Accounts(t.Context(), "", 10); err != nil || len(list) != 2 || list[0] != strings.Repeat("a", 26) {
		t.Errorf("accounts: %v %v", list, err)
	}
	if list, err := shared.Accounts(t.Context(), strings.Repeat("a", 26), 10); err != nil || len(list) != 1 {
		t.Errorf("accounts after the first: %v %v", list, err)
	}
}

// TestAnotherKey: an account that has been made anew behind the program's back has another key.
func TestAnotherKey(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	a, store := found(t, db)
	b, _ := found(t, db)
	was := postgres.Key(store)
	must(t, db.Exec(t.Context(), fmt.Sprintf("DELETE FROM accounts WHERE key = %d", was)))
	if page, err := a.Users(t.Context(), account.Query{Limit: 5}); err != nil || page.Total != 0 {
		t.Errorf("people of an account that is gone: %+v %v", page, err)
	}
	_, err := a.Found(t.Context(), account.Founding{Name: "Again", Owner: "Olive Owner", UserName: ownerName})
	must(t, err)
	must(t, db.Exec(t.Context(), fmt.Sprintf("UPDATE users SET name = 'moved' WHERE account = %d", postgres.Key(store))))
	if u, err := a.Person(t.Context(), ownerName); err != nil || u.Name != "moved" || postgres.Key(store) == was {
		t.Errorf("the owner: %+v %v", u, err)
	}
	if u, err := b.Person(t.Context(), ownerName); err != nil || u.Name == "moved" {
		t.Errorf("the other owner: %+v %v", u, err)
	}
}
