package accountapi

import (
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// The shapes of admission.

type wireHolder struct {
	Kind   account.HolderKind `json:"kind"`
	ID     string             `json:"id"`
	Serial int                `json:"serial"`
}

type wireGrant struct {
	Group  string     `json:"group"`
	Serial int        `json:"serial"`
	To     wireHolder `json:"to"`
	Sealed []byte     `json:"sealed"`
}

func fromGrant(g *account.Grant) wireGrant {
	return wireGrant{g.Group, g.Serial, wireHolder(g.To), g.Sealed}
}

func (g *wireGrant) grant() account.Grant {
	return account.Grant{Group: g.Group, Serial: g.Serial, To: account.Holder(g.To), Sealed: g.Sealed}
}

type wireGroupKey struct {
	Serial      int         `json:"serial"`
	Attestation []byte      `json:"attestation"`
	Grants      []wireGrant `json:"grants,omitzero"`
}

type wireRekeying struct {
	Group  string `json:"group"`
	Serial int    `json:"serial"`
	Have   int    `json:"have"`
	Of     int    `json:"of"`
}

type wireKeys struct {
	Serial      int    `json:"serial"`
	Public      []byte `json:"public,omitzero"`
	Sealed      []byte `json:"sealed,omitzero"`
	SignIn      []byte `json:"signIn,omitzero"`
	Attestation []byte `json:"attestation,omitzero"`
}

func fromKeys(k *account.PersonKeys) wireKeys {
	return wireKeys{k.Serial, k.Public, k.Sealed, k.SignIn, k.Attestation}
}

func (k *wireKeys) keys() account.PersonKeys {
	return account.PersonKeys{Serial: k.Serial, Public: k.Public, Sealed: k.Sealed, SignIn: k.SignIn, Attestation: k.Attestation}
}

// bridgeKeys are a person's keys as the bridge needs them. It has no business with what the person signs in with or
// with the seed that is sealed to the person.
func bridgeKeys(k *account.PersonKeys) wireKeys {
	return wireKeys{Serial: k.Serial, Public: k.Public, Attestation: k.Attestation}
}

type wireInvitation struct {
	UserID     string                  `json:"userId"`
	Name       string                  `json:"name,omitzero"`
	Language   string                  `json:"language,omitzero"`
	Number     int                     `json:"number"`
	State      account.InvitationState `json:"state"`
	Email      string                  `json:"email"`
	Evidence   []byte                  `json:"evidence,omitzero"`
	Generation int                     `json:"generation,omitzero"`
	Commitment []byte                  `json:"commitment,omitzero"`
	Sent       time.Time               `json:"sent,omitzero"`
	Expires    time.Time               `json:"expires,omitzero"`
	Reason     string                  `json:"reason,omitzero"`
}

func fromInvitation(i *account.InvitationRow) wireInvitation {
	return wireInvitation{i.UserID, i.Name, i.Language, i.Number, i.State, i.Email, i.Evidence, i.Generation, i.Commitment, i.Sent, i.Expires, i.Reason}
}

func (i *wireInvitation) invitation() account.InvitationRow {
	return account.InvitationRow{
		UserID: i.UserID, Name: i.Name, Language: i.Language, Number: i.Number, State: i.State, Email: i.Email, Evidence: i.Evidence,
		Generation: i.Generation, Commitment: i.Commitment, Sent: i.Sent, Expires: i.Expires, Reason: i.Reason,
	}
}

type wirePending struct {
	Group    string `json:"group"`
	Serial   int    `json:"serial"`
	Evidence []byte `json:"evidence,omitzero"`
}

type wireCandidate struct {
	UserID     string        `json:"userId"`
	Name       string        `json:"name,omitzero"`
	State      account.State `json:"state"`
	Email      string        `json:"email"`
	Number     int           `json:"number,omitzero"`
	Generation int           `json:"generation,omitzero"`
	Keys       wireKeys      `json:"keys"`
	Possession []byte        `json:"possession,omitzero"`
	Proof      []byte        `json:"proof,omitzero"`
	Pending    []wirePending `json:"pending,omitzero"`
}

func fromCandidate(c *account.Candidate) wireCandidate {
	return wireCandidate{
		c.UserID, c.Name, c.State, c.Email, c.Number, c.Generation, bridgeKeys(&c.Keys), c.Possession, c.Proof,
		mapped(c.Pending, func(p *account.PendingMembership) wirePending { return wirePending(*p) }),
	}
}

func (c *wireCandidate) candidate() account.Candidate {
	return account.Candidate{
		UserID: c.UserID, Name: c.Name, State: c.State, Email: c.Email, Number: c.Number, Generation: c.Generation,
		Keys: c.Keys.keys(), Possession: c.Possession, Proof: c.Proof,
		Pending: mapped(c.Pending, func(p *wirePending) account.PendingMembership { return account.PendingMembership(*p) }),
	}
}

type wireDue struct {
	Invitations []wireInvitation `json:"invitations,omitzero"`
	Groups      []wireGroup      `json:"groups,omitzero"`
	People      []wireCandidate  `json:"people,omitzero"`
}

type wireBacklog struct {
	Invitations map[account.InvitationState]int `json:"invitations,omitzero"`
	Unsent      int                             `json:"unsent"`
	Accepted    int                             `json:"accepted"`
	Since       time.Time                       `json:"since,omitzero"`
	Keys        int                             `json:"keys"`
	Groups      int                             `json:"groups"`
	Guard       account.GuardState              `json:"guard"`
}

type wireOpenings struct {
	Openings []wireOpening `json:"openings"`
}

type wireOpened struct {
	Users []string `json:"users"`
}

type wireOpening struct {
	User       string `json:"user"`
	Number     int    `json:"number"`
	Generation int    `json:"generation"`
	Commitment []byte `json:"commitment"`
	Link       string `json:"link,omitzero"`
}

type wireConfirmation struct {
	Number      int         `json:"number,omitzero"`
	Attestation []byte      `json:"attestation,omitzero"`
	Grants      []wireGrant `json:"grants,omitzero"`
	Refused     []string    `json:"refused,omitzero"`
	Withheld    []string    `json:"withheld,omitzero"`
}

type wireNumber struct {
	Number int `json:"number"`
}

type wireRefusal struct {
	Number int    `json:"number"`
	Reason string `json:"reason"`
}

type wireContact struct {
	Version string `json:"version"`
	Client  string `json:"client"`
}

type wireLeaseAsk struct {
	Holder string `json:"holder"`
	Life   int64  `json:"life"` // milliseconds
}

type wireLease struct {
	Number     int64  `json:"number"`
	Holder     string `json:"holder"`
	Generation int    `json:"generation"`
}

type wireHead struct {
	Head    int64        `json:"head"`
	Changes []wireChange `json:"changes,omitempty"`
}

type wireChange struct {
	Number     int64    `json:"number"`
	Users      []string `json:"users,omitempty"`
	Group      string   `json:"group,omitempty"`
	UserNames  bool     `json:"userNames,omitempty"`
	GroupNames bool     `json:"groupNames,omitempty"`
	Everything bool     `json:"everything,omitempty"`
}

// wireProposal is what the holder of a link sends: keys, and what shows that they are his or hers.
type wireProposal struct {
	Public     []byte `json:"public"`
	Sealed     []byte `json:"sealed"`
	SignIn     []byte `json:"signIn"`
	Possession []byte `json:"possession"`
	Proof      []byte `json:"proof"`
}

type wireOwnGroup struct {
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	Attestations [][]byte    `json:"attestations,omitzero"`
	Grants       []wireGrant `json:"grants,omitzero"`
}

type wireOwn struct {
	ID       string         `json:"id"`
	Name     string         `json:"name,omitzero"`
	UserName string         `json:"userName"`
	SignIn   string         `json:"signInName,omitzero"`
	Keys     wireKeys       `json:"keys"`
	Groups   []wireOwnGroup `json:"groups,omitzero"`
}

type wireUserName struct {
	UserName string `json:"userName"`
}

func fromOwn(o *account.Own) wireOwn {
	return wireOwn{o.ID, o.Name, o.UserName, o.SignInName, fromKeys(&o.Keys), mapped(o.Groups, func(g *account.OwnGroup) wireOwnGroup {
		return wireOwnGroup{g.ID, g.Name, g.Attestation, mapped(g.Grants, fromGrant)}
	})}
}

func (o *wireOwn) own() account.Own {
	return account.Own{ID: o.ID, Name: o.Name, UserName: o.UserName, SignInName: o.SignIn, Keys: o.Keys.keys(), Groups: mapped(o.Groups, func(g *wireOwnGroup) account.OwnGroup {
		return account.OwnGroup{ID: g.ID, Name: g.Name, Attestation: g.Attestations, Grants: mapped(g.Grants, (*wireGrant).grant)}
	})}
}

// wireStanding is the account as a person sees it, with what signatures are judged by.
type wireStanding struct {
	Account wireInfo `json:"account"`
	Trust   [][]byte `json:"trust,omitzero"`
}
