package zone

import "time"

// Parse reads what is in a file.
var Parse = parse

// Hurry asks at once whether a change is done, and signs as of a given time.
func Hurry(p Provider, now time.Time) {
	switch p := p.(type) {
	case *googleZones:
		p.poll = time.Microsecond
	case *route53Zones:
		p.poll, p.now = time.Microsecond, func() time.Time { return now }
	}
}
