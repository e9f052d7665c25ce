package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/tracing"
)

// remote makes the way to the account that a scimsession names. Nobody is called yet: the bridge starts whether or not
// the account can be reached, and signs in once it is unlocked.
func remote(session *keyset.Session, lock *bridge.Lock, tracer *tracing.Tracer) (driven, func() error, error) {
	url := session.Header().URL
	if url == "" {
		return nil, nil, errors.New("the scimsession names no account service: its account is served by the bridge itself. Name the account's folder with --data or OP_DATA_DIR")
	}
	r, err := accountapi.NewRemote(accountapi.RemoteConfig{
		URL: url, HTTP: accountapi.HTTPClient(nil, http.ProxyFromEnvironment), Credentials: func() *accountapi.Credentials { return signer(lock) }, Tracer: tracer, Clock: clock,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("the scimsession's account service: %w", err)
	}
	return r, func() error {
		r.Close()
		return nil
	}, nil
}

// signer is who signs in at the account; nil while the bridge is locked.
func signer(lock *bridge.Lock) *accountapi.Credentials {
	s := lock.Secrets()
	if s == nil {
		return nil
	}
	return &accountapi.Credentials{
		Account: s.Account(), Integration: s.Integration(), Generation: s.Generation(),
		Sign: func(c keyset.ChallengeClaim) []byte { return s.Keyset().Sign(c) },
	}
}
