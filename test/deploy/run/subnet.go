package run

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"strings"
)

// Subnet is a network of this machine, in which each task has an address of its own, as with ECS' network mode awsvpc.
type Subnet struct {
	Gateway netip.Addr // this machine: where the account service is
	bridge  string
	next    byte
	taken   map[Interface]bool
}

// NewSubnet makes one; it needs root, and ends with Close.
func NewSubnet() (*Subnet, error) {
	const first, last, tries = 16, 255, 20
	var errs []error
	for range tries {
		n := first + rand.IntN(last-first) //nolint:gosec // no secret
		s := &Subnet{Gateway: netip.AddrFrom4([4]byte{10, 213, byte(n), 1}), bridge: fmt.Sprintf("scimbr%d", n), next: 2, taken: map[Interface]bool{}}
		if err := ip("link", "add", s.bridge, "type", "bridge"); err != nil {
			errs = append(errs, err)
			continue
		}
		return s, errors.Join(ip("addr", "add", s.Gateway.String()+"/24", "dev", s.bridge), ip("link", "set", s.bridge, "up"))
	}
	return nil, fmt.Errorf("no network: %w. This needs root, as in CI", errors.Join(errs...))
}

// Close takes the network away, with the interfaces that are left.
func (s *Subnet) Close() error {
	var err error
	for i := range s.taken {
		err = errors.Join(err, s.detach(i))
	}
	return errors.Join(err, ip("link", "del", s.bridge))
}

// Interface is a task's network: its address, and the name of the namespace (ip-netns) where it and nothing else is.
type Interface struct {
	IP        netip.Addr
	Namespace string
}

// attach makes an interface.
func (s *Subnet) attach() (Interface, error) {
	address := s.Gateway.As4()
	address[3] = s.next
	i := Interface{IP: netip.AddrFrom4(address), Namespace: fmt.Sprintf("%s-%d", s.bridge, s.next)}
	s.next++
	s.taken[i] = true
	return i, errors.Join(
		ip("netns", "add", i.Namespace),
		ip("link", "add", i.host(), "type", "veth", "peer", "name", "eth0", "netns", i.Namespace),
		ip("link", "set", i.host(), "master", s.bridge, "up"),
		ip("-n", i.Namespace, "addr", "add", i.IP.String()+"/24", "dev", "eth0"),
		ip("-n", i.Namespace, "link", "set", "eth0", "up"),
		ip("-n", i.Namespace, "link", "set", "lo", "up"),
		ip("-n", i.Namespace, "route", "add", "default", "via", s.Gateway.String()),
	)
}

// detach takes an interface away, both its ends: that in the namespace would stay for as long as a process does.
func (s *Subnet) detach(i Interface) error {
	delete(s.taken, i)
	return errors.Join(ip("link", "del", i.host()), ip("netns", "del", i.Namespace))
}

// host is the end of the interface on this machine.
func (i Interface) host() string { return strings.Replace(i.Namespace, "scimbr", "sb", 1) }

// ip runs a command of iproute2.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s(apt-get install iproute2; make deploy-packages does)", strings.Join(args, " "), err, out)
	}
	return nil
}
