package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/owner"
	"github.com/scimbridge/scimbridge/internal/person"
)

// kitFlags name what a person signs in with: emergency kit and password.
type kitFlags struct {
	Kit          string `name:"kit" placeholder:"FILE" help:"Your emergency kit. Not set: the owner's of a data folder that dev has made."`
	PasswordFile string `name:"password-file" placeholder:"FILE" help:"File with your password. Not set: asked for on the terminal."`
}

// The owner's kit and password of an account that dev has made. It is for trying out: whoever reads the folder is the
// owner.
func devKitPath(dir string) string      { return filepath.Join(dir, "owner-kit.txt") }
func devPasswordPath(dir string) string { return filepath.Join(dir, "owner-password") }

// withDev fills in what dev keeps in its data folder.
func (k kitFlags) withDev(dir string) kitFlags {
	if k.Kit == "" && exists(devKitPath(dir)) {
		k.Kit = devKitPath(dir)
		if k.PasswordFile == "" && exists(devPasswordPath(dir)) {
			k.PasswordFile = devPasswordPath(dir)
		}
	}
	return k
}

// kit reads the kit.
func (k kitFlags) kit() (keyset.Kit, error) {
	if k.Kit == "" {
		return keyset.Kit{}, errors.New("this needs an emergency kit. Name the file with --kit FILE")
	}
	raw, err := os.ReadFile(k.Kit)
	if err != nil {
		return keyset.Kit{}, fmt.Errorf("--kit: %w", err)
	}
	kit, err := keyset.ParseKit(string(raw))
	if err != nil {
		return kit, fmt.Errorf("%s: %w. Name the file that was written or printed when the keys were made, unchanged", k.Kit, err)
	}
	return kit, nil
}

// kitFor fills in what dev keeps, for an account that is in the folder and in no database.
func (k kitFlags) kitFor(dir string, d databaseSettings) kitFlags {
	if d.DatabaseURL != "" {
		return k
	}
	return k.withDev(dir)
}

// read reads the kit and the password.
func (k kitFlags) read(e *environment) (keyset.Kit, string, error) {
	kit, err := k.kit()
	if err != nil {
		return kit, "", err
	}
	password, err := k.password(e, "Password of "+printable(kit.Email)+": ", false)
	return kit, password, err
}

// password reads the password from its file, or asks for it on the terminal.
func (k kitFlags) password(e *environment, prompt string, twice bool) (string, error) {
	if k.PasswordFile != "" {
		return passwordFile("--password-file", k.PasswordFile)
	}
	return e.ask(prompt, twice)
}

// passwordFile reads a file whose only line is a password, which may have blanks in it.
func passwordFile(setting, path string) (string, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !likeFile(path) {
		return "", fmt.Errorf("%s names a file that does not exist, and looks like the password itself (it is not shown). Write the password to a file that only you may read, and name that file", setting)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	text := strings.TrimRight(string(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))), "\r\n")
	switch {
	case text == "":
		return "", fmt.Errorf("%s: %s is empty. Write the password to it, on one line", setting, path)
	case strings.ContainsAny(text, "\r\n\x00") || !utf8.ValidString(text):
		return "", fmt.Errorf("%s: %s holds more than one line, or is not in UTF-8. It must hold the password and nothing else", setting, path)
	}
	return text, nil
}

// ask asks for a password on the terminal, without showing it.
func (e *environment) ask(prompt string, twice bool) (string, error) {
	in, ok := e.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", errors.New("this needs a password, and there is no terminal to ask on. Name a file that holds it with --password-file FILE")
	}
	fmt.Fprint(e.stderr, prompt)
	first, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(e.stderr)
	if err != nil || !twice {
		return string(first), err
	}
	fmt.Fprint(e.stderr, "The same again: ")
	again, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(e.stderr)
	if err == nil && string(first) != string(again) {
		err = errors.New("the two are not the same. Run the command again")
	}
	return string(first), err
}

// confirm asks for yes or no on the terminal. ok is false where there is none.
func (e *environment) confirm(question string) (yes, ok bool) {
	in, isFile := e.stdin.(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		return false, false
	}
	fmt.Fprint(e.stderr, question, " [y/n] ")
	var line [64]byte
	n, err := in.Read(line[:])
	if err != nil && !errors.Is(err, io.EOF) {
		return false, false
	}
	answer := strings.ToLower(strings.TrimSpace(string(line[:n])))
	return answer == "y" || answer == "yes", answer == "y" || answer == "yes" || answer == "n" || answer == "no"
}

// source is where keys are made of.
func source() owner.Source { return owner.Source{Clock: clock, Rand: rand.Reader} }

// unlockOwner unlocks the owner's keys.
func unlockOwner(ctx context.Context, e *environment, a accountapi.Administrator, k kitFlags) (*owner.Owner, error) {
	kit, password, err := k.read(e)
	if err != nil {
		return nil, err
	}
	o, err := owner.Unlock(ctx, a, kit, password, source())
	return o, keysProblem(err)
}

// keysProblem says what to do about keys that do not open.
func keysProblem(err error) error {
	var next string
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyset.ErrUnlock):
		next = "Type the password again; if it is right, see that the emergency kit is the newest one. Whoever has lost one of the two asks an owner: scimbridge account recover PERSON"
	case errors.Is(err, person.ErrForeign):
		next = "Name the kit of this account, or its folder with --data DIR"
	case errors.Is(err, person.ErrRoot), errors.Is(err, keyset.ErrDisputed), errors.Is(err, keyset.ErrSigner), errors.Is(err, keyset.ErrSignature), errors.Is(err, keyset.ErrAttestation), errors.Is(err, keyset.ErrGrant), errors.Is(err, person.ErrKey):
		next = "The account shows what nobody who may has signed: its data has been tampered with or mixed up. Go no further, and compare it with a backup"
	case errors.Is(err, owner.ErrNotOwner):
		next = "Use the kit of an owner; an owner can make another: scimbridge account owner add PERSON"
	case errors.Is(err, person.ErrPassword), errors.Is(err, keyset.ErrPasswordEmpty):
		return err
	case errors.Is(err, account.ErrNoKeys):
		next = "Nothing has to be signed there: leave --kit out"
	default:
		return err
	}
	return fmt.Errorf("%w. %s", err, next)
}

// founded is a new account that is about to be made, with the kit put away.
type founded struct {
	account.Founding
	kit   keyset.Kit
	owner *owner.Owner
}

// foundKeys makes the keys of a new account and writes the kit, before the account is made: one whose kit is lost could
// be opened by nobody.
func foundKeys(f owner.Founding, kitFile string) (founded, error) {
	if exists(kitFile) {
		return founded{}, fmt.Errorf("%s exists already, and a kit is nowhere else. Name a new file with --kit FILE", kitFile)
	}
	made, kit, o, err := owner.Found(f, source())
	if err != nil {
		return founded{}, err
	}
	if kitFile == "" {
		return founded{made, kit, o}, nil
	}
	out, err := reserve(kitFile)
	if err != nil {
		return founded{}, err
	}
	err = out.write([]byte(kit.Text()))
	return founded{made, kit, o}, errors.Join(err, out.discard())
}

// found makes the account. Where that does not succeed, the kit opens nothing and is taken away.
func (f *founded) found(ctx context.Context, service *account.Service, kitFile string) error {
	info, err := service.Found(ctx, f.Founding)
	if err == nil && info.ID != f.Keys.Account {
		err = errors.New("somebody else has made an account in this folder at this moment. Run the command again to make credentials for it")
	}
	if err != nil && kitFile != "" {
		err = errors.Join(err, os.Remove(kitFile))
	}
	return err
}
