package account

import (
	"context"
	"time"
)

// Backlog is how much waits in an account, in numbers only.
type Backlog struct {
	// Invitations counts people by where their invitation stands; those that are confirmed are left out.
	Invitations map[InvitationState]int
	Unsent      int // open invitations that nobody has sent
	// Accepted are the people whom the bridge is to confirm, and Since is when the first of them has accepted; zero: nobody
	// waits.
	Accepted int
	Since    time.Time
	Keys     int // people who are in, and wait for keys of groups
	Groups   int // groups that wait for a key
	Guard    GuardState
}

// Backlog tells how much waits.
func (s *Service) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	err := s.store.View(ctx, func(tx Tx) (err error) {
		if b, err = tx.Backlog(); err != nil {
			return err
		}
		b.Guard, err = s.guard(tx)
		return err
	})
	return b, err
}
