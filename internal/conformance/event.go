package conformance

import (
	"net/http"
)

// RFC 9967: events, and requests that are answered later.

// event is the check of what only a receiver of events sees.
func event(p *probe) {
	if _, announced := p.config().body["securityEvents"]; !announced {
		p.skip("the server announces no events (securityEvents)")
	}
	p.skip("needs a receiver of events, which a client that only asks is not")
}

func eventRequirements() []Requirement {
	return join(subjectRequirements(), eventTypeRequirements(), asyncRequirements(), eventSecurityRequirements())
}

func subjectRequirements() []Requirement {
	return section(
		"9967", "2.1",
		entry{387, Must, "an event names its subject by sub_id, in format scim", event},
		entry{388, Must, "sub_id stands in the main claims only, and there is no sub", event},
		entry{389, Must, "the subject's URI is relative to the base and reads it", event},
		entry{390, May, "a known externalId stands in sub_id", event},
		entry{391, Must, "one change has one txn, each event token a jti of its own", event},
		entry{392, Must, "an event of provisioning has either data or attributes", event},
		entry{393, Should, "changed attributes are named as PATCH paths", event},
		entry{394, Def, "an event's version is the new ETag", event},
		entry{395, Def, "event tokens are typed and signed as RFC 8417 says", event},
	)
}

func eventTypeRequirements() []Requirement {
	return section(
		"9967", "2.3",
		entry{396, Def, "a creation is told by create:full or create:notice", event},
		entry{397, Must, "full goes with data, notice with attributes", event},
		entry{398, Def, "a PATCH is told by patch:full or patch:notice", event},
		entry{399, Def, "a PUT is told by put:full or put:notice", event},
		entry{400, Must, "a deletion is told without payload", event},
		entry{401, Must, "a deletion is told once", event},
		entry{402, Def, "a change of active is told by activate or deactivate", event},
		entry{403, Def, "entering and leaving a feed is told by feed:add and feed:remove", event},
		entry{404, Def, "several events of one change stand together", event},
		entry{405, Iop, "no event holds a password", event},
		entry{406, Iop, "what changes nothing is not told", event},
	)
}

func asyncRequirements() []Requirement {
	return section(
		"9967", "2.5",
		entry{407, Must, "a 202 has no body, but Set-Txn and Preference-Applied", func(p *probe) {
			a := p.later(nil)
			p.want(len(a.raw) == 0, "there is a body")
			p.want(a.headerValue("Set-Txn") != "" && a.headerValue("Preference-Applied") != "", "a header is missing")
		}},
		entry{408, Must, "a 202 has a Location", func(p *probe) {
			p.want(p.later(nil).headerValue("Location") != "", "there is none")
		}},
		entry{409, Must, "Accept means nothing to a 202", func(p *probe) {
			p.later(map[string]string{"Accept": "text/plain"})
		}},
		entry{410, Should, "wait bounds what is done at once", func(p *probe) {
			p.later(map[string]string{"Prefer": "respond-async, wait=5"})
		}},
		entry{411, Must, "the end of an asynchronous request is told under its txn", event},
		entry{412, Must, "of an asynchronous Bulk each operation is told", event},
		entry{413, Must, "a bulkId does not stand for a transaction", event},
		entry{414, Must, "a failure is told with a SCIM error", event},
		entry{415, Must, "the result of an asynchronous request needs a token", event},
		entry{416, Def, "unknown preferences are ignored", func(p *probe) {
			u := p.user(nil)
			a := p.send(call{
				method: http.MethodPut, path: userPath(u), body: core(u, object{"title": "t"}),
				header: map[string]string{"Prefer": "foo"},
			})
			p.status(a, http.StatusOK, http.StatusNoContent)
		}},
	)
}

func eventSecurityRequirements() []Requirement {
	return section(
		"9967", "4",
		entry{417, Def, "what is announced of events has its form", func(p *probe) {
			announced, ok := p.config().body["securityEvents"]
			if !ok {
				p.skip("the server announces no events (securityEvents)")
			}
			o, _ := announced.(object)
			kind := text(o["asyncRequest"])
			p.want(kind == "none" || kind == "long" || kind == "request", "asyncRequest is %s", show(o["asyncRequest"]))
			_, ok = o["eventUris"].([]any)
			p.want(ok, "eventUris is %s", show(o["eventUris"]))
		}},
		entry{418, Must, "events go to those entitled, over TLS", event},
		entry{419, Must, "an event is acknowledged when it is stored", event},
		entry{420, Must, "events that are passed on are signed", event},
		entry{421, Should, "a large group's change is told as a notice", event},
	)
}

// later sends a PUT that may be answered later, and skips the check where the server answers at once.
func (p *probe) later(header map[string]string) answer {
	u := p.user(nil)
	headers := map[string]string{"Prefer": "respond-async"}
	for k, v := range header {
		headers[k] = v
	}
	a := p.send(call{method: http.MethodPut, path: userPath(u), body: core(u, object{"title": "t"}), header: headers})
	p.status(a, http.StatusAccepted, http.StatusOK, http.StatusNoContent, http.StatusNotAcceptable)
	if a.status != http.StatusAccepted {
		p.skip("the server answers at once, which is allowed")
	}
	return a
}
