package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// configurationPage is docs/configuration.md, made from the table of settings. A test fails when the file is stale.
func configurationPage() (string, error) {
	parser, err := newParser(&commandLine{}, &environment{})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(`# Configuration

Made from the one table of settings in [` + "`cmd/scimbridge/config.go`" + `](../cmd/scimbridge/config.go); do not edit (` + "`make docs`" + ` writes it anew).

A flag wins over its variable, and a variable over the default. A variable that is empty counts as not set. Switches take 0, 1, true and
false. An ` + "`OP_*`" + ` variable that is no setting is reported in the log at the start, with the nearest name that is one. Secrets are never
settings themselves: they are named by file; ` + "`OP_SESSION`" + ` may hold its contents, sealed, and ` + "`OP_REDIS_URL`, `OP_REDIS_PASSWORD`" + ` and
` + "`OP_DATABASE_URL`" + ` a password.
`)
	for _, verb := range parser.Model.Children {
		writeVerb(&b, verb, "scimbridge")
	}
	b.WriteString(`
## Traces

OpenTelemetry's own variables, of ` + "`serve`, `dev` and `account serve`" + `. Without any of them there are no traces. What is wrong with one is said in the log and
stops nothing. [operating](operating.md#traces) says what is in a trace.

| variables | meaning |
| --- | --- |
`)
	for _, v := range traceVariables {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(v.names, ", ", "`, `"), v.meaning)
	}
	b.WriteString("\n## Variables of 1Password SCIM Bridge without effect\n\nThey may stay where they are; the log mentions them once at the start.\n\n| variable | why |\n| --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(later)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, later[name])
	}
	return b.String(), nil
}

func writeVerb(b *strings.Builder, n *kong.Node, path string) {
	path += " " + n.Name
	for _, p := range n.Positional {
		path += " " + p.Summary()
	}
	if len(n.Children) > 0 {
		for _, c := range n.Children {
			writeVerb(b, c, path)
		}
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n", path, n.Help)
	if len(n.Flags) == 0 {
		return
	}
	b.WriteString("\n| flag | variable | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range n.Flags {
		env := ""
		if len(f.Envs) > 0 {
			env = "`" + strings.Join(f.Envs, "`, `") + "`"
		}
		value := ""
		if f.HasDefault && f.Default != "" {
			value = "`" + f.Default + "`"
		}
		fmt.Fprintf(b, "| `--%s` | %s | %s | %s |\n", f.Name, env, value, strings.ReplaceAll(f.Help, "|", "\\|"))
	}
}
