// Package web serves the bridge's pages below /app: signing in with the bearer token, which unlocks the bridge, the
// status, the log's last lines, and, where there is no scimsession, what is missing and what to do.
//
// The pages work without JavaScript and load nothing from elsewhere. A session is a sealed cookie under a key that
// the scimsession gives, so that every replica reads it and none stores it. The package knows neither SCIM nor
// accounts: what it shows, it is given.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Lock is what the bearer token opens.
type Lock interface {
	// Present judges a token; any error means that it is the wrong one.
	Present(token string) error
	// Derive returns a key for a purpose; an error while locked.
	Derive(purpose string) ([32]byte, error)
}

// Report is what a component says of itself.
type Report struct {
	Source   string
	Healthy  bool
	State    string
	Detail   string
	Progress string // of long work that is under way
	Time     time.Time
}

// Word is the report in the original's words.
func (r Report) Word() string {
	if r.Healthy {
		return "Connected"
	}
	return "Disconnected"
}

// Status is what the status page shows.
type Status struct {
	Version, Build string
	State          string // ready, locked, degraded or draining
	AccountName    string
	People, Groups int
	Started        time.Time
	Reports        []Report
	BaseURL        string // what to enter at the identity provider
	Admits         bool   // the account admits people by keys
	Waiting        []Waiting
	More           bool // there are more who wait than Waiting has
}

// Waiting is somebody whose invitation has not led to anything yet.
type Waiting struct {
	Name, Email string
	Word        string // where the invitation stands
	Detail      string // until when, or why
	Wrong       bool   // somebody has to do something
}

// Missing tells why there is no scimsession.
type Missing struct {
	Problem   string
	LookedFor []string
}

// Config is what New needs.
type Config struct {
	Lock    Lock
	Status  func(ctx context.Context) Status
	Missing *Missing // not nil: there is only the page that says what is missing
	// Lines finds the last lines of the log.
	Lines func(ctx context.Context, q LogQuery) Log
	// Limit counts a wrong token; where the sender has sent too many it says how long to wait.
	Limit  func(r *http.Request) (wait time.Duration, ok bool)
	Origin func(r *http.Request) string // scheme and host as the browser sees them
	Clock  func() time.Time
	Rand   io.Reader
	Log    *slog.Logger
}

//go:embed pages/*.html assets/*.css
var files embed.FS

// Handler serves the pages.
type Handler struct {
	Config
	mux       *http.ServeMux
	templates map[string]*template.Template
	style     []byte
	styleURL  string
}

// New makes a Handler. Templates are parsed here, so that a broken one stops the start.
func New(c Config) (*Handler, error) {
	h := &Handler{Config: c, mux: http.NewServeMux(), templates: map[string]*template.Template{}}
	for _, page := range []string{"login", "status", "logs", "missing", "nothing"} {
		t, err := template.ParseFS(files, "pages/layout.html", "pages/"+page+".html")
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", page, err)
		}
		h.templates[page] = t
	}
	style, err := files.ReadFile("assets/style.css")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(style)
	h.style, h.styleURL = style, "/app/assets/"+hex.EncodeToString(sum[:6])+".css"
	h.routes()
	return h, nil
}

func (h *Handler) routes() {
	h.mux.HandleFunc("GET "+h.styleURL, h.css)
	if h.Missing != nil {
		h.mux.HandleFunc("GET /app", h.missing)
		h.mux.HandleFunc("GET /app/{rest...}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/app", http.StatusFound) })
		return
	}
	h.mux.HandleFunc("GET /app", h.home)
	h.mux.HandleFunc("GET /app/{$}", h.home)
	h.mux.HandleFunc("GET /app/login", h.loginForm)
	h.mux.HandleFunc("POST /app/login", h.login)
	h.mux.HandleFunc("GET /app/status", h.status)
	h.mux.HandleFunc("GET /app/logs", h.logs)
	h.mux.HandleFunc("GET /app/logs/download", h.download)
	h.mux.HandleFunc("POST /app/logout", h.logout)
	h.mux.HandleFunc("GET /app/logout", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", http.MethodPost) // a link must not sign anybody out
		http.Error(w, "Sign out with the button on the status page.", http.StatusMethodNotAllowed)
	})
	h.mux.HandleFunc("GET /app/{rest...}", h.nothing)
}

// ServeHTTP answers a request below /app.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cache-Control", "no-store")
	http.NewCrossOriginProtection().Handler(h.mux).ServeHTTP(w, r)
}

func (h *Handler) css(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // the URL changes with the contents
	_, _ = w.Write(h.style)
}

// page is what every template gets.
type page struct {
	Style    string
	Title    string
	Version  string
	SignedIn bool
	At       string // the page's name
	Data     any
}

func (h *Handler) render(w http.ResponseWriter, r *http.Request, status int, name, title string, signedIn bool, data any) {
	var buf bytes.Buffer
	p := page{Style: h.styleURL, Title: title, Version: h.Status(r.Context()).Version, SignedIn: signedIn, At: name, Data: data}
	if err := h.templates[name].ExecuteTemplate(&buf, "layout", p); err != nil {
		h.Log.ErrorContext(r.Context(), "page not rendered", "page", name, "error", err)
		http.Error(w, "This page could not be made. The bridge's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = buf.WriteTo(w)
}

func (h *Handler) missing(w http.ResponseWriter, r *http.Request) {
	h.render(w, r, http.StatusOK, "missing", "Set up", false, h.Missing)
}

func (h *Handler) nothing(w http.ResponseWriter, r *http.Request) {
	h.render(w, r, http.StatusNotFound, "nothing", "No such page", h.signedIn(r), nil)
}

// home is what load balancers probe: it answers without a token.
func (h *Handler) home(w http.ResponseWriter, r *http.Request) {
	to := "/app/login"
	if h.signedIn(r) {
		to = "/app/status"
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// form is what the sign-in page shows.
type form struct {
	Problem string
	Locked  bool
}

func (h *Handler) loginForm(w http.ResponseWriter, r *http.Request) {
	if h.signedIn(r) {
		http.Redirect(w, r, "/app/status", http.StatusSeeOther)
		return
	}
	h.form(w, r, http.StatusOK, "")
}

func (h *Handler) form(w http.ResponseWriter, r *http.Request, status int, problem string) {
	_, err := h.Lock.Derive(cookiePurpose)
	h.render(w, r, status, "login", "Sign in", false, form{Problem: problem, Locked: err != nil})
}

// maxForm bounds the sign-in form's body in bytes; a token has 62.
const maxForm = 8 << 10

func (h *Handler) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.form(w, r, http.StatusBadRequest, "The form did not arrive whole. Enter the token again.")
		return
	}
	token := strings.Trim(strings.TrimSpace(r.PostForm.Get("token")), `"'`)           // as pasted from a file of settings
	token = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(token), "Bearer")) // as pasted from a header
	switch {
	case token == "":
		h.form(w, r, http.StatusBadRequest, "Enter the bearer token.")
	case h.Lock.Present(token) != nil:
		if wait, ok := h.Limit(r); !ok {
			seconds := strconv.Itoa(int(math.Ceil(wait.Seconds()))) // rounded down it would be too early again
			w.Header().Set("Retry-After", seconds)
			h.form(w, r, http.StatusTooManyRequests, "Too many wrong tokens came from your address. Wait "+seconds+" seconds.")
			return
		}
		h.form(w, r, http.StatusUnauthorized, "This is not the bearer token of this bridge. It begins with scb_ and has 62 characters; if credentials were made anew, only the newest token works.")
	default:
		if err := h.signIn(w, r); err != nil {
			h.Log.ErrorContext(r.Context(), "sign-in failed", "error", err)
			h.form(w, r, http.StatusInternalServerError, "Signing in failed. The bridge's log says why.")
			return
		}
		http.Redirect(w, r, "/app/status", http.StatusSeeOther)
	}
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	if !h.signedIn(r) {
		http.Redirect(w, r, "/app/login", http.StatusSeeOther)
		return
	}
	st := h.Status(r.Context())
	st.BaseURL = h.Origin(r) + "/scim/v2"
	h.render(w, r, http.StatusOK, "status", "Status", true, st)
}

func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	h.signOut(w, r)
	http.Redirect(w, r, "/app/login", http.StatusSeeOther)
}
