package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/store/postgres"
	"github.com/scimbridge/scimbridge/internal/store/timed"
)

// databaseSettings name an account that is kept in a PostgreSQL database.
type databaseSettings struct {
	DatabaseURL string `name:"database-url" env:"OP_DATABASE_URL" placeholder:"URL" help:"PostgreSQL database that keeps the account, instead of the data folder: postgres://scimbridge@db.example.com/scimbridge?sslmode=verify-full. A password belongs into the variable, PGPASSWORD or the file of PGPASSFILE, and never on the command line."`
	AccountID   string `name:"account-id" env:"OP_ACCOUNT_ID" placeholder:"ID" help:"Which account of the database. Not needed where there is one."`
}

// place is where an account is: in a database, or else in a data folder.
type place struct {
	dir string
	databaseSettings
}

func (p place) inDatabase() bool { return p.DatabaseURL != "" }

// administer opens the account for one act: through the process that serves the folder, or by itself. A database may
// be used beside whoever else uses it.
func (p place) administer(ctx context.Context, act func(accountapi.Administrator) error) error {
	if !p.inDatabase() {
		return p.inFolder(ctx, act)
	}
	service, closeStore, err := p.open(ctx, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return errors.Join(act(service), closeStore())
}

// inFolder opens the account in the folder for one act.
func (p place) inFolder(ctx context.Context, act func(accountapi.Administrator) error) error {
	if exists(socketPath(p.dir)) {
		if err := socketFolder(p.dir); err != nil {
			return err
		}
	}
	client, err := accountapi.Dial(ctx, socketPath(p.dir))
	if err == nil {
		defer client.Close()
		return act(client)
	}
	if !errors.Is(err, accountapi.ErrNobody) {
		return err
	}
	if err := holdsAccount(p.dir); err != nil {
		return err
	}
	service, closeStore, err := openAccount(ctx, p.dir, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return errors.Join(act(service), closeStore())
}

// open opens the account, which must be there, measured where there is a meter.
func (p place) open(ctx context.Context, meter *timed.Meter, log *slog.Logger) (*account.Service, func() error, error) {
	if !p.inDatabase() {
		if err := holdsAccount(p.dir); err != nil {
			return nil, nil, err
		}
		return openAccount(ctx, p.dir, meter, log)
	}
	db, err := p.database(ctx)
	if err != nil {
		return nil, nil, err
	}
	id, err := p.choose(ctx, db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return account.New(account.Config{Store: meter.Wrap(db.Account(id)), Clock: clock, Log: log}), db.Close, nil
}

// create opens the account of an id, which need not be there yet.
func (p place) create(ctx context.Context, id string, log *slog.Logger) (*account.Service, func() error, error) {
	if !p.inDatabase() {
		return openAccount(ctx, p.dir, nil, log)
	}
	db, err := p.database(ctx)
	if err != nil {
		return nil, nil, err
	}
	return account.New(account.Config{Store: db.Account(id), Clock: clock, Log: log}), db.Close, nil
}

// database opens the database. Its errors do not repeat the URL, which may have a password.
func (p place) database(ctx context.Context) (*postgres.Database, error) {
	db, err := postgres.Open(ctx, p.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("OP_DATABASE_URL (%s): %w. See that the server runs, that it lets this user in, and that the URL is right", redactedURL(p.DatabaseURL), err)
	}
	return db, nil
}

// listed is how many accounts a message names.
const listed = 20

// choose finds the account that is meant.
func (p place) choose(ctx context.Context, db *postgres.Database) (string, error) {
	if p.AccountID != "" {
		list, err := db.Accounts(ctx, beforeID(p.AccountID), 1)
		if err == nil && (len(list) == 0 || list[0] != p.AccountID) {
			err = fmt.Errorf("OP_ACCOUNT_ID: the database has no account %s", p.AccountID)
		}
		return p.AccountID, err
	}
	list, err := db.Accounts(ctx, "", listed)
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "", fmt.Errorf("%w. Make one: scimbridge credentials new --owner E-MAIL", errEmptyDatabase)
	case len(list) > 1:
		return "", fmt.Errorf("the database has several accounts. Name one with --account-id or OP_ACCOUNT_ID: %s", strings.Join(list, ", "))
	}
	return list[0], nil
}

// errEmptyDatabase means that a database holds no account.
var errEmptyDatabase = fmt.Errorf("%w: the database is empty", errNoAccount)

// beforeID is a text just before an id in the order of ids.
func beforeID(id string) string { return id[:len(id)-1] }

// redactedURL is a database's URL without a password; nothing of what is no URL.
func redactedURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" && u.Path == "" || u.Scheme == "" {
		return "not shown"
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") {
			q.Set(name, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}

// passwordOnCommandLine refuses a password of a database or of Redis where every process of the machine can read it.
func passwordOnCommandLine(args []string) error {
	for i, arg := range args {
		value, ok := strings.CutPrefix(arg, "--database-url=")
		if arg == "--database-url" && i+1 < len(args) {
			value, ok = args[i+1], true
		}
		if ok {
			inUser := false
			if u, err := url.Parse(value); err == nil {
				_, inUser = u.User.Password()
			}
			// Also where it is no URL, but a list of keywords as libpq takes it.
			if inUser || strings.Contains(strings.ReplaceAll(strings.ToLower(value), " ", ""), "password=") {
				return errors.New("--database-url: the password stands on the command line, where every process of this machine can read it. Put the URL into OP_DATABASE_URL, or the password into PGPASSWORD or the file of PGPASSFILE")
			}
		}
		if err := redisOnCommandLine(args[i:]); err != nil {
			return err
		}
	}
	return nil
}
