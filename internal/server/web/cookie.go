package web

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// sessionLife is how long a sign-in lasts: a working day.
	sessionLife   = 8 * time.Hour
	cookiePurpose = "page session"
)

// cookieName binds the cookie to HTTPS and this host where there is HTTPS.
func (h *Handler) cookieName(r *http.Request) (name string, secure bool) {
	if strings.HasPrefix(h.Origin(r), "https:") {
		return "__Host-scimbridge", true
	}
	return "scimbridge", false
}

func (h *Handler) aead() (cipher.AEAD, error) {
	key, err := h.Lock.Derive(cookiePurpose)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// signIn sets the cookie: its end, sealed.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) error {
	gcm, err := h.aead()
	if err != nil {
		return err
	}
	nonce := make([]byte, gcm.NonceSize())
	if _, err := io.ReadFull(h.Rand, nonce); err != nil {
		return err
	}
	name, secure := h.cookieName(r)
	end := binary.BigEndian.AppendUint64(nil, uint64(h.Clock().Add(sessionLife).Unix())) //nolint:gosec // after 1970
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: base64.RawURLEncoding.EncodeToString(gcm.Seal(nonce, nonce, end, []byte(name))), Path: "/",
		MaxAge: int(sessionLife.Seconds()), HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	})
	return nil
}

func (h *Handler) signedIn(r *http.Request) bool {
	name, _ := h.cookieName(r)
	c, err := r.Cookie(name)
	if err != nil {
		return false
	}
	gcm, err := h.aead()
	if err != nil { // locked again by a restart
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(raw) < gcm.NonceSize() {
		return false
	}
	end, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], []byte(name))
	return err == nil && len(end) == 8 && h.Clock().Unix() < int64(binary.BigEndian.Uint64(end)) //nolint:gosec // as sealed
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	name, secure := h.cookieName(r)
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode})
}
