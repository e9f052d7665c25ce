package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listenProblem says what to do about an address that cannot be listened on.
func listenProblem(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w. Another program, or another scimbridge, listens there: stop it, or choose another port with --listen", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w. Ports below 1024 are not for every user: choose a higher one with --listen", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w. This machine has no such address: choose another with --listen; \":3002\" takes all", err)
	}
	return fmt.Errorf("%w. Write address and port with --listen, such as 127.0.0.1:3002, or \":3002\" for all addresses", err)
}

// local is a listener's address as a client on this machine reaches it.
func local(addr net.Addr) string {
	return localAddress(addr.String())
}

func localAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
