package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/scimbridge/scimbridge/internal/account"
)

// SQLSTATEs that mean something of their own.
const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
	readOnly            = "25006"
	queryCanceled       = "57014"
	serializationFailed = "40001"
	deadlock            = "40P01"
	lockNotAvailable    = "55P03"
	shutdown            = "57P01"
	crash               = "57P02"
	notYet              = "57P03"
)

// failure names what the database says.
func failure(err error) error {
	if err == nil || errors.Is(err, account.ErrUnavailable) || errors.Is(err, account.ErrNotFound) {
		return err
	}
	if sentinel := meaning(err); sentinel != nil {
		return fmt.Errorf("%w: %w", sentinel, err)
	}
	return err
}

// meaning is the sentinel that an error of the database or of the way to it stands for; nil where there is none.
func meaning(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		if isLost(err) {
			return account.ErrUnavailable
		}
		return nil
	}
	switch pg.Code {
	case uniqueViolation:
		switch pg.ConstraintName {
		case "users_user_name", "users_sign_in":
			return account.ErrUserNameTaken
		case "users_id", "groups_id":
			return account.ErrIDTaken
		}
		return nil
	case foreignKeyViolation:
		return account.ErrNotFound
	case readOnly, queryCanceled, serializationFailed, deadlock, lockNotAvailable, "XX001", "XX002":
		return account.ErrUnavailable
	}
	switch pg.Code[:2] {
	// Connection, log-in, no such database, resources (disk, memory, too many clients), intervention, system.
	case "08", "28", "3D", "53", "57", "58":
		return account.ErrUnavailable
	}
	return nil
}

// Absent tells whether an error means that there is no server at the moment, or one that does not let anybody in yet. That
// passes; a wrong name or password does not.
func Absent(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return isLost(err)
	}
	switch pg.Code[:2] {
	case "08", "53", "57":
		return true
	}
	return false
}

// isLost tells whether the way to the server failed.
func isLost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.Timeout(err) || errors.Is(err, errBroken) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// errBroken is added to whatever a connection that is closed by it reports.
var errBroken = errors.New("the connection to the database is lost")

// again tells whether a batch that failed so, and of which nothing was committed, may well succeed now.
func again(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case serializationFailed, deadlock, shutdown, crash, notYet, readOnly:
			return true
		}
		return pg.Code[:2] == "08"
	}
	return isLost(err) && !errors.Is(err, context.DeadlineExceeded)
}

// certain tells whether a commit that failed so has certainly not happened: the server has refused it and is there to
// say so. pgconn.SafeToRetry does not tell: it holds for a pipeline whose connection closes after all has been sent.
func certain(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR" && pg.Code[:2] != "08" // not a pooler that has lost the server
}
