package account

import "errors"

// await lets members who have keys wait for the group's.
func (s *Service) await(tx Tx, members []int64) error {
	keyed, err := s.keyed(tx)
	if err != nil || !keyed {
		return err
	}
	for _, seq := range members {
		if err := tx.KeyedMember(seq); err != nil {
			return err
		}
	}
	return nil
}

// held tells which of a group's members have been granted which of its keys.
func (s *Service) held(tx Tx, row *GroupRow, members []int64) (map[int64]int, error) {
	if row.Serial == 0 {
		return nil, nil
	}
	held := make(map[int64]int, len(members))
	for _, seq := range members {
		serial, err := tx.Granted(row.Seq, seq)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if serial > 0 {
			held[seq] = serial
		}
	}
	return held, nil
}

// withdraw takes the grants of those who have left, and where the policy says so wants a new key for those who stay.
func (s *Service) withdraw(tx Tx, row *GroupRow, held map[int64]int, left []int64) error {
	lost := false
	for _, seq := range left {
		serial, ok := held[seq]
		if !ok {
			continue
		}
		lost = true
		if serial < row.Serial {
			if err := caughtUp(tx, row); err != nil {
				return err
			}
		}
		id, err := tx.UserID(seq)
		if err != nil {
			return err
		}
		if err := tx.DeleteGrants(row.Seq, id, 0); err != nil {
			return err
		}
	}
	if !lost {
		return nil
	}
	rotate, err := tx.Setting(settingRotate)
	row.Rotate = row.Rotate || rotate == "true"
	return err
}

// withdrawFromIntegration takes the integration's grants of a group that it manages no longer.
func withdrawFromIntegration(tx Tx, row *GroupRow) error {
	list, err := tx.Generations()
	if err != nil {
		return err
	}
	for i := range list {
		if err := tx.DeleteGrants(row.Seq, list[i].Integration, 0); err != nil {
			return err
		}
	}
	return nil
}
