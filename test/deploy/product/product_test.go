package product_test

import (
	"testing"

	"github.com/scimbridge/scimbridge/test/deploy/product"
)

func TestProduct(t *testing.T) {
	t.Parallel()
	root, err := product.Root()
	if err != nil {
		t.Fatal(err)
	}
	ports, err := product.ReadPorts(root)
	if want := (product.Ports{HTTP: 3002, TLS: 8443, Ping: 8080, Account: 3003}); err != nil || ports != want {
		t.Errorf("ports are %+v (%v), want those that the original documents, and 3003: %+v", ports, err, want)
	}
	version, err := product.Version(root)
	if err != nil || version == "" {
		t.Errorf("version %q, %v", version, err)
	}
	s, err := product.ReadSettings(root)
	if err != nil {
		t.Fatal(err)
	}
	for verb, names := range map[string][]string{
		"serve":           {"OP_SESSION", "OP_TLS_DOMAIN", "OP_LETSENCRYPT_DOMAIN", "OP_REDIS_URL", "OP_PING_SERVER"},
		"account serve":   {"OP_ACCOUNT_URL", "OP_DATABASE_URL"},
		"credentials new": {"OP_DATA_DIR"},
		"healthcheck":     {"OP_PORT"},
	} {
		for _, name := range names {
			if !s.Of[verb][name] {
				t.Errorf("scimbridge %s does not take %s", verb, name)
			}
		}
	}
	if s.Of["account serve"]["OP_SESSION"] || s.Of["serve"]["OP_WORKSPACE_SETTINGS"] || !s.Ignored["OP_WORKSPACE_SETTINGS"] || s.Known("OP_TSL_DOMAIN") {
		t.Error("a variable is taken for what it is not")
	}
}
