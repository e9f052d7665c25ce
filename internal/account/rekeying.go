package account

import "context"

// Rekeying is how far the handing over of a group's newest key has come: of the members who hold a key of the group, how
// many hold that one. Until all do, older keys open as well.
type Rekeying struct {
	Group  string // id
	Serial int    // of the newest key
	Have   int    // members who hold it
	Of     int    // members who hold any
}

// Rekeyings lists the managed groups whose newest key has not reached everybody who held the one before, by id, strictly
// after one.
func (s *Service) Rekeyings(ctx context.Context, after string, limit int) ([]Rekeying, error) {
	var list []Rekeying
	err := s.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Rekeyings(after, limit)
		return err
	})
	return list, err
}

// caughtUp notes that one member less holds an older key only. Once nobody does, the grants of older keys are of no use,
// and go.
func caughtUp(tx Tx, row *GroupRow) error {
	row.Outdated--
	return retire(tx, row)
}

// retire removes the grants of older keys of a group whose members all hold the present one.
func retire(tx Tx, row *GroupRow) error {
	if row.Outdated > 0 || row.Serial < 2 { //nolint:mnd // there is nothing older than the first key
		return nil
	}
	return tx.DeleteGrants(row.Seq, "", row.Serial)
}
