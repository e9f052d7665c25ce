package main

import (
	"os"
	"testing"
)

// TestTokenBeside: what dev keeps in its folder is changed for the account in that folder only.
func TestTokenBeside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{tokenPath(dir), devKitPath(dir), devPasswordPath(dir)} {
		if err := os.WriteFile(path, []byte("of dev"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here, elsewhere := credentialsNewVerb{}, credentialsNewVerb{databaseSettings: databaseSettings{DatabaseURL: "postgres:///accounts"}}
	if got := here.tokenFiles(dir); len(got) != 1 || here.kit(dir).Kit == "" {
		t.Errorf("in the folder: token to %v, kit %q", got, here.kit(dir).Kit)
	}
	if got := elsewhere.tokenFiles(dir); len(got) != 0 || elsewhere.kit(dir).Kit != "" {
		t.Errorf("in a database: token to %v, kit %q", got, elsewhere.kit(dir).Kit)
	}
}
