package sqlite

import (
	"errors"
	"sync"
)

// pool holds the connections that read and are idle. The one that came back last goes out first, because its page
// cache has what is asked for now; taken in turn, all of them would hold copies of the same pages.
type pool struct {
	free chan struct{} // holds one for each idle connection: whoever takes one out takes a connection

	mu   sync.Mutex
	idle []*conn
}

func newPool() *pool { return &pool{free: make(chan struct{}, readers)} }

// take hands out a connection to who has received from free.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

func (p *pool) put(c *conn) {
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
	p.free <- struct{}{}
}

// close closes those that are idle.
func (p *pool) close() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		err = errors.Join(err, c.close())
	}
	return err
}
