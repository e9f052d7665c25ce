package main

import (
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/test/program"
)

const (
	burst      = 200 // people who accept at the same moment
	crewGroups = 5   // groups that everybody is in
	crowd      = 50_000
)

// apart is a bridge and an account service as processes of their own, over TLS.
type apart struct {
	dir             string
	certs           program.Certificates
	account, bridge *exec.Cmd
	bridgeAddress   string
	url             string
	scim            *site // what speaks to the bridge
	admin           *accountapi.Client
	groups          []string
	ids             []string
	keys            []*keyset.Keyset
}

// admission measures how people are admitted, and prints it as Markdown.
func admission(ctx context.Context, dir string, people int, w io.Writer) error {
	a := &apart{dir: dir}
	defer a.stop()
	if err := a.start(ctx); err != nil {
		return err
	}
	if err := a.provision(people); err != nil {
		return err
	}
	links, err := a.links(ctx)
	if err != nil {
		return err
	}
	p50, p99, err := a.together(ctx, links[:burst])
	if err != nil {
		return err
	}
	elapsed, cpu, err := a.backlog(ctx, links[burst:])
	if err != nil {
		return err
	}
	seal, parse, err := bareGrant()
	if err != nil {
		return err
	}
	grants := (people - burst) * crewGroups
	each := cpu / time.Duration(grants)
	fmt.Fprintf(w, "%s; bridge and account service as two processes over TLS, account in SQLite.\n\n", machine())
	fmt.Fprintln(w, "| what | figure | asked |\n| --- | ---: | --- |")
	fmt.Fprintf(w, "| accepted → confirmed, %d people at once, p50 | %d ms | |\n| … p99 | %d ms | < 2 s |\n", burst, p50.Milliseconds(), p99.Milliseconds())
	fmt.Fprintf(w, "| %d people waiting, %d groups each: confirmed per second | %.0f | |\n", people-burst, crewGroups, float64(people-burst)/elapsed.Seconds())
	fmt.Fprintf(w, "| … bridge's CPU per grant | %.3f ms | |\n", each.Seconds()*1000)
	fmt.Fprintf(w, "| … floor: HPKE seal to a key as it is stored, Ed25519 signature (`BenchmarkFloor`) | %.3f ms | |\n| … floor ÷ ours | %.2f | ≥ 0.6 |\n",
		(parse+seal).Seconds()*1000, float64(parse+seal)/float64(each))
	fmt.Fprintf(w, "| … floor without reading the stored key, as the bridge does once for %d grants | %.3f ms | |\n| … that floor ÷ ours | %.2f | |\n",
		crewGroups, seal.Seconds()*1000, float64(seal)/float64(each))
	if err := a.oneOfMany(ctx, w); err != nil {
		return err
	}
	return a.rotate(ctx, w)
}

func (a *apart) start(ctx context.Context) error {
	var err error
	if a.certs, err = program.MakeCertificates(a.dir); err != nil {
		return err
	}
	address, err := program.Address()
	if err != nil {
		return err
	}
	a.url = "https://" + address
	if a.bridgeAddress, err = program.Address(); err != nil {
		return err
	}
	password := filepath.Join(a.dir, "password")
	if err := os.WriteFile(password, []byte("the owner's password\n"), 0o600); err != nil {
		return err
	}
	if out, err := exec.Command("bin/scimbridge", "credentials", "new", "--data", a.dir, "--owner", "owner@example.com", "--kit", filepath.Join(a.dir, "kit"),
		"--password-file", password, "--url", a.url, "--out", filepath.Join(a.dir, "session"), "--token-file", filepath.Join(a.dir, "secret")).CombinedOutput(); err != nil {
		return fmt.Errorf("credentials: %w\n%s", err, out)
	}
	if _, a.account, err = start("bin/scimbridge", "account", "serve", "--data", a.dir, "--listen", address, "--tls-cert-file", a.certs.Cert, "--tls-key-file", a.certs.Key, "--public-url", a.url, "--json"); err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(a.dir, "secret"))
	if err != nil {
		return err
	}
	a.scim = &site{scim: "http://" + a.bridgeAddress + "/scim/v2", token: strings.TrimSpace(string(token)), http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 2 * clients}, Timeout: time.Minute,
	}}
	if a.admin, err = accountapi.Dial(ctx, filepath.Join(a.dir, "admin.sock")); err != nil {
		return err
	}
	return a.startBridge()
}

// startBridge starts the bridge, unlocked, and waits until it answers.
func (a *apart) startBridge() error {
	a.bridge = exec.Command("bin/scimbridge", "serve", "--listen", a.bridgeAddress)
	a.bridge.Env = append(os.Environ(), "SSL_CERT_FILE="+a.certs.CA, "OP_SESSION="+filepath.Join(a.dir, "session"), "OP_UNLOCK_TOKEN_FILE="+filepath.Join(a.dir, "secret"))
	if err := a.bridge.Start(); err != nil {
		return err
	}
	return wait("the bridge", func() (bool, error) {
		_, err := a.scim.do("GET", a.scim.scim+"/Users?count=1", "")
		return err == nil, nil
	})
}

func (a *apart) stop() {
	for _, c := range []*exec.Cmd{a.bridge, a.account} {
		if c != nil && c.Process != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
}

// wait looks until a condition holds.
func wait(what string, holds func() (bool, error)) error {
	const patience = 10 * time.Minute
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if ok, err := holds(); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("%s did not come about", what)
}

// provision makes people and groups through SCIM.
func (a *apart) provision(people int) error {
	progress("provisioning %d people", people)
	a.ids = make([]string, people)
	if err := parallel(people, func(i int) error {
		text, err := a.scim.do("POST", a.scim.scim+"/Users", person(i))
		if err == nil {
			a.ids[i], err = idOf(text)
		}
		return err
	}); err != nil {
		return err
	}
	for g := range crewGroups {
		progress("making group %d", g+1)
		id, err := a.makeGroup(fmt.Sprintf("crew %d", g), a.ids)
		if err != nil {
			return err
		}
		a.groups = append(a.groups, id)
	}
	return nil
}

func (a *apart) makeGroup(name string, ids []string) (string, error) {
	var members strings.Builder
	for i, id := range ids {
		if i > 0 {
			members.WriteByte(',')
		}
		fmt.Fprintf(&members, `{"value":%q}`, id)
	}
	text, err := a.scim.do("POST", a.scim.scim+"/Groups?attributes=id", fmt.Sprintf(`{"displayName":%q,"members":[%s]}`, name, members.String()))
	if err != nil {
		return "", err
	}
	return idOf(text)
}

func idOf(text []byte) (string, error) {
	var r struct{ ID string }
	err := json.Unmarshal(text, &r)
	return r.ID, err
}

// links waits for everybody's link, and makes everybody's keys before any clock starts.
func (a *apart) links(ctx context.Context) ([]keyset.Invitation, error) {
	byUser := map[string]keyset.Invitation{}
	if err := wait("the invitations", func() (bool, error) {
		list, err := a.admin.Outbox(ctx, len(a.ids)+1)
		if err != nil || len(list) < len(a.ids) {
			progress("waiting for invitations: %d of %d", len(list), len(a.ids))
			return false, err
		}
		for _, row := range list {
			_, i, err := keyset.ParseLink(row.Link)
			if err != nil {
				return false, err
			}
			byUser[row.UserID] = i
		}
		return true, nil
	}); err != nil {
		return nil, err
	}
	links := make([]keyset.Invitation, len(a.ids))
	a.keys = make([]*keyset.Keyset, len(a.ids))
	for i, id := range a.ids {
		links[i] = byUser[id]
		seed, err := keyset.NewSeed(rand.Reader)
		if err != nil {
			return nil, err
		}
		if a.keys[i], err = seed.Keyset(); err != nil {
			return nil, err
		}
	}
	return links, nil
}

// accept accepts invitations, so many at once.
func (a *apart) accept(ctx context.Context, links []keyset.Invitation, first, width int) error {
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(a.certs.CA)
	if err != nil {
		return err
	}
	pool.AppendCertsFromPEM(pem)
	client, err := accountapi.NewPerson(accountapi.PersonConfig{URL: a.url, HTTP: accountapi.HTTPClient(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil)})
	if err != nil {
		return err
	}
	defer client.Close()
	info, err := a.admin.Describe(ctx)
	if err != nil {
		return err
	}
	proposals := make([]account.Proposal, len(links))
	for i := range links {
		public, email := a.keys[first+i].Public(), userName(first+i)
		proof := links[i].Proof(email, public)
		proposals[i] = account.Proposal{
			Keys:       account.PersonKeys{Public: public.Bytes(), Sealed: []byte("sealed"), SignIn: make([]byte, len(keyset.Signer{}))},
			Possession: a.keys[first+i].Sign(keyset.PossessionClaim{Account: info.ID, User: links[i].User(), Email: email, Number: links[i].Number(), Public: public}), Proof: proof[:],
		}
	}
	return parallelBy(width, len(links), func(i int) error { return client.Accept(ctx, links[i], proposals[i]) })
}

// moments are when people accepted and were confirmed, by the account's log.
func (a *apart) moments(ctx context.Context) (accepted, confirmed map[string]time.Time, err error) {
	accepted, confirmed = map[string]time.Time{}, map[string]time.Time{}
	for after := int64(0); ; {
		const page = 1000
		list, err := a.admin.Activity(ctx, after, page)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range list {
			after = e.Number
			switch e.Verb {
			case "user.accept":
				accepted[e.ObjectID] = e.Time
			case "user.confirm":
				confirmed[e.ObjectID] = e.Time
			}
		}
		if len(list) < page {
			return accepted, confirmed, nil
		}
	}
}

// active waits until so many people are in.
func (a *apart) active(ctx context.Context, people int) error {
	return wait("the confirmations", func() (bool, error) {
		list, err := a.admin.Invitations(ctx, []account.InvitationState{account.InvitationAccepted}, "", 1)
		if err != nil || len(list) > 0 {
			return false, err
		}
		_, confirmed, err := a.moments(ctx)
		return len(confirmed) >= people, err
	})
}

// together lets people accept at the same moment, and tells how long they waited.
func (a *apart) together(ctx context.Context, links []keyset.Invitation) (p50, p99 time.Duration, err error) {
	progress("%d people accept at once", len(links))
	if err := errors.Join(a.accept(ctx, links, 0, len(links)), a.active(ctx, len(links))); err != nil {
		return 0, 0, err
	}
	accepted, confirmed, err := a.moments(ctx)
	if err != nil {
		return 0, 0, err
	}
	var waits []time.Duration
	for id, at := range accepted {
		waits = append(waits, confirmed[id].Sub(at))
	}
	slices.Sort(waits)
	return waits[len(waits)/2], waits[len(waits)*99/100], nil
}

// backlog lets people accept while the bridge stands still, and then measures how it catches up.
func (a *apart) backlog(ctx context.Context, links []keyset.Invitation) (elapsed, cpu time.Duration, err error) {
	progress("%d people accept while the bridge stands still", len(links))
	pid := a.bridge.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return 0, 0, err
	}
	if err := a.accept(ctx, links, burst, clients); err != nil {
		return 0, 0, err
	}
	progress("the bridge catches up")
	before, began := cpuTime(pid), time.Now()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		return 0, 0, err
	}
	err = a.active(ctx, burst+len(links))
	return time.Since(began), cpuTime(pid) - before, err
}

// bareGrant is the CPU of what no grant that is made by itself can do without: sealing and signing, and before that reading the recipient's key as
// it is stored.
func bareGrant() (seal, parse time.Duration, err error) {
	private, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return 0, 0, err
	}
	public := private.PublicKey()
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, 0, err
	}
	const times = 20_000
	seed, info, stored := make([]byte, 32), make([]byte, 64), public.Bytes()
	before := cpuTime(os.Getpid())
	for range times {
		sealed, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES256GCM(), info, seed)
		if err != nil {
			return 0, 0, err
		}
		ed25519.Sign(signer, sealed)
	}
	between := cpuTime(os.Getpid())
	for range times {
		if _, err := hpke.MLKEM768X25519().NewPublicKey(stored); err != nil {
			return 0, 0, err
		}
	}
	return (between - before) / times, (cpuTime(os.Getpid()) - between) / times, nil
}

// oneOfMany puts one person into a group of many, and counts the grants that come of it.
func (a *apart) oneOfMany(ctx context.Context, w io.Writer) error {
	joins, members := a.ids[0], slices.Clone(a.ids[1:])
	progress("a group of %d", crowd)
	more := make([]string, max(crowd-1-len(members), 0)) // invited only, as most are in a large group's first days
	if err := parallel(len(more), func(i int) error {
		text, err := a.scim.do("POST", a.scim.scim+"/Users", person(len(a.ids)+i))
		if err == nil {
			more[i], err = idOf(text)
		}
		return err
	}); err != nil {
		return err
	}
	group, err := a.makeGroup("crowd", append(members, more...))
	if err != nil {
		return err
	}
	holds := func(id string) (bool, error) {
		list, err := a.admin.GrantsOf(ctx, group, account.Holder{Kind: account.UserHolder, ID: id, Serial: 1})
		return len(list) > 0, err
	}
	for _, id := range a.ids[1:] {
		if err := wait("the grants of the crowd", func() (bool, error) { return holds(id) }); err != nil {
			return err
		}
	}
	if err := wait("the links of the crowd", func() (bool, error) {
		list, err := a.admin.Invitations(ctx, []account.InvitationState{account.InvitationDue}, "", 1)
		return len(list) == 0, err
	}); err != nil {
		return err
	}
	log, err := a.admin.Verify(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := a.scim.do("PATCH", a.scim.scim+"/Groups/"+group, fmt.Sprintf(`{"Operations":[{"op":"add","path":"members","value":[{"value":%q}]}]}`, joins)); err != nil {
		return err
	}
	if err := wait("the grant", func() (bool, error) { return holds(joins) }); err != nil {
		return err
	}
	took := time.Since(began)
	grants := 0
	entries, err := a.admin.Activity(ctx, log.Entries, crowd)
	for _, e := range entries {
		if e.Verb == "group.grant" || e.Verb == "group.key" {
			grants++
		}
	}
	fmt.Fprintf(w, "| one person joins a group of %d: grants that are made | %d | 1 |\n| … until the person has it | %d ms | |\n", crowd, grants, took.Milliseconds())
	return err
}

// rotate removes somebody from a group whose policy asks for a new key then, and kills the bridge in the middle.
func (a *apart) rotate(ctx context.Context, w io.Writer) error {
	progress("a new key for a group of %d", len(a.ids))
	if err := a.admin.SetPolicy(ctx, account.Policy{RotateOnRemove: true}); err != nil {
		return err
	}
	began := time.Now()
	if _, err := a.scim.do("PATCH", a.scim.scim+"/Groups/"+a.groups[0], fmt.Sprintf(`{"Operations":[{"op":"remove","path":"members[value eq \"%s\"]"}]}`, a.ids[0])); err != nil {
		return err
	}
	has := func(i int) (bool, error) {
		list, err := a.admin.GrantsOf(ctx, a.groups[0], account.Holder{Kind: account.UserHolder, ID: a.ids[i], Serial: 1})
		return len(list) > 0 && list[len(list)-1].Serial == 2, err
	}
	if err := wait("half of the new grants", func() (bool, error) { return has(len(a.ids) / 2) }); err != nil {
		return err
	}
	_ = a.bridge.Process.Kill()
	_ = a.bridge.Wait()
	both, err := a.admin.GrantsOf(ctx, a.groups[0], account.Holder{Kind: account.UserHolder, ID: a.ids[1], Serial: 1})
	if err != nil {
		return err
	}
	if err := a.startBridge(); err != nil {
		return err
	}
	for i := 1; i < len(a.ids); i++ {
		if err := wait("the new grants", func() (bool, error) { return has(i) }); err != nil {
			return err
		}
	}
	took := time.Since(began)
	after, err := a.admin.GrantsOf(ctx, a.groups[0], account.Holder{Kind: account.UserHolder, ID: a.ids[1], Serial: 1})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "| a new key for a group of %d, the bridge killed half-way and started again | %.1f s | |\n", len(a.ids)-1, took.Seconds())
	fmt.Fprintf(w, "| … keys that a member could open meanwhile, and afterwards | %d, %d | 2, 1 |\n", len(both), len(after))
	return nil
}
