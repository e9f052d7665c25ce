package accountapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Administrator is what an administrator of an account may do. *account.Service and *Client are administrators.
type Administrator interface {
	Describe(ctx context.Context) (account.Info, error)
	// People lists users in every state, strictly after an id, at most limit.
	People(ctx context.Context, after string, limit int) ([]account.User, error)
	// Person finds a user by id or user name, in whatever state.
	Person(ctx context.Context, idOrName string) (account.User, error)
	// AllGroups lists groups of every kind, strictly after an id, at most limit.
	AllGroups(ctx context.Context, after string, limit int) ([]account.Group, error)
	SetState(ctx context.Context, id string, s account.State) (account.User, error)
	// Protect marks a user as nobody's to suspend through the integration; an empty reason takes the mark away.
	Protect(ctx context.Context, id, reason string) (account.User, error)
	ConfirmUserName(ctx context.Context, id string) (account.User, error)
	Adopt(ctx context.Context, group string) (account.Group, error)
	// Activity lists entries strictly after a number, at most limit.
	Activity(ctx context.Context, after int64, limit int) ([]account.Entry, error)
	Verify(ctx context.Context) (account.Verification, error)
	// Backup writes a consistent copy to a path that does not exist yet.
	Backup(ctx context.Context, path string) error
	Export(ctx context.Context, w io.Writer) error
	// NextGeneration begins a new generation of the integration's credentials and returns its number.
	NextGeneration(ctx context.Context) (int, error)
}

var (
	_ Administrator = (*account.Service)(nil)
	_ Administrator = (*Client)(nil)
)

// arguments are the arguments of all acts; each takes what it needs.
type arguments struct {
	ID     string        `json:"id,omitempty"`
	After  string        `json:"after,omitempty"`
	Number int64         `json:"number,omitempty"`
	Limit  int           `json:"limit,omitempty"`
	State  account.State `json:"state,omitempty"`
	Reason string        `json:"reason,omitempty"`
	Path   string        `json:"path,omitempty"`
}

// maxArguments bounds a call's body: a path and a reason.
const maxArguments = 64 << 10

// acts are the calls by name.
var acts = map[string]func(context.Context, Administrator, arguments) (any, error){
	"describe": func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.Describe(ctx) },
	"people": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return a.People(ctx, in.After, in.Limit)
	},
	"person": func(ctx context.Context, a Administrator, in arguments) (any, error) { return a.Person(ctx, in.ID) },
	"groups": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return a.AllGroups(ctx, in.After, in.Limit)
	},
	"set-state": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return a.SetState(ctx, in.ID, in.State)
	},
	"protect": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return a.Protect(ctx, in.ID, in.Reason)
	},
	"confirm-user-name": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return a.ConfirmUserName(ctx, in.ID)
	},
	"adopt": func(ctx context.Context, a Administrator, in arguments) (any, error) { return a.Adopt(ctx, in.ID) },
	"activity": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return a.Activity(ctx, in.Number, in.Limit)
	},
	"verify": func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.Verify(ctx) },
	"backup": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return nil, a.Backup(ctx, in.Path)
	},
	"next-generation": func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.NextGeneration(ctx) },
}

// Socket serves an administrator on a unix socket.
type Socket struct {
	server *http.Server
	path   string
	done   chan struct{}
}

// Listen serves on path. Only the owner of the process may connect.
func Listen(path string, a Administrator, log *slog.Logger) (*Socket, error) {
	// Whoever holds the database's lock owns the socket: what lies there is left over from a process that was killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("administrator's socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("administrator's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &Socket{path: path, done: make(chan struct{}), server: &http.Server{
		Handler: handler(a), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("administrator's socket", "error", err)
		}
	}()
	return s, nil
}

// Close stops serving and waits until it has stopped.
func (s *Socket) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

func handler(a Administrator) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/export", func(w http.ResponseWriter, r *http.Request) {
		ctx := account.WithCaller(r.Context(), account.Caller{Kind: account.Administrator})
		if err := a.Export(ctx, w); err != nil {
			panic(http.ErrAbortHandler) // the client sees the answer cut off, and not a whole one that lacks something
		}
	})
	mux.HandleFunc("POST /v1/{act}", func(w http.ResponseWriter, r *http.Request) {
		act := acts[r.PathValue("act")]
		if act == nil {
			fail(w, http.StatusNotFound, errors.New("no such act"))
			return
		}
		var in arguments
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxArguments)).Decode(&in); err != nil {
			fail(w, http.StatusBadRequest, err)
			return
		}
		out, err := act(account.WithCaller(r.Context(), account.Caller{Kind: account.Administrator}), a, in)
		if err != nil {
			fail(w, http.StatusConflict, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // the client has gone; there is nobody to tell
	})
	return mux
}

// failure is an error on its way across the socket.
type failure struct {
	Error string `json:"error"`
	Kind  string `json:"kind,omitempty"`
}

// kinds are the sentinels that keep their identity.
var kinds = map[string]error{
	"not-found": account.ErrNotFound, "revision": account.ErrRevision, "protected": account.ErrProtected,
	"state": account.ErrState, "invalid": account.ErrInvalid, "unavailable": account.ErrUnavailable,
	"user-name": account.ErrUserNameTaken, "group-name": account.ErrGroupName,
}

func fail(w http.ResponseWriter, status int, err error) {
	f := failure{Error: err.Error()}
	for kind, sentinel := range kinds {
		if errors.Is(err, sentinel) {
			f.Kind = kind
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(f) // the client has gone; there is nobody to tell
}
