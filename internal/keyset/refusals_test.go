package keyset_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// TestRefusals is the table of attacks: what each of them gets. Input that was cut or in which a bit was flipped has
// tests of its own beside each format.
func TestRefusals(t *testing.T) {
	t.Parallel()
	root, bridge, person, attacker := keys(t, 1), keys(t, 2), keys(t, 3), keys(t, 4)
	trust := keyset.NewTrust(account, root.Signer())
	if err := trust.Learn([]keyset.Attestation{attest(root, generation(bridge))}); err != nil {
		t.Fatal(err)
	}
	tok := token(t, 1)
	session := sealed(t, header, tok, 9)
	newer := overlapping(t, next(1), token(t, 2), session, 19)
	openWith := func(raw []byte, tok keyset.Token) error {
		s, err := keyset.ParseSession(raw)
		if err != nil {
			return err
		}
		return second(s.Open(tok, next(1).Created.Add(time.Hour)))
	}
	proof := func(i keyset.Invitation, email string, p keyset.Public) []byte {
		mac := i.Proof(email, p)
		return mac[:]
	}
	mine := invitation(t, 1)
	other := func(change func(*keyset.Invited)) keyset.Invitation {
		who := invited
		change(&who)
		i, err := invitationKey(t, 7, 1).Invitation(1, who)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	elsewhere := other(func(w *keyset.Invited) { w.User = group })
	grant := granted(t, bridge, seed(t, 5), person.Public())
	opened := func(k *keyset.Keyset, raw []byte, account string, subject, me keyset.Key) error {
		return second(k.OpenGrant(raw, account, subject, me, trust.MaySign))
	}
	otherSerial := func(k keyset.Key) keyset.Key { k.Serial++; return k }
	// The attacker's signature under what the bridge has sealed, in the bridge's name and in the attacker's.
	forged := slices.Concat(grant[:len(grant)-64], granted(t, attacker, seed(t, 5), person.Public())[len(grant)-64:])
	membership := keyset.MembershipClaim{Account: account, Group: group, User: user}
	confirmed := keyset.PersonClaim{Account: account, User: user, Serial: 1, Email: email, Public: person.Public()}
	swapped := confirmed
	swapped.Public = attacker.Public()
	access := mine.Access()

	for name, c := range map[string]struct{ got, want error }{
		"control: the right token":    {openWith(session, tok), nil},
		"control: the right proof":    {mine.Check(email, person.Public(), proof(mine, email, person.Public())), nil},
		"control: the right grant":    {opened(person, grant, account, groupKey, userKey), nil},
		"control: the former token":   {openWith(newer, tok), nil},
		"control: a person confirmed": {bridge.Signer().Verify(confirmed, bridge.Sign(confirmed)), nil},

		"wrong token":                            {openWith(session, token(t, 7)), keyset.ErrWrongToken},
		"wrong token with the right key id":      {openWith(session, withKeyID(t, tok, token(t, 7))), keyset.ErrWrongToken},
		"moved file: keys of another session":    {openWith(moved(t, session, sealed(t, header, tok, 12), "key", "payload"), tok), keyset.ErrWrongToken},
		"moved file: payload of another session": {openWith(moved(t, session, sealed(t, header, tok, 12), "payload"), tok), keyset.ErrAltered},
		"moved file: another account":            {openWith(replaced(t, session, account, group+"a"), tok), keyset.ErrWrongToken},
		"changed generation":                     {openWith(replaced(t, session, `"generation":3`, `"generation":4`), tok), keyset.ErrWrongToken},
		"changed root":                           {openWith(replaced(t, session, `"root":""`, `"root":"`+attacker.Signer().String()+`"`), tok), keyset.ErrWrongToken},
		"changed address of the account service": {openWith(replaced(t, session, `"url":""`, `"url":"https://evil.example"`), tok), keyset.ErrWrongToken},

		"swapped keys":                     {mine.Check(email, attacker.Public(), proof(mine, email, person.Public())), keyset.ErrProof},
		"swapped address":                  {mine.Check("eve@example.com", person.Public(), proof(mine, email, person.Public())), keyset.ErrProof},
		"foreign invitation":               {mine.Check(email, person.Public(), proof(elsewhere, email, person.Public())), keyset.ErrProof},
		"replayed proof: next number":      {invitation(t, 2).Check(email, person.Public(), proof(mine, email, person.Public())), keyset.ErrProof},
		"replayed proof: next address":     {other(func(w *keyset.Invited) { w.Email = "new@example.com" }).Check("new@example.com", person.Public(), proof(mine, email, person.Public())), keyset.ErrProof},
		"what the service sees as a proof": {mine.Check(email, person.Public(), access[:]), keyset.ErrProof},
		"proof for no invitation":          {keyset.Invitation{}.Check(email, attacker.Public(), proof(keyset.Invitation{}, email, attacker.Public())), keyset.ErrProof},
		"no proof":                         {mine.Check(email, person.Public(), nil), keyset.ErrProof},
		"half a proof":                     {mine.Check(email, person.Public(), proof(mine, email, person.Public())[:16]), keyset.ErrProof},

		"grant for another group":             {opened(person, grant, account, keyset.Key{Kind: keyset.GroupKey, ID: user, Serial: 2}, userKey), keyset.ErrGrant},
		"grant for another serial":            {opened(person, grant, account, otherSerial(groupKey), userKey), keyset.ErrGrant},
		"grant for another kind":              {opened(person, grant, account, keyset.Key{Kind: keyset.UserKey, ID: group, Serial: 2}, userKey), keyset.ErrGrant},
		"grant for another person":            {opened(person, grant, account, groupKey, keyset.Key{Kind: keyset.UserKey, ID: group, Serial: 1}), keyset.ErrGrant},
		"grant for other keys of the person":  {opened(person, grant, account, groupKey, otherSerial(userKey)), keyset.ErrGrant},
		"grant of another account":            {opened(person, grant, group, groupKey, userKey), keyset.ErrGrant},
		"grant sealed to another":             {opened(attacker, grant, account, groupKey, userKey), keyset.ErrSignature},
		"grant signed by a stranger":          {opened(person, granted(t, attacker, seed(t, 5), person.Public()), account, groupKey, userKey), keyset.ErrSigner},
		"grant signed in another's name":      {opened(person, forged, account, groupKey, userKey), keyset.ErrSignature},
		"another's sealed seed signed as own": {second(person.OpenGrant(keyset.Resign(grant, attacker, person.Public()), account, groupKey, userKey, anybody)), keyset.ErrGrant},

		"membership of another group": {bridge.Signer().Verify(keyset.MembershipClaim{Account: account, Group: user, User: user}, bridge.Sign(membership)), keyset.ErrSignature},
		"membership by a stranger":    {bridge.Signer().Verify(membership, attacker.Sign(membership)), keyset.ErrSignature},
		"keys swapped after it":       {bridge.Signer().Verify(swapped, bridge.Sign(confirmed)), keyset.ErrSignature},
		"names itself owner":          {trust.Learn([]keyset.Attestation{attest(attacker, administrator(attacker))}), keyset.ErrSigner},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}
