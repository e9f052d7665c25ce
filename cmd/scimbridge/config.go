package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// environment is everything a verb takes from outside. Nothing else in the program reads it.
type environment struct {
	args     []string
	env      []string
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	terminal bool // stdout is a terminal

	settings []setting // what is not at its default
	warnings []string  // about OP_* variables without effect
}

// verb is a command that has been parsed.
type verb interface {
	Run(ctx context.Context, e *environment) error
}

// commandLine is the one table of verbs and settings. From it come parsing, --help, docs/configuration.md and the
// names that deployment files are checked against. Names beginning with OP_ that the original documents keep their
// meaning and their default.
type commandLine struct {
	Serve       serveVerb       `cmd:"" help:"Run the bridge (what the image runs)." default:"withargs"`
	Dev         devVerb         `cmd:"" help:"Run account and bridge in one process with embedded defaults, to try things out."`
	Credentials credentialsVerb `cmd:"" help:"Make or look at the scimsession and its bearer token."`
	Check       checkVerb       `cmd:"" help:"Check a SCIM server against the RFCs."`
	Account     accountVerb     `cmd:"" help:"Look after the account: people, groups, activity, backup."`
	Healthcheck healthcheckVerb `cmd:"" help:"Ask a running bridge for /ready; exit 0 when it is, else 1."`
	Version     versionVerb     `cmd:"" help:"Print the version."`
}

// logSettings say how the log looks.
type logSettings struct {
	Debug      bool `name:"debug" env:"OP_DEBUG" help:"Log at level debug."`
	Trace      bool `name:"trace" env:"OP_TRACE" help:"Log at level trace, which includes debug."`
	JSONLogs   bool `name:"json-logs" env:"OP_JSON_LOGS" help:"Log as JSON, a line each. Wins over pretty logs."`
	PrettyLogs bool `name:"pretty-logs" env:"OP_PRETTY_LOGS" help:"Log in colour."`
}

// bridgeSettings are the settings of a running bridge, in serve as in dev.
type bridgeSettings struct {
	MonitoringTokenFile  string   `name:"monitoring-token-file" env:"OP_MONITORING_TOKEN_FILE" placeholder:"FILE" help:"File with the token that opens /monitoring, /health and /metrics and nothing else. Without it /monitoring is off."`
	TrustedProxies       []string `name:"trusted-proxies" env:"OP_TRUSTED_PROXIES" placeholder:"CIDR,…" default:"127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7" help:"Addresses of proxies whose X-Forwarded-For, -Proto and -Host are believed. \"none\": no proxy."`
	StrictMembers        bool     `name:"strict-members" env:"OP_STRICT_MEMBERS" help:"Refuse group changes that name unknown people (400) instead of skipping those with a warning."`
	ConfirmationInterval int      `name:"confirmation-interval" env:"OP_CONFIRMATION_INTERVAL" placeholder:"SECONDS" default:"300" help:"After how many seconds the account is asked who waits to be confirmed, should its own word get lost; at least 30."`
	PublicURL            string   `name:"public-url" env:"OP_PUBLIC_URL" placeholder:"URL" help:"Where people reach the account that this process serves itself; links of invitations begin with it. Not needed where the scimsession names an account service."`
	CacheMemory          int      `name:"cache-memory" env:"OP_CACHE_MEMORY" placeholder:"MB" default:"42" help:"Megabytes for copies of people and groups, so that look-ups need not ask the account; some 100,000 people find room in 42. 0: no copies."`
	ExtensionsFile       string   `name:"extensions-file" env:"OP_EXTENSIONS_FILE" placeholder:"FILE" help:"JSON file that declares further SCIM extension schemas."`
	ShareUnlock          bool     `name:"share-unlock" env:"OP_SHARE_UNLOCK" help:"Bridges that are unlocked unlock those that start, through the Redis that they share: one token unlocks all. The price: whoever has the scimsession and can write to that Redis gets at the keys without the token."`
	redisSettings
	mailSettings
}

// later are the original's settings that this version does not act on yet, with what that means.
var later = map[string]string{
	"OP_SSL_ENABLED":           "the setting is OP_REDIS_ENABLE_SSL",
	"OP_WORKSPACE_CREDENTIALS": "this version does not read from Google Workspace",
	"OP_WORKSPACE_SETTINGS":    "this version does not read from Google Workspace",
	"OP_DOMAIN":                "the account is named by the scimsession",
	"OP_ONE_CLICK":             "there is no such mode",
}

// parse reads the command line and the environment. A nil verb means that help was printed.
func parse(e *environment) (verb, error) {
	var line commandLine
	parser, err := newParser(&line, e)
	if err != nil {
		return nil, err
	}
	exited := false
	parser.Exit = func(int) { exited = true }
	env := map[string]string{}
	for _, kv := range e.env {
		k, v, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(k, "OP_") {
			// Docker's env files keep the quotes and the blanks that people write.
			plain := unquoted(v)
			if plain == "" { // task definitions write OP_TLS_DOMAIN="" for "not set"
				if err := os.Unsetenv(k); err != nil {
					return nil, err
				}
				continue
			}
			if plain != v {
				if err := os.Setenv(k, plain); err != nil {
					return nil, err
				}
			}
			v = plain
		}
		env[k] = v
	}
	if err := passwordOnCommandLine(e.args); err != nil {
		return nil, err
	}
	ctx, err := parser.Parse(spoken(e.args))
	if exited {
		return nil, nil
	}
	if err != nil {
		if near, ok := misspelt(parser.Model, e.args); ok {
			return nil, fmt.Errorf("there is no verb %q%s (scimbridge --help lists the verbs and settings)", e.args[0], near)
		}
		return nil, fmt.Errorf("%w (scimbridge --help lists the verbs and settings)", err)
	}
	e.settings = sources(ctx, env)
	e.warnings = warnings(parser.Model, ctx.Selected(), env)
	v, ok := ctx.Selected().Target.Addr().Interface().(verb)
	if !ok {
		return nil, errors.New("a verb is missing (scimbridge --help lists them)")
	}
	return v, nil
}

func newParser(line *commandLine, e *environment) (*kong.Kong, error) {
	return kong.New(line,
		kong.Name("scimbridge"),
		kong.Description("Keeps the people and groups of an end-to-end encrypted account equal to those of the identity provider, by SCIM 2.0."),
		kong.Writers(e.stdout, e.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
}

// spoken lets "scimbridge help [verb]" work as "--help", and "--version" as "version".
func spoken(args []string) []string {
	switch {
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	}
	return args
}

// misspelt tells whether a command line begins with a word that is no verb, and which verb may be meant.
func misspelt(model *kong.Application, args []string) (near string, ok bool) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return "", false
	}
	verbs := map[string]bool{}
	for _, c := range model.Children {
		verbs[c.Name] = true
	}
	if verbs[args[0]] {
		return "", false
	}
	const slips = 2 // verbs are short
	if word := nearest(args[0], verbs, slips); word != "" {
		near = "; did you mean " + word + "?"
	}
	return near, true
}

// unquoted takes blanks and a pair of quotes off a value.
func unquoted(v string) string {
	v = strings.TrimSpace(v)
	if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
		v = strings.TrimSpace(v[1 : n-1])
	}
	return v
}

// setting is where a value came from, for the log. Values that are secret have no setting of their own: they are
// named by file, but for OP_SESSION and what the original has for Redis, whose values are never shown.
type setting struct{ name, source, value string }

func sources(ctx *kong.Context, env map[string]string) []setting {
	flags := map[*kong.Flag]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil {
			flags[p.Flag] = true
		}
	}
	var list []setting
	for _, f := range ctx.Flags() {
		s := setting{name: f.Name, value: fmt.Sprint(ctx.FlagValue(f)), source: "default"}
		for _, name := range f.Envs {
			if _, ok := env[name]; ok && s.source == "default" { // of several names the first counts
				s.source = name
			}
		}
		if flags[f] {
			s.source = "--" + f.Name
		}
		if f.Name == "database-url" {
			s.value = redactedURL(s.value)
		}
		if f.Name == "redis-url" {
			s.value = shownRedisURL(s.value)
		}
		if f.Name == "session" || f.Name == "redis-password" || strings.HasSuffix(f.Name, "-file") && !likeFile(s.value) {
			s.value = "[not shown]"
		}
		if s.source != "default" {
			list = append(list, s)
		}
	}
	return list
}

// source tells where a setting came from; empty: it is at its default.
func (e *environment) source(name string) string {
	for _, s := range e.settings {
		if s.name == name {
			return s.source
		}
	}
	return ""
}

// warnings names the OP_* variables that have no effect, and the nearest that has.
func warnings(model *kong.Application, verb *kong.Node, env map[string]string) []string {
	known, here := variables(model.Node), variables(verb)
	var list []string
	for name := range env {
		if !strings.HasPrefix(name, "OP_") || here[name] {
			continue
		}
		if known[name] {
			list = append(list, fmt.Sprintf("%s has no effect on scimbridge %s", name, verb.Name))
			continue
		}
		if why, ok := later[name]; ok {
			list = append(list, fmt.Sprintf("%s has no effect: %s", name, why))
			continue
		}
		w := name + " is not a setting of scimbridge"
		if near := nearest(name, known, 3); near != "" {
			w += "; did you mean " + near + "?"
		}
		list = append(list, w)
	}
	slices.Sort(list)
	return list
}

// variables are the environment's names of all settings.
func variables(n *kong.Node) map[string]bool {
	names := map[string]bool{}
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			for _, name := range f.Envs {
				names[name] = true
			}
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(n)
	return names
}

// nearest is the known name that a mistyped one was probably meant to be; "" if none is near.
func nearest(name string, known map[string]bool, slips int) string {
	best, at := "", slips+1
	for k := range known {
		if d := distance(name, k); d < at || d == at && k < best {
			best, at = k, d
		}
	}
	return best
}

// distance is the number of insertions, deletions and replacements between two names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// leastInterval is the shortest interval that the original takes.
const leastInterval = 30

// interval is how often the account is asked.
func (b *bridgeSettings) interval() (time.Duration, error) {
	if b.ConfirmationInterval < leastInterval {
		return 0, fmt.Errorf("OP_CONFIRMATION_INTERVAL: %d is too short; it is a number of seconds, %d at least", b.ConfirmationInterval, leastInterval)
	}
	return time.Duration(b.ConfirmationInterval) * time.Second, nil
}

// publicURL is where people reach the account, without a slash at its end; "" where it is not set.
func (b *bridgeSettings) publicURL() (string, error) {
	if b.PublicURL == "" {
		return "", nil
	}
	u, err := url.Parse(b.PublicURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("OP_PUBLIC_URL: %q is no address like https://accounts.example.com", b.PublicURL)
	}
	return u.Scheme + "://" + u.Host, nil
}

// proxies reads the list of trusted proxies.
func (b *bridgeSettings) proxies() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range b.TrustedProxies {
		text = strings.TrimSpace(text)
		if text == "" || text == "none" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err2 := netip.ParseAddr(text)
			if err2 != nil {
				return nil, fmt.Errorf("OP_TRUSTED_PROXIES: %q is neither an address nor a network like 10.0.0.0/8", text)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		list = append(list, p)
	}
	return list, nil
}
