package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxOverlap is how long the credentials before may go on working beside new ones: long enough for an administrator to
// change the token at the identity provider, short enough that nobody forgets about it.
const MaxOverlap = 24 * time.Hour

// Generations lists the integration's credentials, the newest last.
func (s *Service) Generations(ctx context.Context) ([]Generation, error) {
	var list []Generation
	err := s.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Generations()
		return err
	})
	return list, err
}

// Generation is the number of the integration's newest credentials.
func (s *Service) Generation(ctx context.Context) (int, error) {
	var n int
	err := s.store.View(ctx, func(tx Tx) (err error) {
		n, err = generation(tx)
		return err
	})
	return n, err
}

func generation(tx Tx) (int, error) {
	text, err := tx.Setting(settingGeneration)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// maxTokenID bounds the key id of a token, which has 8 characters.
const maxTokenID = 64

// NextGeneration begins a new generation of the credentials of an account without keys, of an integration and with a token,
// and returns its number: those before it are dead.
func (s *Service) NextGeneration(ctx context.Context, g Generation) (int, error) {
	if err := field("token", g.Token, maxTokenID); err != nil {
		return 0, err
	}
	var n int
	err := s.update(ctx, "integration.regenerate", "integration", g.Integration, func(tx Tx) error {
		keyed, err := s.keyed(tx)
		if err != nil {
			return err
		}
		if keyed {
			return fmt.Errorf("%w: in an account with keys an owner makes the credentials: scimbridge credentials new --kit FILE, with the owner's emergency kit", ErrState)
		}
		before, err := generation(tx)
		if err != nil {
			return err
		}
		n = before + 1
		return s.putGeneration(ctx, tx, &Generation{Number: n, Integration: g.Integration, Token: g.Token, Created: s.now()}, 0)
	})
	return n, err
}

// NewGeneration is what AddGeneration takes.
type NewGeneration struct {
	Generation
	Overlap time.Duration // how long those before go on working; 0: not at all
	Grants  []Grant       // of the group Provision Managers and of all groups that the integration manages
}

// AddGeneration begins a new generation of credentials, signed by an administrator. ErrRevision where another was made
// in the meantime, or where the grants do not cover the groups that the integration manages.
func (s *Service) AddGeneration(ctx context.Context, n NewGeneration) error {
	if n.Overlap < 0 || n.Overlap > MaxOverlap {
		return &InvalidError{"overlap", fmt.Sprintf("must be between 0 and %s", MaxOverlap)}
	}
	if !IsID(n.Integration) || len(n.Signer) == 0 || len(n.Attestation) == 0 {
		return &InvalidError{"generation", "has no integration, signer or attestation"}
	}
	if err := field("token", n.Token, maxTokenID); err != nil {
		return err
	}
	return s.update(ctx, "integration.regenerate", "integration", n.Integration, func(tx Tx) error {
		before, err := generation(tx)
		if err != nil {
			return err
		}
		if n.Number != before+1 {
			return fmt.Errorf("%w: credentials of generation %d are there", ErrRevision, before)
		}
		g := n.Generation
		g.Created, g.Expires, g.Ended = s.now(), time.Time{}, false
		if err := s.grantToIntegration(tx, &g, n.Grants); err != nil {
			return err
		}
		if err := tx.Attest(attestedTrust, g.Integration, g.Number, g.Attestation); err != nil {
			return err
		}
		return s.putGeneration(ctx, tx, &g, n.Overlap)
	})
}

// grantToIntegration keeps the grants of new credentials, which must cover every group with a key that the integration
// manages.
func (s *Service) grantToIntegration(tx Tx, g *Generation, grants []Grant) error {
	want := map[string]int{}
	q := Query{Limit: exportPage, NoTotal: true}
	for {
		rows, _, next, err := tx.Groups(q, VisibleOnly)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Serial > 0 {
				want[rows[i].ID] = rows[i].Serial
			}
		}
		if next == nil {
			break
		}
		q.After = next
	}
	for i := range grants {
		grant := grants[i]
		if grant.To != (Holder{IntegrationHolder, g.Integration, g.Number}) || len(grant.Sealed) == 0 || len(grant.Sealed) > maxKeys {
			return &InvalidError{"grant", "is sealed to somebody else, empty or too long"}
		}
		row, err := tx.GroupByID(grant.Group)
		if err != nil {
			return err
		}
		if err := tx.PutGrant(row.Seq, &grant); err != nil {
			return err
		}
		if want[grant.Group] == grant.Serial {
			delete(want, grant.Group)
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("%w: the keys of %d groups are missing", ErrRevision, len(want))
	}
	return nil
}

// putGeneration adds a generation and ends those before, at once or after an overlap.
func (s *Service) putGeneration(ctx context.Context, tx Tx, g *Generation, overlap time.Duration) error {
	list, err := tx.Generations()
	if err != nil {
		return err
	}
	for i := range list {
		old := &list[i]
		if !old.Valid(s.now()) {
			continue
		}
		// Only the generation just before overlaps: its invitations are the only older ones that the new file can confirm.
		if overlap > 0 && old.Number == g.Number-1 {
			old.Expires = s.now().Add(overlap)
		} else {
			old.Ended = true
		}
		if err := tx.PutGeneration(old); err != nil {
			return err
		}
	}
	if err := s.inviteOldAnew(ctx, tx, g.Number-1); err != nil {
		return err
	}
	return errors.Join(tx.PutGeneration(g), tx.SetSetting(settingGeneration, strconv.Itoa(g.Number)),
		s.enter(ctx, tx, "integration.regenerate", "integration", g.Integration, strconv.Itoa(g.Number)))
}

// inviteOldAnew makes invitations due again whose key is older than the oldest that the bridge still has.
func (s *Service) inviteOldAnew(ctx context.Context, tx Tx, oldest int) error {
	for after := int64(0); ; {
		list, err := tx.Invitations([]InvitationState{InvitationOpen}, after, exportPage)
		if err != nil {
			return err
		}
		for i := range list {
			row, err := tx.UserByID(list[i].UserID)
			if err != nil {
				return err
			}
			after = row.Seq
			if g := list[i].Generation; g >= oldest || g == OwnersInvitation {
				continue
			}
			if err := errors.Join(s.inviteAnew(tx, &row, nil), s.enter(ctx, tx, "invitation.resend", "user", row.ID, strconv.Itoa(list[i].Number+1))); err != nil {
				return err
			}
		}
		if len(list) < exportPage {
			return nil
		}
	}
}

// Deactivate ends all credentials: the grants to the integration are gone, and no bridge gets in. With cancel the open
// invitations are withdrawn as well.
func (s *Service) Deactivate(ctx context.Context, cancel bool) error {
	return s.update(ctx, "integration.deactivate", "integration", "", func(tx Tx) error {
		list, err := tx.Generations()
		if err != nil {
			return err
		}
		for i := range list {
			list[i].Ended = true
			if err := errors.Join(tx.PutGeneration(&list[i]), tx.DeleteGrantsTo(Holder{IntegrationHolder, list[i].Integration, list[i].Number})); err != nil {
				return err
			}
		}
		if cancel {
			if err := s.cancelInvitations(ctx, tx); err != nil {
				return err
			}
		}
		return s.enter(ctx, tx, "integration.deactivate", "integration", "", "")
	})
}

func (s *Service) cancelInvitations(ctx context.Context, tx Tx) error {
	states := []InvitationState{InvitationDue, InvitationOpen}
	for {
		list, err := tx.Invitations(states, 0, exportPage)
		if err != nil {
			return err
		}
		for i := range list {
			row, err := tx.UserByID(list[i].UserID)
			if err != nil {
				return err
			}
			if err := errors.Join(s.closeInvitation(ctx, tx, &row, InvitationCancelled, "provisioning was deactivated"),
				s.enter(ctx, tx, "invitation.cancel", "user", row.ID, "")); err != nil {
				return err
			}
		}
		if len(list) < exportPage {
			return nil
		}
	}
}

// SignedIn is who signs in for the integration: the generation, if it counts. ErrGeneration.
func (s *Service) SignedIn(ctx context.Context, integration string, number int) (Generation, error) {
	list, err := s.Generations(ctx)
	if err != nil {
		return Generation{}, err
	}
	i := slices.IndexFunc(list, func(g Generation) bool { return g.Number == number && g.Integration == integration })
	if i < 0 || !list[i].Valid(s.now()) {
		return Generation{}, ErrGeneration
	}
	return list[i], nil
}

// Contact notes what the bridge says of itself.
func (s *Service) Contact(ctx context.Context, number int, version, client string) error {
	return s.store.Update(ctx, func(tx Tx) error {
		list, err := tx.Generations()
		if err != nil {
			return err
		}
		for i := range list {
			if g := &list[i]; g.Number == number {
				g.LastContact, g.Version, g.Client = s.now(), version, client
				return tx.PutGeneration(g)
			}
		}
		return ErrGeneration
	})
}

// Policy is what the administrators have decided for everybody.
func (s *Service) Policy(ctx context.Context) (Policy, error) {
	var p Policy
	err := s.store.View(ctx, func(tx Tx) (err error) {
		p, err = policy(tx)
		return err
	})
	return p, err
}

func policy(tx Tx) (p Policy, err error) {
	domains, err := tx.Setting(settingDomains)
	if err != nil {
		return p, err
	}
	p.Domains = strings.Fields(domains)
	guard, err := tx.Setting(settingGuard)
	if err != nil {
		return p, err
	}
	if p.Guard, err = parseGuard(guard); err != nil {
		return p, err
	}
	for _, o := range []struct {
		key  string
		into *bool
	}{{settingNames, &p.ImmediateNames}, {settingRotate, &p.RotateOnRemove}} {
		text, err := tx.Setting(o.key)
		if err != nil {
			return p, err
		}
		*o.into = text == "true"
	}
	return p, nil
}

// SetPolicy decides for everybody.
func (s *Service) SetPolicy(ctx context.Context, p Policy) error {
	for i, d := range p.Domains {
		p.Domains[i] = Fold(strings.TrimPrefix(strings.TrimSpace(d), "@"))
		if p.Domains[i] == "" || strings.ContainsAny(p.Domains[i], " \t\r\n@") {
			return &InvalidError{"domains", fmt.Sprintf("%q is no domain like example.com", d)}
		}
	}
	var err error
	if p.Guard, err = parseGuard(string(p.Guard)); err != nil {
		return err
	}
	detail, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.update(ctx, "account.policy", "account", "", func(tx Tx) error {
		return errors.Join(tx.SetSetting(settingDomains, strings.Join(p.Domains, " ")), tx.SetSetting(settingNames, strconv.FormatBool(p.ImmediateNames)),
			tx.SetSetting(settingRotate, strconv.FormatBool(p.RotateOnRemove)),
			tx.SetSetting(settingGuard, string(p.Guard)), s.enter(ctx, tx, "account.policy", "account", "", string(detail)))
	})
}

// permitted refuses an e-mail address of a domain that the policy does not allow.
func permitted(tx Tx, email string) error {
	text, err := tx.Setting(settingDomains)
	if err != nil || text == "" {
		return err
	}
	domains := strings.Fields(text)
	_, domain, _ := strings.Cut(Fold(email), "@")
	if slices.Contains(domains, domain) {
		return nil
	}
	return &InvalidError{"emails", fmt.Sprintf("the account's policy allows e-mail addresses of %s only; an administrator of the account can change that", strings.Join(domains, ", "))}
}
