package program

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Address returns an address on this machine that nobody listens on. Its port is below those that systems give to
// outgoing connections, so that it stays free while a process that listens there is being replaced.
func Address() (string, error) {
	const first, last, tries = 20_000, 30_000, 100
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first)) //nolint:gosec // not a secret
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port is free")
}
