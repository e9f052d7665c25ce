package certificates

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// filesLook is how often the files are looked at: a certificate is replaced days before it ends, and two small files
	// cost nothing to read.
	filesLook = 10 * time.Second
	// filesAgain is when they are looked at again after they did not fit together. Whoever replaces them writes one after
	// the other, so that only what is wrong twice in a row is worth a word.
	filesAgain = time.Second
)

// FilesConfig is what OpenFiles needs.
type FilesConfig struct {
	Cert   string // PEM: the certificate, then those between it and the root
	Key    string // PEM, without a password
	Domain string // that the certificate has to be for; "": any
	Log    *slog.Logger
}

// Files is a certificate in two files. They are read again when their contents change, by whatever means: written in place,
// renamed over, or behind a symbolic link that is turned to another folder, as Kubernetes does.
type Files struct {
	FilesConfig
	look, again time.Duration

	served atomic.Pointer[pair]

	mu      sync.Mutex // guards what follows
	failed  string     // what the last look found wrong
	problem error
}

// pair is a certificate with its key, as read.
type pair struct {
	tls.Certificate
	digest [sha256.Size]byte // of both files
}

// OpenFiles reads the files. Its error says which file is wrong, and how.
func OpenFiles(c FilesConfig) (*Files, error) {
	f := &Files{FilesConfig: c, look: filesLook, again: filesAgain}
	p, err := f.read()
	if err != nil {
		return nil, err
	}
	f.served.Store(p)
	return f, nil
}

// Config is for the listener.
func (f *Files) Config() *tls.Config {
	return config(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &f.served.Load().Certificate, nil })
}

// State tells what is served.
func (f *Files) State() State {
	leaf := f.served.Load().Leaf
	f.mu.Lock()
	defer f.mu.Unlock()
	return State{leaf.NotBefore, leaf.NotAfter, f.problem}
}

// Run looks at the files until ctx ends.
func (f *Files) Run(ctx context.Context) {
	for next := f.look; wait(ctx, next); {
		next = f.look
		if !f.refresh() {
			next = f.again
		}
	}
}

// refresh takes over what has changed, and tells whether the files are right.
func (f *Files) refresh() bool {
	p, err := f.read()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if again := err.Error() == f.failed; again && (f.problem == nil || f.problem.Error() != f.failed) {
			f.problem = err
			f.Log.Warn("the certificate's files are not right, and the certificate before them stays", "error", err)
		}
		f.failed = err.Error()
		return false
	}
	f.failed, f.problem = "", nil
	if p.digest != f.served.Load().digest {
		f.served.Store(p)
		f.Log.Info("certificate read anew", "file", f.Cert, "names", p.Leaf.DNSNames, "expires", p.Leaf.NotAfter)
	}
	return true
}

// read reads both files.
func (f *Files) read() (*pair, error) {
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, fmt.Errorf("the certificate: %w", err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, fmt.Errorf("its private key: %w", err)
	}
	p := &pair{digest: sha256.Sum256(bytes.Join([][]byte{cert, key}, []byte{0}))}
	if now := f.served.Load(); now != nil && now.digest == p.digest {
		return now, nil
	}
	if bytes.Contains(key, []byte("ENCRYPTED")) {
		return nil, fmt.Errorf("the private key %s is protected by a password. Write it without one", f.Key)
	}
	if p.Certificate, err = tls.X509KeyPair(cert, key); err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate and its private key in PEM (%s). The certificate itself comes first in its file, then those between it and the root",
			f.Cert, f.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return p, f.names(p.Leaf)
}

// names tells whether the certificate is for the domain.
func (f *Files) names(leaf *x509.Certificate) error {
	if f.Domain == "" || leaf.VerifyHostname(f.Domain) == nil {
		return nil
	}
	if len(leaf.DNSNames) == 0 && strings.EqualFold(leaf.Subject.CommonName, f.Domain) {
		return nil // it is old-fashioned, and who takes it is the clients' choice
	}
	names := strings.Join(leaf.DNSNames, ", ")
	if names == "" {
		names = leaf.Subject.CommonName
	}
	if names == "" {
		return errors.New("the certificate in " + f.Cert + " names no domain, and " + f.Domain + " is wanted")
	}
	return fmt.Errorf("the certificate in %s is for %s and not for %s. Put one for %s there, or name the other domain", f.Cert, names, f.Domain, f.Domain)
}
