package main

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/mail"
	"github.com/scimbridge/scimbridge/internal/server"
	"github.com/scimbridge/scimbridge/internal/server/certificates"
)

// meters are the metrics of the parts of a bridge that work for its account.
func (a *assembly) meters(service driven) []prometheus.Collector {
	var list []prometheus.Collector
	if waits, ok := service.(backlogged); ok {
		list = append(list, &accountFigures{account: waits, now: clock})
	}
	if calls, ok := service.(interface{ Collectors() []prometheus.Collector }); ok { // an account in another process
		list = append(list, calls.Collectors()...)
	}
	if a.data != "" {
		list = append(append(list, a.store.Collectors()...), disk(a.data)...)
	}
	return list
}

// gauges are the numbers of the parts that may be missing.
func (a *assembly) gauges(m *server.Metrics) {
	number := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	if a.watchers != nil {
		m.Gauge("scimbridge_rekeying_groups", "Groups whose new key has not reached all of their members yet.", a.rekeying(func(list []account.Rekeying) int { return len(list) }))
		m.Gauge("scimbridge_rekeying_members_done", "Members of such groups who hold the new key.", a.rekeying(func(list []account.Rekeying) (n int) {
			for _, k := range list {
				n += k.Have
			}
			return n
		}))
		m.Gauge("scimbridge_rekeying_members_waiting", "Members of such groups who hold an older key only.", a.rekeying(func(list []account.Rekeying) (n int) {
			for _, k := range list {
				n += k.Of - k.Have
			}
			return n
		}))
		m.Gauge("scimbridge_lease_held", "1 while this replica is the one that makes links and confirms people.", func() float64 { return number(a.watchers.Lease().Held) })
	}
	if a.tls != nil {
		m.Gauge(certificateName, certificateHelp, certificateEnd(a.certificate))
	}
	if a.redis != nil {
		m.Gauge("scimbridge_redis_up", "1 while the Redis that is named can be used.", func() float64 { return number(a.redis.State().Up) })
	}
}

// rekeying is a number about the groups whose new key is being handed over.
func (a *assembly) rekeying(count func([]account.Rekeying) int) func() float64 {
	return func() float64 { return float64(count(a.watchers.Confirmation().Rekeyings)) }
}

const (
	certificateName = "scimbridge_certificate_expiry_timestamp_seconds"
	certificateHelp = "When the certificate ends that TLS is terminated with, in seconds since 1970; 0 while there is none."
)

func certificateEnd(state func() certificates.State) func() float64 {
	return func() float64 {
		if t := state().Expires; !t.IsZero() {
			return float64(t.Unix())
		}
		return 0
	}
}

// backlogged tells how much waits at an account. errors.ErrUnsupported where it does not know.
type backlogged interface {
	Backlog(ctx context.Context) (account.Backlog, error)
}

// accountFigures are an account's own numbers, asked for whenever somebody looks. While it cannot be asked there are none.
type accountFigures struct {
	account backlogged
	now     func() time.Time
}

var (
	waitingDesc     = prometheus.NewDesc("scimbridge_people_waiting", "People who wait for the bridge: to be confirmed (confirmation), or, being in, for keys of groups (keys).", []string{"for"}, nil)
	oldestDesc      = prometheus.NewDesc("scimbridge_confirmation_wait_seconds", "How long ago the first of those who wait to be confirmed has accepted; 0: nobody waits.", nil, nil)
	invitationsDesc = prometheus.NewDesc("scimbridge_invitations", "People who are invited: the link is to be made (due), made and not sent (unsent), sent, refused (also by the mail server), or has expired.", []string{"state"}, nil)
	groupsDesc      = prometheus.NewDesc("scimbridge_groups_waiting", "Groups that wait for a key.", nil, nil)
	trippedDesc     = prometheus.NewDesc("scimbridge_guard_tripped", "1 for an hour after more was taken away than the guard lets pass unsaid.", nil, nil)
	heldDesc        = prometheus.NewDesc("scimbridge_guard_held_changes", "Changes that the guard holds back until an administrator of the account has looked.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*accountFigures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitingDesc, oldestDesc, invitationsDesc, groupsDesc, trippedDesc, heldDesc} {
		out <- d
	}
}

// lookTime bounds the questions of one look at the metrics. Prometheus waits for 10 s.
const lookTime = 3 * time.Second

// Collect implements prometheus.Collector.
func (f *accountFigures) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	say := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	b, err := f.account.Backlog(ctx)
	if err != nil {
		return // the health says so
	}
	say(waitingDesc, float64(b.Accepted), "confirmation")
	say(waitingDesc, float64(b.Keys), "keys")
	wait := 0.0
	if !b.Since.IsZero() {
		wait = max(f.now().Sub(b.Since).Seconds(), 0) // the account's clock may be ahead
	}
	say(oldestDesc, wait)
	say(invitationsDesc, float64(b.Invitations[account.InvitationDue]), "due")
	say(invitationsDesc, float64(b.Unsent), "unsent")
	say(invitationsDesc, float64(b.Invitations[account.InvitationOpen]-b.Unsent), "sent")
	say(invitationsDesc, float64(b.Invitations[account.InvitationRefused]), "refused")
	say(invitationsDesc, float64(b.Invitations[account.InvitationExpired]), "expired")
	say(groupsDesc, float64(b.Groups))
	tripped := 0.0
	if !b.Guard.Tripped.IsZero() {
		tripped = 1
	}
	say(trippedDesc, tripped)
	say(heldDesc, float64(b.Guard.Held))
}

// disk tells how much room the disk has that an account's database is on.
func disk(dir string) []prometheus.Collector {
	gauge := func(name, help string, of func(*syscall.Statfs_t) uint64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			var fs syscall.Statfs_t
			if err := syscall.Statfs(filepath.Clean(dir), &fs); err != nil {
				return 0 // a disk that cannot be asked has no room
			}
			return float64(of(&fs)) * float64(fs.Bsize)
		})
	}
	return []prometheus.Collector{
		gauge("scimbridge_disk_free_bytes", "Room on the disk that the account's database is on; 0 also where it cannot be asked.", func(fs *syscall.Statfs_t) uint64 { return fs.Bavail }),
		gauge("scimbridge_disk_size_bytes", "Size of that disk.", func(fs *syscall.Statfs_t) uint64 { return fs.Blocks }),
	}
}

// mailMeter counts the invitations that go out by mail.
type mailMeter struct{ total *prometheus.CounterVec }

func newMailMeter() *mailMeter {
	m := &mailMeter{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "scimbridge_mails_total", Help: "Invitations handed over to the mail server: sent, refused for good (undeliverable), or to be tried again (failed).",
	}, []string{"result"})}
	for _, result := range []string{"sent", "undeliverable", "failed"} {
		m.total.WithLabelValues(result)
	}
	return m
}

// Collectors are the metrics; none of nil.
func (m *mailMeter) Collectors() []prometheus.Collector {
	if m == nil {
		return nil
	}
	return []prometheus.Collector{m.total}
}

// wrap counts what comes of sending.
func (m *mailMeter) wrap(send func(context.Context, mail.Invitation) error) func(context.Context, mail.Invitation) error {
	return func(ctx context.Context, i mail.Invitation) error {
		err := send(ctx, i)
		switch {
		case err == nil:
			m.total.WithLabelValues("sent").Inc()
		case errors.Is(err, mail.ErrAddress), errors.Is(err, mail.ErrRefused):
			m.total.WithLabelValues("undeliverable").Inc()
		case ctx.Err() == nil:
			m.total.WithLabelValues("failed").Inc()
		}
		return err
	}
}
