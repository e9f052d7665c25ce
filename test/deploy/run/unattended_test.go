package run_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/test/deploy/run"
)

// unattended runs the variant with unlock_token_secret_arn, twice: the second bridge confirms somebody who has joined while
// there was none, and no request with the token ever reaches it.
func (s *site) unattended() {
	s.t.Helper()
	s.Say("a start that needs nobody: unlock_token_secret_arn is set")
	_, err := s.Deploy(s.t.Context(), s.unlocked)
	must(s.t, err)
	s.startsUnlocked()
	s.tokenIsTheBridges()

	const waiting = "waiting@example.com"
	code, text := s.ask(http.MethodPost, "/scim/v2/Users", s.account.token, strings.NewReader(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],
		"userName":"`+waiting+`","name":{"givenName":"Wai","familyName":"Ting"},"emails":[{"value":"`+waiting+`","primary":true}],"active":true}`))
	if code != http.StatusCreated {
		s.t.Fatalf("somebody is made: %d %s", code, text)
	}
	link := s.account.link(waiting)
	if routes := s.routes(); !slices.Contains(routes, "/Users") {
		s.t.Errorf("the bridge's log shows requests for %q, want /Users among them", routes)
	}
	s.stopsAll()
	s.account.joins(waiting, link)
	before := s.account.state(waiting)
	s.Say("         %s has joined while no bridge runs, and is %s", waiting, before)

	_, err = s.Deploy(s.t.Context(), s.unlocked)
	must(s.t, err)
	comes(s.t, "somebody is confirmed", func() error {
		if state := s.account.state(waiting); state != "ACTIVE" {
			return fmt.Errorf("%s is %s:\n%s", waiting, state, s.Task.Log(s.t.Context(), bridge))
		}
		return nil
	})
	if before != "ACCEPTED" {
		s.t.Errorf("%s was %s before any bridge could confirm", waiting, before)
	}
	if routes := s.routes(); slices.ContainsFunc(routes, func(r string) bool { return r != "/app" && r != "/ready" }) {
		s.t.Errorf("the bridge was asked for %q, want nothing that takes a token", routes)
	}
	s.Say("         and ACTIVE now, by a bridge that no request with the token has reached")
	s.streams()
	s.t.Run("unattended: mutations", func(t *testing.T) { unattendedMutations(t, s) })
	s.stopsAll()
}

// startsUnlocked waits until the bridge is ready, without a token in any request.
func (s *site) startsUnlocked() {
	s.t.Helper()
	comes(s.t, "the bridge's state", func() error {
		if state := s.state(); state != "ready" {
			return fmt.Errorf("the bridge is %s", state)
		}
		return nil
	})
	comes(s.t, "the bridge's watchers", func() error {
		if log := s.Task.Log(s.t.Context(), bridge); !strings.Contains(log, `"this replica makes links and confirms people"`) {
			return fmt.Errorf("nobody watches:\n%s", log)
		}
		return nil
	})
	s.Say("         the bridge is ready, and its watchers run: nobody has sent the token")
}

// tokenIsTheBridges holds that the token is in a file of its own user, which the bridge cannot write, and in nobody else's
// sight.
func (s *site) tokenIsTheBridges() {
	s.t.Helper()
	for _, name := range []string{bridge, "redis"} {
		for _, p := range s.Task.Verify(s.t.Context(), s.unlocked.Container(name)) {
			s.t.Error(p)
		}
	}
	info, err := os.Stat(filepath.Join(s.Task.Volume("unlock"), "token"))
	must(s.t, err)
	owner := info.Sys().(*syscall.Stat_t)
	if owner.Uid != 999 || owner.Gid != 1000 || info.Mode() != 0o600 {
		s.t.Errorf("the token's file is %s of %d:%d, want -rw------- of 999:1000", info.Mode(), owner.Uid, owner.Gid)
	}
	s.Say("         the token is in a file %s of %d:%d, in a volume that the bridge alone has, read-only; it is in no environment of those that run", info.Mode(), owner.Uid, owner.Gid)
	for want, change := range map[string]func(c *run.Container){
		"that /run/unlock is read-only is true, want false": func(c *run.Container) { c.MountPoints[0].ReadOnly = false },
		"no volume is at /run/elsewhere":                    func(c *run.Container) { c.MountPoints[0].Path = "/run/elsewhere" },
	} {
		d := s.unlocked.Clone()
		c := d.Container(bridge)
		change(c)
		if problems := s.Task.Verify(s.t.Context(), c); len(problems) != 1 || !strings.Contains(problems[0], want) {
			s.t.Errorf("complaints %q, want one: %s", problems, want)
		}
	}
}

// routes are those of the requests that the bridge has logged.
func (s *site) routes() (list []string) {
	s.t.Helper()
	for line := range strings.Lines(s.Task.Log(s.t.Context(), bridge)) {
		var l struct{ Message, Route string }
		must(s.t, json.Unmarshal([]byte(line), &l))
		if l.Message == "request" {
			list = append(list, l.Route)
		}
	}
	return list
}

// stopsAll ends the task that runs, and leaves none.
func (s *site) stopsAll() {
	s.t.Helper()
	s.Deregister(s.Task)
	stopped, err := s.Task.Stop(s.t.Context())
	must(s.t, err)
	for _, c := range stopped {
		if c.Code != 0 {
			s.t.Errorf("%s ended with %d", c.Name, c.Code)
		}
	}
	must(s.t, s.Task.Remove())
	s.Task = nil
}

// unattendedMutations break the start that needs nobody: each says what is wrong, and none passes for unlocked.
func unattendedMutations(t *testing.T, s *site) {
	const other = "arn:aws:secretsmanager:us-east-1:123456789012:secret:other"
	token, err := keyset.NewToken(rand.Reader)
	must(t, err)
	s.secrets[other] = token.Reveal()
	for _, m := range []struct {
		name, want string
		change     func(d *run.Definition)
	}{
		{"another account's token", "OP_UNLOCK_TOKEN_FILE: the token in it is not the one of this scimsession", func(d *run.Definition) { d.Container("unlock").Secrets[0].ValueFrom = other }},
		{"a secret that is not there", "unable to pull secrets: TOKEN of unlock", func(d *run.Definition) { d.Container("unlock").Secrets[0].ValueFrom = "arn:none" }},
		{"a file that nobody writes", "OP_UNLOCK_TOKEN_FILE: open /run/unlock/token: no such file or directory", func(d *run.Definition) { d.Container("unlock").Command = []string{"true"} }},
		{"an empty file", "/run/unlock/token is empty", func(d *run.Definition) { d.Container("unlock").Command = []string{": > /data/token"} }},
		{"a volume that the image does not declare, which is root's", "failed to resolve container ordering dependency [unlock] for target [op_scim_bridge]", func(d *run.Definition) {
			c := d.Container("unlock")
			c.MountPoints[0].Path, c.Command[0] = "/out", strings.Replace(c.Command[0], "/data", "/out", 1)
		}},
		{"a bridge that is somebody else", "OP_UNLOCK_TOKEN_FILE: open /run/unlock/token: permission denied", func(d *run.Definition) { d.Container(bridge).User = "998:998" }},
		{"a bridge that does not wait for the end", "OP_UNLOCK_TOKEN_FILE", func(d *run.Definition) {
			c := d.Container(bridge)
			c.DependsOn = slices.DeleteFunc(c.DependsOn, func(dep run.Dependency) bool { return dep.Container == "unlock" })
			d.Container("unlock").DependsOn = []run.Dependency{{Container: bridge, Condition: "START"}}
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			d := s.unlocked.Clone()
			m.change(&d)
			broken := &run.Service{Cluster: s.Cluster, Balancer: s.Balancer}
			if _, err := broken.Deploy(t.Context(), d); err == nil || !strings.Contains(err.Error(), m.want) {
				t.Errorf("error %v, want %q", err, m.want)
			}
		})
	}
	t.Run("a bridge that is not told of the file", func(t *testing.T) {
		d := s.unlocked.Clone()
		c := d.Container(bridge)
		c.Environment = slices.DeleteFunc(c.Environment, func(v run.Variable) bool { return v.Name == "OP_UNLOCK_TOKEN_FILE" })
		before := s.Task
		_, err := s.Deploy(t.Context(), d)
		must(t, err)
		must(t, before.Remove())
		if state := s.state(); state != "locked" {
			t.Errorf("it is %s, want locked", state)
		}
	})
}
