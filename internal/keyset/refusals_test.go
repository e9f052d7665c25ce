package keyset_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// TestRefusals is the table of attacks: what each of them gets. Input that was cut or in which a bit was flipped has
// tests of its own beside each format.
func TestRefusals(t *testing.T) {
	t.Parallel()
	person, bridge, root, attacker := keys(t, 1), keys(t, 2), keys(t, 3), keys(t, 4)
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
	membership := keyset.MembershipClaim{Account: account, Group: group, User: user}
	confirmed := keyset.PersonClaim{Account: account, User: user, Serial: 1, Email: email, Public: person.Public()}
	swapped := confirmed
	swapped.Public = attacker.Public()
	access := mine.Access()

	table := map[string]refusal{
		"control: the right token":    {openWith(session, tok), nil},
		"control: the right proof":    {mine.Check(email, person.Public(), proof(mine, email, person.Public())), nil},
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

		"membership of another group": {bridge.Signer().Verify(keyset.MembershipClaim{Account: account, Group: user, User: user}, bridge.Sign(membership)), keyset.ErrSignature},
		"membership by a stranger":    {bridge.Signer().Verify(membership, attacker.Sign(membership)), keyset.ErrSignature},
		"keys swapped after it":       {bridge.Signer().Verify(swapped, bridge.Sign(confirmed)), keyset.ErrSignature},
		"names itself owner":          {trust.Learn([]keyset.Attestation{attest(attacker, administrator(attacker))}), keyset.ErrSigner},
	}
	for version, grant := range grantsOnRecord(t) {
		for name, r := range grantRefusals(t, grant, trust) {
			table[name+" ("+version+")"] = r
		}
	}
	for name, r := range siblingRefusals(t, trust) {
		table["siblings: "+name] = r
	}
	for name, c := range table {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

// refusal is what an attack got, and what it has to get.
type refusal struct{ got, want error }

// grantRefusals are attacks with one grant of those on record.
func grantRefusals(t *testing.T, grant []byte, trust *keyset.Trust) map[string]refusal {
	t.Helper()
	person, bridge, attacker := keys(t, 1), keys(t, 2), keys(t, 4)
	opened := func(k *keyset.Keyset, raw []byte, account string, subject, me keyset.Key) error {
		return second(k.OpenGrant(raw, account, subject, me, trust.MaySign))
	}
	otherSerial := func(k keyset.Key) keyset.Key { k.Serial++; return k }
	asOwn := resigned(t, grant, attacker)
	// The attacker's signature under what the bridge has sealed, in the bridge's name and in the attacker's.
	forged := spliced(grant, asOwn, ed25519.SignatureSize, 0)
	otherVersion := bytes.Clone(grant)
	otherVersion[0] = 3 - grant[0]
	table := map[string]refusal{
		"control: the right grant":            {opened(person, grant, account, groupKey, userKey), nil},
		"control: signed again by the bridge": {opened(person, resigned(t, grant, bridge), account, groupKey, userKey), nil},

		"grant for another group":             {opened(person, grant, account, keyset.Key{Kind: keyset.GroupKey, ID: user, Serial: 2}, userKey), keyset.ErrGrant},
		"grant for another serial":            {opened(person, grant, account, otherSerial(groupKey), userKey), keyset.ErrGrant},
		"grant for another kind":              {opened(person, grant, account, keyset.Key{Kind: keyset.UserKey, ID: group, Serial: 2}, userKey), keyset.ErrGrant},
		"grant for another person":            {opened(person, grant, account, groupKey, keyset.Key{Kind: keyset.UserKey, ID: group, Serial: 1}), keyset.ErrGrant},
		"grant for other keys of the person":  {opened(person, grant, account, groupKey, otherSerial(userKey)), keyset.ErrGrant},
		"grant of another account":            {opened(person, grant, group, groupKey, userKey), keyset.ErrGrant},
		"grant of the other version":          {opened(person, otherVersion, account, groupKey, userKey), keyset.ErrGrant},
		"grant sealed to another":             {opened(attacker, grant, account, groupKey, userKey), keyset.ErrSignature},
		"grant signed by a stranger":          {opened(person, asOwn, account, groupKey, userKey), keyset.ErrSigner},
		"grant signed in another's name":      {opened(person, forged, account, groupKey, userKey), keyset.ErrSignature},
		"another's sealed seed signed as own": {second(person.OpenGrant(asOwn, account, groupKey, userKey, anybody)), keyset.ErrGrant},
	}
	// What it says is changed everywhere, and signed by whoever made it: what is sealed is bound to it as well.
	number := func(n int) string { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	part := func(text string) string { return number(len(text)) + text }
	for name, c := range map[string]struct {
		from, to        string
		account         string
		subject, person keyset.Key
	}{
		"another account":         {account, "x" + account[1:], "x" + account[1:], groupKey, userKey},
		"another group":           {group, "x" + group[1:], account, keyset.Key{Kind: keyset.GroupKey, ID: "x" + group[1:], Serial: 2}, userKey},
		"another serial":          {group + part(number(2)), group + part(number(3)), account, otherSerial(groupKey), userKey},
		"another person":          {user, "x" + user[1:], account, groupKey, keyset.Key{Kind: keyset.UserKey, ID: "x" + user[1:], Serial: 1}},
		"other keys of a person":  {user + part(number(1)), user + part(number(2)), account, groupKey, otherSerial(userKey)},
		"another kind of subject": {part("group") + part(group), part("user") + part(group), account, keyset.Key{Kind: keyset.UserKey, ID: group, Serial: 2}, userKey},
	} {
		raw := replaced(t, grant, c.from, c.to)
		table["changed to "+name] = refusal{opened(person, raw, c.account, c.subject, c.person), keyset.ErrSignature}
		table["changed to "+name+", signed"] = refusal{opened(person, resigned(t, raw, bridge), c.account, c.subject, c.person), keyset.ErrGrant}
	}
	return table
}

// siblingRefusals are attacks with grants that were made at once and share what was encapsulated. The account service has
// them all, and those of other calls, recipients and serials. First come its own, which the signature stops; then the same
// with the signature of whoever made the grants, which what is sealed withstands by itself.
func siblingRefusals(t *testing.T, trust *keyset.Trust) map[string]refusal {
	t.Helper()
	person, bridge, attacker := keys(t, 1), keys(t, 2), keys(t, 4)
	list := siblings(t, 2)
	other := list[1].Key
	next := keyset.Subject{Key: groupKey, Seed: seed(t, 9)} // the same group's next key
	next.Key.Serial++
	made := grants(t, bridge, append(list, next), person.Public())
	later := grants(t, bridge, list, person.Public())
	another := grants(t, bridge, list, attacker.Public())
	byAttacker := grants(t, attacker, list, person.Public())
	opened := func(raw []byte, subject keyset.Key) error {
		return second(person.OpenGrant(raw, account, subject, userKey, trust.MaySign))
	}
	// What a grant of version 2 ends in: encapsulated key, sealed seed, length and signature.
	const signature, sealedSeed, all = 8 + ed25519.SignatureSize, 8 + ed25519.SignatureSize + 60, 8 + ed25519.SignatureSize + 60 + 1120
	table := map[string]refusal{
		"control: a sibling by itself":          {opened(made[1], other), nil},
		"control: one that was made once more":  {opened(later[0], groupKey), nil},
		"sibling instead of what was asked for": {opened(made[1], groupKey), keyset.ErrGrant},
		"sibling of another serial":             {opened(made[2], groupKey), keyset.ErrGrant},
		"sibling's signature":                   {opened(spliced(made[0], made[1], ed25519.SignatureSize, 0), groupKey), keyset.ErrSignature},
		"all siblings by another signer":        {opened(byAttacker[0], groupKey), keyset.ErrSigner},
	}
	for name, raw := range map[string][]byte{
		"sibling's sealed seed":                         spliced(made[0], made[1], sealedSeed, signature),
		"sealed seed of the next serial":                spliced(made[0], made[2], sealedSeed, signature),
		"sealed seed of a call before":                  spliced(later[0], made[0], sealedSeed, signature),
		"encapsulated key of a call before":             spliced(later[0], made[0], all, sealedSeed),
		"sealed seed of another's grant":                spliced(made[0], another[0], sealedSeed, signature),
		"encapsulated key of another's grant":           spliced(made[0], another[0], all, sealedSeed),
		"another's grant in this one's place":           spliced(made[0], another[0], all, signature),
		"sealed by another, with the bridge's name":     spliced(made[0], byAttacker[0], all, signature),
		"encapsulated by another, sealed by the bridge": spliced(made[0], byAttacker[0], all, sealedSeed),
	} {
		table[name] = refusal{opened(raw, groupKey), keyset.ErrSignature}
		table[name+", signed"] = refusal{opened(resigned(t, raw, bridge), groupKey), keyset.ErrGrant}
	}
	renamed := replaced(t, made[0], group, other.ID)
	table["renamed for a sibling's group"] = refusal{opened(renamed, other), keyset.ErrSignature}
	table["renamed for a sibling's group, signed"] = refusal{opened(resigned(t, renamed, bridge), other), keyset.ErrGrant}
	return table
}

// resigned puts the signature of k under a grant to the keys of seed 1.
func resigned(t *testing.T, raw []byte, k *keyset.Keyset) []byte {
	t.Helper()
	again, err := keyset.Resign(raw, k, keys(t, 1).Public())
	if err != nil {
		t.Fatal(err)
	}
	return again
}
