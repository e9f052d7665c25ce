package main

import (
	"fmt"
	"os"

	"github.com/scimbridge/scimbridge/scim/schema"
)

// resourceTypes are the standard ones with the extensions that a file declares.
func resourceTypes(file string) (*schema.Set, error) {
	types := schema.Standard()
	if file == "" {
		return types, nil
	}
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("OP_EXTENSIONS_FILE: %w", err)
	}
	if types, err = schema.LoadExtensions(types, doc); err != nil {
		return nil, fmt.Errorf("OP_EXTENSIONS_FILE: %s: %w", file, err)
	}
	return types, nil
}
