package fault_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// trouble is what is wrong with a link.
type trouble struct {
	cut   bool          // connections are reset, and so are new ones
	hole  bool          // nothing passes; what was sent passes when the trouble is over, as TCP sends it again
	delay time.Duration // each way
	of    int           // the process whose connections have it; 0: all
}

// link is the way from some parts to another one: a TCP proxy that can be cut, silenced and slowed down.
type link struct {
	listener net.Listener
	to       func() (net.Conn, error)
	pids     func() []int // whose connections are told apart; nil: nobody's
	work     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	trouble trouble
	changed chan struct{} // closed when trouble changes
	pairs   map[*pair]bool
	closed  bool
}

// pair is a connection and what it leads to.
type pair struct {
	client, server net.Conn
	pid            int
	once           sync.Once
	done           chan struct{}
}

func openLink(t *testing.T, to func() (net.Conn, error), pids func() []int) *link {
	t.Helper()
	l := &link{to: to, pids: pids, changed: make(chan struct{}), pairs: map[*pair]bool{}}
	var err error
	l.listener, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l.work.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

// set makes trouble, or ends it with the zero value.
func (l *link) set(tr trouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = tr
	close(l.changed)
	l.changed = make(chan struct{})
	for p := range l.pairs {
		if tr.cut && tr.hits(p.pid) {
			p.reset()
		}
	}
}

func (tr trouble) hits(pid int) bool { return tr.of == 0 || tr.of == pid }

// now is the trouble of a process, and a channel that is closed when it changes.
func (l *link) now(pid int) (trouble, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.trouble.hits(pid) {
		return trouble{}, l.changed
	}
	return l.trouble, l.changed
}

func (l *link) close() {
	_ = l.listener.Close()
	l.mu.Lock()
	l.closed, l.trouble = true, trouble{}
	close(l.changed)
	l.changed = make(chan struct{})
	for p := range l.pairs {
		p.reset()
	}
	l.mu.Unlock()
	l.work.Wait()
}

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.work.Go(func() { l.serve(client) })
	}
}

func (l *link) serve(client net.Conn) {
	p := &pair{client: client, done: make(chan struct{})}
	if l.pids != nil {
		p.pid = ownerOf(client, l.pids())
	}
	if tr, _ := l.now(p.pid); tr.cut {
		reset(client)
		return
	}
	var err error
	if p.server, err = l.to(); err != nil {
		reset(client)
		return
	}
	if !l.keep(p) {
		return
	}
	var g sync.WaitGroup
	g.Go(func() { l.pipe(p, p.server, p.client) })
	g.Go(func() { l.pipe(p, p.client, p.server) })
	g.Wait()
	_ = p.client.Close()
	_ = p.server.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs, p)
}

func (l *link) keep(p *pair) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.trouble.cut && l.trouble.hits(p.pid) {
		p.reset()
		return false
	}
	l.pairs[p] = true
	return true
}

// parcel is what was sent at once, and when it may arrive at the earliest.
type parcel struct {
	data []byte
	due  time.Time
}

// pipe carries what one side sends to the other.
func (l *link) pipe(p *pair, to, from net.Conn) {
	const underWay, size = 256, 64 << 10 // parcels, bytes of each
	parcels := make(chan parcel, underWay)
	var g sync.WaitGroup
	g.Go(func() {
		for c := range parcels {
			if !l.pass(p, c.due) {
				continue
			}
			if _, err := to.Write(c.data); err != nil {
				p.reset()
			}
		}
		if half, ok := to.(interface{ CloseWrite() error }); ok && l.pass(p, time.Time{}) {
			_ = half.CloseWrite() // it may be gone
		}
	})
	for {
		data := make([]byte, size)
		n, err := from.Read(data)
		if n > 0 {
			tr, _ := l.now(p.pid)
			select {
			case parcels <- parcel{data[:n], time.Now().Add(tr.delay)}:
			case <-p.done:
			}
		}
		if err != nil {
			if err != io.EOF { //nolint:errorlint // readers return it as it is
				p.reset()
			}
			break
		}
	}
	close(parcels)
	g.Wait()
}

// pass waits until a parcel may arrive; false: the connection is gone.
func (l *link) pass(p *pair, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.done:
		return false
	}
	for {
		tr, changed := l.now(p.pid)
		if !tr.hole {
			return true
		}
		select {
		case <-changed:
		case <-p.done:
			return false
		}
	}
}

func (p *pair) reset() {
	p.once.Do(func() {
		close(p.done)
		reset(p.client)
		reset(p.server)
	})
}

// reset closes a connection as a failing machine does.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// ownerOf is the process that has the other end of a connection on this machine; 0: none of them.
func ownerOf(c net.Conn, pids []int) int {
	const tries = 10 // the kernel's list leaves out a socket now and then, while others come and go
	for range tries {
		inode := inodeOf(c.RemoteAddr(), c.LocalAddr())
		for _, pid := range pids {
			files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
			for _, f := range files {
				if to, err := os.Readlink(f); err == nil && inode != "" && to == "socket:["+inode+"]" {
					return pid
				}
			}
		}
	}
	return 0
}

// inodeOf is the number of the socket on 127.0.0.1 that leads from one address to another.
func inodeOf(from, to net.Addr) string {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return ""
	}
	defer f.Close()                                                                               //nolint:errcheck // read only
	hex := func(a net.Addr) string { return fmt.Sprintf("0100007F:%04X", a.(*net.TCPAddr).Port) } //nolint:forcetypeassert // it is TCP
	for lines := bufio.NewScanner(f); lines.Scan(); {
		const inode = 9
		if words := strings.Fields(lines.Text()); len(words) > inode && words[1] == hex(from) && words[2] == hex(to) {
			return words[inode]
		}
	}
	return ""
}

// TestLink holds the proxy to what the faults take for granted.
func TestLink(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = echo.Close() })
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	l := openLink(t, func() (net.Conn, error) { return net.Dial("tcp", echo.Addr().String()) }, func() []int { return []int{os.Getpid()} })
	say := func(c net.Conn, patience time.Duration) error {
		must(t, c.SetDeadline(time.Now().Add(patience)))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := c.Read(make([]byte, 1))
		return err
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.address())
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	const patience, short = 20 * time.Second, 50 * time.Millisecond
	c := dial()
	must(t, say(c, patience))
	for _, of := range []int{os.Getpid(), 0} {
		l.set(trouble{hole: true, of: of})
		if err := say(c, short); !os.IsTimeout(err) {
			t.Errorf("through a hole: %v", err)
		}
		l.set(trouble{})
		must(t, c.SetDeadline(time.Now().Add(patience)))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("what was sent into the hole does not arrive: %v", err)
		}
	}
	l.set(trouble{hole: true, of: 1})
	if err := say(c, patience); err != nil {
		t.Errorf("the hole is another's: %v", err)
	}
	begin := time.Now()
	l.set(trouble{delay: short})
	must(t, say(c, patience))
	if took := time.Since(begin); took < 2*short {
		t.Errorf("there and back with a delay of %s took %s", short, took)
	}
	l.set(trouble{cut: true})
	if say(c, patience) == nil {
		t.Error("the link is not cut")
	}
	if c, err := net.Dial("tcp", l.address()); err == nil { // it may be cut while it is being made, too
		if say(c, patience) == nil {
			t.Error("the link can be made")
		}
		_ = c.Close()
	}
	l.set(trouble{})
	must(t, say(dial(), patience))
}
