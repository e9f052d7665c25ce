// Command scimbridge keeps the people and groups of an end-to-end encrypted account equal to those of the
// company's identity provider. Each verb has a file of its own; config.go holds the one table of settings.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once
	os.Exit(run(ctx, environment{
		args: os.Args[1:], env: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: keyset.Redact(os.Stderr),
		terminal: isTerminal(os.Stdout),
	}))
}

// run carries out one command line and returns the exit code: 0 done, 1 not done, 2 misused.
func run(ctx context.Context, e environment) int {
	verb, err := parse(&e)
	if err != nil {
		fmt.Fprintln(e.stderr, "scimbridge:", err)
		return 2
	}
	if verb == nil { // help has been printed
		return 0
	}
	if err := verb.Run(asAdministrator(ctx), &e); err != nil {
		fmt.Fprintln(e.stderr, "scimbridge:", advised(err))
		return 1
	}
	return 0
}
