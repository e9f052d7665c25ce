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
	// Rekeyings lists the groups whose newest key has not reached all of their members yet, strictly after an id, at most
	// limit.
	Rekeyings(ctx context.Context, after string, limit int) ([]account.Rekeying, error)
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
	// NextGeneration begins a new generation of the integration's credentials and returns its number, in an account
	// without keys. It takes integration and token.
	NextGeneration(ctx context.Context, g account.Generation) (int, error)

	Keeper
	Owner
}

// Keeper is the part of an Administrator that looks after invitations, the integration and the policy.
type Keeper interface {
	// Invitations lists those in any of the states, strictly after a user's id, at most limit.
	Invitations(ctx context.Context, states []account.InvitationState, after string, limit int) ([]account.InvitationRow, error)
	// Outbox lists open invitations whose link nobody has delivered.
	Outbox(ctx context.Context, limit int) ([]account.InvitationRow, error)
	Resend(ctx context.Context, user string) error
	Policy(ctx context.Context) (account.Policy, error)
	SetPolicy(ctx context.Context, p account.Policy) error
	Generations(ctx context.Context) ([]account.Generation, error)
	Deactivate(ctx context.Context, cancel bool) error
	// HeldChanges lists what the guard holds back; Approve makes it, Dismiss forgets it, and both return how much that was.
	HeldChanges(ctx context.Context) ([]account.Held, error)
	Approve(ctx context.Context) (int, error)
	Dismiss(ctx context.Context) (int, error)
}

// Owner is the part of an Administrator that keeps what an owner has signed and sealed, and hands it out. See package
// owner.
type Owner interface {
	KeysOf(ctx context.Context, user string) (account.PersonKeys, error)
	AllMembers(ctx context.Context, group, after string, limit int) ([]account.Member, error)
	Trust(ctx context.Context) ([][]byte, error)
	GroupKeys(ctx context.Context, group string) ([][]byte, error)
	GrantsOf(ctx context.Context, group string, to account.Holder) ([]account.Grant, error)
	AddGeneration(ctx context.Context, n account.NewGeneration) error
	HandOver(ctx context.Context, h account.Handover) (account.Group, error)
	AddOwner(ctx context.Context, o account.Ownership) (account.User, error)
	Recover(ctx context.Context, user string, o account.Opening) error
	Invitation(ctx context.Context, user string) (account.InvitationRow, error)
	Candidate(ctx context.Context, user string) (account.Candidate, error)
	Confirm(ctx context.Context, user string, c account.Confirmation) error
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
	// Value is what an act takes beside: one of package account's types.
	Value json.RawMessage `json:"value,omitempty"`
}

// maxArguments bounds a call's body. The longest hands the keys of many groups over, or one group with many members.
const maxArguments = 256 << 20

// valued makes an act of one that takes a value.
func valued[T any](act func(ctx context.Context, a Administrator, in arguments, value T) (any, error)) func(context.Context, Administrator, arguments) (any, error) {
	return func(ctx context.Context, a Administrator, in arguments) (any, error) {
		var value T
		if err := json.Unmarshal(in.Value, &value); err != nil {
			return nil, fmt.Errorf("value: %w", err)
		}
		return act(ctx, a, in, value)
	}
}

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
	"rekeyings": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return a.Rekeyings(ctx, in.After, in.Limit)
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
	"next-generation": valued(func(ctx context.Context, a Administrator, _ arguments, g account.Generation) (any, error) {
		return a.NextGeneration(ctx, g)
	}),

	"invitations": valued(func(ctx context.Context, a Administrator, in arguments, states []account.InvitationState) (any, error) {
		return a.Invitations(ctx, states, in.After, in.Limit)
	}),
	"outbox": func(ctx context.Context, a Administrator, in arguments) (any, error) { return a.Outbox(ctx, in.Limit) },
	"resend": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return nil, a.Resend(ctx, in.ID)
	},
	"policy": func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.Policy(ctx) },
	"set-policy": valued(func(ctx context.Context, a Administrator, _ arguments, p account.Policy) (any, error) {
		return nil, a.SetPolicy(ctx, p)
	}),
	"generations": func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.Generations(ctx) },
	"deactivate": valued(func(ctx context.Context, a Administrator, _ arguments, cancel bool) (any, error) {
		return nil, a.Deactivate(ctx, cancel)
	}),
	"held":    func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.HeldChanges(ctx) },
	"approve": func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.Approve(ctx) },
	"dismiss": func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.Dismiss(ctx) },

	"keys-of": func(ctx context.Context, a Administrator, in arguments) (any, error) { return a.KeysOf(ctx, in.ID) },
	"members": func(ctx context.Context, a Administrator, in arguments) (any, error) {
		return a.AllMembers(ctx, in.ID, in.After, in.Limit)
	},
	"trust":      func(ctx context.Context, a Administrator, _ arguments) (any, error) { return a.Trust(ctx) },
	"group-keys": func(ctx context.Context, a Administrator, in arguments) (any, error) { return a.GroupKeys(ctx, in.ID) },
	"grants-of": valued(func(ctx context.Context, a Administrator, in arguments, to account.Holder) (any, error) {
		return a.GrantsOf(ctx, in.ID, to)
	}),
	"add-generation": valued(func(ctx context.Context, a Administrator, _ arguments, n account.NewGeneration) (any, error) {
		return nil, a.AddGeneration(ctx, n)
	}),
	"hand-over": valued(func(ctx context.Context, a Administrator, _ arguments, h account.Handover) (any, error) {
		return a.HandOver(ctx, h)
	}),
	"add-owner": valued(func(ctx context.Context, a Administrator, _ arguments, o account.Ownership) (any, error) {
		return a.AddOwner(ctx, o)
	}),
	"recover": valued(func(ctx context.Context, a Administrator, in arguments, o account.Opening) (any, error) {
		return nil, a.Recover(ctx, in.ID, o)
	}),
	"invitation": func(ctx context.Context, a Administrator, in arguments) (any, error) { return a.Invitation(ctx, in.ID) },
	"candidate":  func(ctx context.Context, a Administrator, in arguments) (any, error) { return a.Candidate(ctx, in.ID) },
	"confirm": valued(func(ctx context.Context, a Administrator, in arguments, c account.Confirmation) (any, error) {
		return nil, a.Confirm(ctx, in.ID, c)
	}),
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
	"no-keys": account.ErrNoKeys, "invitation": account.ErrInvitation, "generation": account.ErrGeneration,
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
