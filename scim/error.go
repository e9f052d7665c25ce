package scim

import (
	"fmt"
	"strconv"
	"time"
)

// Error is a SCIM error (RFC 7644 §3.12). It is what a server answers, so Detail must say nothing that the client
// may not read.
type Error struct {
	Status int       // HTTP status
	Type   ErrorType // empty where the RFC defines none for the case
	Detail string    // a sentence for the administrator of the client
	// Retry is after how long the same request may succeed, with 429 and 503; 0: nobody knows.
	Retry time.Duration
}

// ErrorType is a scimType (RFC 7644 table 9, RFC 9865 §2.1).
type ErrorType string

// The scimTypes.
const (
	InvalidFilter ErrorType = "invalidFilter"
	TooMany       ErrorType = "tooMany"
	Uniqueness    ErrorType = "uniqueness"
	Mutability    ErrorType = "mutability"
	InvalidSyntax ErrorType = "invalidSyntax"
	InvalidPath   ErrorType = "invalidPath"
	NoTarget      ErrorType = "noTarget"
	InvalidValue  ErrorType = "invalidValue"
	InvalidVers   ErrorType = "invalidVers"
	Sensitive     ErrorType = "sensitive"
	InvalidCursor ErrorType = "invalidCursor"
	ExpiredCursor ErrorType = "expiredCursor"
	InvalidCount  ErrorType = "invalidCount"
)

func (e *Error) Error() string {
	if e.Type == "" {
		return fmt.Sprintf("%d: %s", e.Status, e.Detail)
	}
	return fmt.Sprintf("%d %s: %s", e.Status, e.Type, e.Detail)
}

// Errorf makes an Error.
func Errorf(status int, typ ErrorType, format string, args ...any) *Error {
	return &Error{Status: status, Type: typ, Detail: fmt.Sprintf(format, args...)}
}

// BadRequest makes an Error of status 400.
func BadRequest(typ ErrorType, format string, args ...any) *Error {
	return Errorf(400, typ, format, args...)
}

// Object renders the error as its message (RFC 7644 §3.12); status is a string there.
func (e *Error) Object() *Object {
	o := NewObject(Member{"schemas", Array{ErrorMessage}}, Member{"status", strconv.Itoa(e.Status)})
	if e.Type != "" {
		o.Set("scimType", string(e.Type))
	}
	o.Set("detail", e.Detail)
	return o
}
