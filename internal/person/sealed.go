package person

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// A sealed file is a JSON object of exactly these members, in this order, without white space between them:
//
//	format   "scimbridge sealed"
//	version  1
//	account  id
//	group    id of the group whose members can open it
//	serial   which of the group's keys
//	sealed   base64 of what keyset.Public.Seal makes, for the context below

const (
	sealedFormat  = "scimbridge sealed"
	sealedVersion = 1
)

// ErrSealed means that a file is none that Seal wrote.
var ErrSealed = errors.New("this is no file that was sealed to a group")

// Sealed is a file that the members of a group can open.
type Sealed struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Account string `json:"account"`
	Group   string `json:"group"`
	Serial  int    `json:"serial"`
	Sealed  []byte `json:"sealed"`
}

// context binds the text to whom it is for.
func (s *Sealed) context() string {
	return sealedFormat + " " + strconv.Itoa(s.Version) + " " + s.Account + " " + s.Group + " " + strconv.Itoa(s.Serial)
}

// Seal encrypts a text to the members of a group. Whoever opens it does not learn who has written it.
func Seal(accountID string, g GroupKey, text []byte) ([]byte, error) {
	s := Sealed{Format: sealedFormat, Version: sealedVersion, Account: accountID, Group: g.ID, Serial: g.Serial}
	var err error
	if s.Sealed, err = g.Public.Seal(s.context(), text); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(s)
	return append(raw, '\n'), err
}

// ParseSealed reads what Seal wrote. ErrSealed.
func ParseSealed(raw []byte) (Sealed, error) {
	var s Sealed
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil || s.Format != sealedFormat {
		return s, ErrSealed
	}
	if s.Version != sealedVersion {
		return s, fmt.Errorf("%w: it is of version %d, which this program does not know", ErrSealed, s.Version)
	}
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(again, bytes.TrimSpace(raw)) {
		return s, fmt.Errorf("%w: it has been altered", ErrSealed)
	}
	return s, nil
}

// Open opens the file with the group's key. keyset.ErrSealed.
func (s *Sealed) Open(k *keyset.Keyset) ([]byte, error) { return k.OpenSealed(s.context(), s.Sealed) }
