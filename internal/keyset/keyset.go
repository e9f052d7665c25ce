// Package keyset holds the keys of an account and of an integration: key pairs, what hands them from one to another,
// what is signed about them, the invitation of a person, what unlocks a person's keys, and the scimsession with its
// bearer token. It knows nothing of accounts, of HTTP or of files. docs/credential-format.md explains it to people;
// this comment is the specification.
//
// # Notation
//
// ‖ joins bytes. list(a, b, …) is each part with its length before it, 8 bytes, big-endian. A number in a list is a
// part of 8 bytes, big-endian, from 1 to 2³¹-1. base64url is RFC 4648 §5 without padding. HKDF(secret, info) is
// HKDF-SHA256 without salt to 32 bytes; AES is AES-256-GCM, whose result begins with the nonce of 12 random bytes;
// HPKE(key, info, text) is RFC 9180 in base mode with MLKEM768X25519 (0x647a), HKDF-SHA256 and AES-256-GCM, without
// associated data: encapsulated key (1,120 bytes) ‖ sealed text. Every label stands for one use and ends in its
// version.
//
// Parsing is strict: what is not byte by byte what this package would write is refused. The exceptions are named.
//
// # Keyset
//
// All keys come from a seed of 32 random bytes:
//
//	encryption  MLKEM768X25519, DeriveKeyPair(HKDF(seed, list("scimbridge keyset encryption 1")))
//	signing     Ed25519, seed HKDF(seed, list("scimbridge keyset signing 1"))
//
// Public keys: version byte 1, which stands for this suite ‖ encryption key, 1,216 bytes ‖ signing key, 32 bytes.
// Refused are keys that are not in canonical form, and points of small order. Wherever public keys are bound to
// something, it is these 1,249 bytes, so that the suite is bound too. A fingerprint is the first 24 characters of the
// lower-case base32 of SHA-256(list("scimbridge fingerprint 1", public keys)) in groups of 4.
//
// Message to the holders of keys: version byte 1 ‖ HPKE(encryption key, list("scimbridge message 1", version byte,
// context, public keys), text).
//
// # Claims
//
// Signed is, with Ed25519, a list of a label and fields:
//
//	"scimbridge administrator 1"  account, user, serial, public keys
//	"scimbridge generation 1"     account, integration, generation, public keys
//	"scimbridge person 1"         account, user, serial, e-mail, public keys
//	"scimbridge group key 1"      account, group, serial, public keys
//	"scimbridge owners 1"         account, group, serial, public keys
//	"scimbridge membership 1"     account, group, user
//	"scimbridge challenge 1"      host, account, subject, serial, nonce
//	"scimbridge possession 1"     account, user, e-mail, number, public keys
//
// An attestation is version byte 1 ‖ list(claim, signer, signature), with the claim as it was signed.
//
// Trust begins at the root, an Ed25519 key. An administrator is the root or whoever an administrator has attested as
// one; a generation of an integration is what an administrator has attested; a group's key is what either of them has
// attested, unless two keys are attested for one serial. The owners' group and its keys are what administrators have
// attested, unless it is two groups; claims of a group's key have no weight for it. The order of attestations never
// decides. Trust knows no end: that a former administrator is refused is left to the account service.
//
// # Grant
//
//	fields     account, kind, id and serial of the subject, kind, id and serial of the recipient, signer
//	context    HPKE to the recipient's encryption key, with the info list("scimbridge grant 2", version byte, account,
//	           kind, id and serial of the recipient, signer, recipient's public keys)
//	key        what the context exports for list("scimbridge grant key 2", version byte, fields…), 32 bytes
//	sealed     the context's encapsulated key, 1,120 bytes ‖ AES(key, subject's seed), without associated data
//	body       version byte 2 ‖ list(fields…, sealed)
//	signature  Ed25519 over list("scimbridge grant signature 2", body, recipient's public keys)
//	grant      body ‖ list(signature)
//
// Kinds are "user", "group" and "integration"; an integration's serial is its generation. The signature says who
// sealed, which HPKE does not; the signer's name in HPKE's info keeps another from signing the same sealed seed.
//
// Grants of one signer to one recipient that are made at once share one context (RFC 9180 §5.3), since encapsulating is
// most of the work; one that is made alone has one too. A context serves one call and is not kept. Each grant carries the
// encapsulated key and stands alone: it is kept, moved, opened, withheld and made anew without its siblings. Whoever has
// them all, as the account service does, can mix nothing: no sealed seed into a sibling, no encapsulated key of one call
// with what was sealed in another, no grant renamed. The signature covers both parts and all the fields. And were it
// made anew by the signer itself, the seed would not open: its key comes from this encapsulated key, this info and these
// fields, and siblings' keys tell nothing of one another. A key seals one seed, so that any nonce would do; it is random
// all the same, so that asking for one subject twice in a call, even with two seeds, gives nothing away.
//
// Version 1 is still read. Its labels end in 1; it has no context, and sealed is HPKE(recipient's encryption key,
// list("scimbridge grant 1", version byte, fields…, recipient's public keys), subject's seed).
//
// # Invitation
//
//	invitation key  HKDF(seed of the Owners group, list("scimbridge invitation key 1", account, integration, generation))
//	secret          HKDF(invitation key, list("scimbridge invitation 1", account, user, e-mail, number, generation))
//	root print      first 16 bytes of SHA-256(list("scimbridge link root 1", account, root))
//	link            ORIGIN/join/ACCOUNT.USER.NUMBER#SECRET.ROOT, secret and root print in base64url
//	access          HKDF(secret, list("scimbridge invitation access 1", account, user, number))
//	commitment      SHA-256(access)
//	proof           HMAC-SHA256(HKDF(secret, list("scimbridge invitation proof key 1", account, user, number)),
//	                list("scimbridge invitation proof 1", account, user, number, e-mail, public keys))
//
// A link without .ROOT names no root; such are read, and written where the root is not known. The account service keeps the
// commitment and sees access, neither of which makes a proof. Ids in a link have up to 64
// characters of a-z, A-Z, 0-9, _ and -. The origin is https, or http on a loopback address.
//
// # Unlocking
//
// Secret Key: "S1", 6 letters of the account, 26 random letters (128.8 bits), of the alphabet
// 23456789ABCDEFGHJKMNPQRSTUVWXYZ, written S1-AAAAAA-RRRRRR-RRRRR-RRRRR-RRRRR-RRRRR. Lower case is read too, and
// hyphens may be missing. A letter of the account is a byte of SHA-256(list("scimbridge secret key account 1",
// account)) modulo 31.
//
//	password    NFKD, white space at both ends removed
//	salt        HKDF(list(account, user), list("scimbridge unlock salt 1"))
//	unlock key  Argon2id(password, salt, t=3, m=64 MiB, p=4, 32 bytes) XOR
//	            HKDF(26 letters, list("scimbridge unlock secret key 1", 6 letters, account, user))
//	sign-in     Ed25519, seed HKDF(unlock key, list("scimbridge unlock sign-in 1"))
//	sealed seed version byte 1 ‖ AES(HKDF(unlock key, list("scimbridge unlock seed 1")), seed), associated data
//	            list("scimbridge unlock seed 1", version byte, account, user, serial)
//
// The emergency kit is text, read by its lines "Account:", "Account id:", "Address:" (which may be missing), "E-mail:",
// "User id:", "Trust root:" and "Secret Key:" under the first, "Emergency kit 1"; other lines are its owner's.
//
// # Bearer token
//
//	scb_ kkkkkkkk _ sssssssssssssssssssssssssssssssssssssssssss cccccc
//
// Key id k: 8 characters of lower-case base32 (RFC 4648, a-z 2-7), 40 random bits; it names the token in logs. Secret
// s: 32 random bytes in base64url, 43 characters. Checksum c: the first 30 bits of SHA-256("scimbridge bearer token 1"
// ‖ all before it) in lower-case base32, so that a token that was cut or mistyped is recognised without trying it. Only
// this spelling is accepted.
//
// # scimsession
//
// A JSON object of exactly these members, in this order, without white space. Those marked 2 are of version 2, which is
// what is written; version 1 is still read.
//
//	format       "scimbridge scimsession"
//	version      2
//	suite        "MLKEM768X25519/HKDF-SHA256/AES-256-GCM/Ed25519"; in version 1 "HKDF-SHA256/AES-256-GCM"
//	account      id of the account
//	integration  id of the integration
//	generation   number of the credentials, from 1; newer ones end older ones
//	url          of the account service; empty: the account lives in the bridge's own process
//	created      RFC 3339, UTC, whole seconds
//	token        key id of the token that opens the file
//	peer         32 random bytes that replicas share while locked; the reason to keep the file itself secret
//	root       2 the account's root of trust, a signing key; empty: none
//	former     2 SHA-256 of the embedded file; empty: none
//	until      2 when the embedded file's token ends, at most 24 hours after created; empty: none is embedded
//	salt         32 random bytes
//	key          sealed file key
//	payload      sealed payload
//	previous   2 the embedded file; empty: none
//
// Bytes are base64url. The file key is 32 random bytes, sealed with AES under HKDF-SHA256(secret of the token, salt,
// label); the payload is sealed under the file key. The labels are "scimbridge scimsession key 2" and "scimbridge
// scimsession payload 2", ending in 1 in version 1. The associated data of both is the list of the label and every
// member before salt (numbers in decimal), so that nothing in the file can be changed or moved to another one. The
// payload is the integration's seed, its invitation key and, in version 2, the invitation key of the generation before
// or 32 zeros.
//
// For an overlap the file of a new generation embeds the former one verbatim, except that its own previous is emptied,
// for which reason that member stands behind the sealed ones and former stands for it. Account and integration are the
// same and the generation is lower. Each token opens its own file; the former token's until the time in until. What
// this gives: whoever opens the file with the new token knows that until and the embedded file are as the owner made
// them. What it does not give: whoever holds only the former token cannot check until, nor that the former file is
// embedded in the right one; someone who can write the file could prolong the former token's time, or bring back the
// former file itself, which knows no end. The account service ends the generation on its own at that time, and what it
// refuses no file prolongs.
//
// Keys for other purposes come from the seed: HKDF(seed, "scimbridge derive 1 " ‖ purpose). The key for "mark 1" makes the
// marks by which an integration knows its own claims again: HMAC-SHA256 over what is signed. Keys that replicas share while
// they are locked come from peer: HKDF(peer, list("scimbridge peer 1", purpose)). The key for "sources 1" hides the addresses by
// which they count wrong tokens.
//
// # Hand-over
//
// A replica that is unlocked can hand the file key, never the token, over to one that is locked and has the same file. Where
// they leave it for each other is trusted by neither.
//
//	start-up keys  a keyset of a seed that a process draws when it starts and that is written nowhere
//	fields         account, integration, generation, time
//	ask            body ‖ list(HMAC-SHA256(HKDF(peer, list("scimbridge hand-over ask key 1")),
//	               list("scimbridge hand-over ask 1", body)))
//	  body         version byte 1 ‖ list(fields…, public start-up keys)
//	sealed         HPKE(encryption key of the start-up keys,
//	               list("scimbridge hand-over 1", version byte, fields…, public start-up keys), file key)
//	hand-over      body ‖ list(HMAC-SHA256(HKDF(peer, list("scimbridge hand-over mac key 1")),
//	               list("scimbridge hand-over mac 1", body, public start-up keys)))
//	  body         version byte 1 ‖ list(fields…, sealed)
//
// The time is when it was asked, by the clock of who asked (RFC 3339, UTC, whole seconds), in the hand-over too: who asked
// refuses what is older than 60 seconds or from the future, who answers what is more than five minutes away. Peer and file key
// are those of one file, and so is the generation: during an overlap a replica with the newer file asks for its own key, and,
// until it has one of them or the time is over, for that of the embedded file, and hands over the key of each that it has
// opened. Whoever was handed a file key opens the payload with it, which shows that it is the right one; which token is right
// it learns from the first token that opens the file.
package keyset

import "errors"

// Sentinels.
var (
	ErrTokenFormat   = errors.New("this is no bearer token of a bridge: it begins with scb_ and has 62 characters. Copy it again")
	ErrTokenChecksum = errors.New("the bearer token is incomplete or mistyped: its checksum is wrong. Copy it again")
	ErrWrongToken    = errors.New("the bearer token is not the one of this scimsession")
	ErrAltered       = errors.New("the scimsession has been altered or damaged")
	ErrFormat        = errors.New("this is no scimsession")
	ErrVersion       = errors.New("the scimsession is of a version that this program does not know")
	ErrNoSession     = errors.New("no scimsession")
	ErrSeed          = errors.New("the seed is empty")
	ErrPublic        = errors.New("this is no public key")
	ErrSealed        = errors.New("the message was not sealed to these keys for this purpose, or it is damaged")
	ErrSignature     = errors.New("the signature is wrong")
	ErrSigner        = errors.New("whoever signed this may not")
	ErrAttestation   = errors.New("this is no attestation")
	ErrDisputed      = errors.New("two different keys are attested")
	ErrGrant         = errors.New("this is not the grant that was asked for")
	ErrInvitation    = errors.New("no invitation can be made")
	ErrKeyGone       = errors.New("the invitation is of a generation whose key is gone: send it again")
	ErrLink          = errors.New("this is no link of an invitation")
	ErrProof         = errors.New("the proof is wrong: whoever proposed these keys does not hold the invitation")
	ErrSecretKey     = errors.New("this is no Secret Key: it begins with S1- and has 34 letters and digits, none of them 0, O, 1, I or L after the first two")
	ErrPasswordEmpty = errors.New("the password is empty")
	ErrUnlock        = errors.New("the password or the Secret Key is wrong")
	ErrKit           = errors.New("this is no complete emergency kit")
	ErrExpiredToken  = errors.New("the bearer token was replaced, and the time in which both worked is over")
	ErrHeader        = errors.New("no scimsession can say this")
	ErrOverlap       = errors.New("two bearer tokens may work at once for at most 24 hours")
	ErrPrevious      = errors.New("the former scimsession is not one of an earlier generation of this integration")
	ErrHandOver      = errors.New("this is not what a replica with this scimsession hands over")
	ErrPeer          = errors.New("whoever wrote this does not have the scimsession")
	ErrLate          = errors.New("this was asked for too long ago")
	// ErrForeignSession tells what to do with a scimsession of the original.
	ErrForeignSession = errors.New("this is a scimsession of 1Password's, which only 1Password's bridge can use. Make one with \"scimbridge credentials new\", put it in the place of this one, and give the identity provider the new bearer token")
	// ErrTokenInstead means that the token stands where the file belongs.
	ErrTokenInstead = errors.New("this is a bearer token, and the scimsession belongs here, the file that \"scimbridge credentials new\" wrote. The token goes to the identity provider")
)
