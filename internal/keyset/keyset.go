// Package keyset holds the credentials of an integration: the scimsession, a file with the integration's keys,
// sealed, and the bearer token that unseals it. Neither alone is of use.
//
// # Bearer token
//
//	scb_ kkkkkkkk _ sssssssssssssssssssssssssssssssssssssssssss cccccc
//
// Key id k: 8 characters of lower-case base32 (RFC 4648, a-z 2-7), 40 random bits; it names the token in logs.
// Secret s: 32 random bytes in base64url without padding, 43 characters. Checksum c: the first 30 bits of
// SHA-256("scimbridge bearer token 1" ‖ all before it) in lower-case base32, so that a token that was cut or mistyped
// is recognised without trying it. Only this spelling is accepted.
//
// # scimsession
//
// A JSON object of exactly these members, in this order, without white space:
//
//	format       "scimbridge scimsession"
//	version      1
//	suite        "HKDF-SHA256/AES-256-GCM"
//	account      id of the account
//	integration  id of the integration
//	generation   number of the credentials, from 1; newer ones end older ones
//	url          of the account service; empty: the account lives in the bridge's own process
//	created      RFC 3339, UTC, whole seconds
//	token        key id of the token that opens the file
//	peer         32 random bytes that replicas share while locked; the reason to keep the file itself secret
//	salt         32 random bytes
//	key          nonce and sealed file key
//	payload      nonce and sealed payload
//
// Bytes are base64url without padding. The file key is 32 random bytes, sealed with AES-256-GCM under
// HKDF-SHA256(secret of the token, salt, "scimbridge scimsession key 1"); the payload is sealed under the file key.
// The associated data of both is a label of its own followed by every member before salt, each with its length as
// 8 bytes, so that nothing in the file can be changed or moved to another one. The payload is the integration's seed
// followed by its invitation key, 32 bytes each.
//
// Keys for other purposes come from the seed: HKDF-SHA256(seed, no salt, "scimbridge derive 1" ‖ purpose).
//
// Parsing is strict: a file or token that is not byte by byte what this package would write is refused.
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
	ErrOverlap       = errors.New("two bearer tokens may work at once for at most 24 hours")
	ErrPrevious      = errors.New("the former scimsession is not one of an earlier generation of this integration")
	// ErrForeignSession tells what to do with a scimsession of the original.
	ErrForeignSession = errors.New("this is a scimsession of 1Password's, which only 1Password's bridge can use. Make one with \"scimbridge credentials new\", put it in the place of this one, and give the identity provider the new bearer token")
	// ErrTokenInstead means that the token stands where the file belongs.
	ErrTokenInstead = errors.New("this is a bearer token, and the scimsession belongs here, the file that \"scimbridge credentials new\" wrote. The token goes to the identity provider")
)
