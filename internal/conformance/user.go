package conformance

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// RFC 7643 §4.1 and §4.3: people.

func userRequirements() []Requirement {
	return section(
		"7643", "4.1",
		entry{72, Must, "userName is unique whatever its case", func(p *probe) {
			name := p.name("Bob")
			p.user(object{"userName": name})
			p.refused(p.post("/Users", p.person(object{"userName": strings.ToUpper(name)})), http.StatusConflict, "uniqueness")
		}},
		entry{73, Must, "PUT needs a userName", func(p *probe) {
			u := p.user(nil)
			p.refused(p.put(userPath(u), object{"schemas": u["schemas"], "title": "t"}), http.StatusBadRequest, "invalidValue")
		}},
		entry{74, Def, "a name comes back as it was sent", func(p *probe) {
			p.roundTrip(object{"name": object{
				"formatted": "Ms. Barbara Jane Jensen, III", "familyName": "Jensen", "givenName": "Barbara",
				"middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III",
			}})
		}},
		entry{75, Should, "name.formatted does not contradict the parts", func(p *probe) {
			u := p.user(object{"name": object{"formatted": "Ann Bee", "givenName": "Ann", "familyName": "Bee"}})
			got := p.replace(userPath(u), object{"schemas": u["schemas"], "userName": u["userName"], "name": object{"givenName": "Cee", "familyName": "Dee"}})
			p.want(text(at(got, "name", "formatted")) != "Ann Bee", "it is still Ann Bee after both parts have changed")
		}},
		entry{76, Def, "displayName, nickName, title and userType come back as they were sent", func(p *probe) {
			p.needAttributes("nickName", "title", "userType")
			p.roundTrip(object{"displayName": "D", "nickName": "N", "title": "T", "userType": "Employee"})
		}},
		entry{77, Iop, "a profileUrl that is no URL does no harm", func(p *probe) {
			p.refusedOr(p.post("/Users", p.person(object{"profileUrl": "abc"})), http.StatusBadRequest)
		}},
		entry{78, Def, "language, locale and time zone come back as they were sent", func(p *probe) {
			p.needAttributes("preferredLanguage", "locale", "timezone")
			p.roundTrip(object{"preferredLanguage": "cy-GB", "locale": "en-US", "timezone": "Africa/Nairobi"})
		}},
		entry{79, Iop, "a person is active unless told otherwise", func(p *probe) {
			p.equal("active", p.user(nil)["active"], true)
		}},
		entry{80, Def, "a person can be created inactive", func(p *probe) {
			p.equal("active", p.read(userPath(p.user(object{"active": false})))["active"], false)
		}},
		entry{81, Must, "the password comes back nowhere", audited(ruleSecret)},
		entry{82, Should, "a password is stored hashed", unseen(needsStore)},
		entry{83, Iop, "no filter proves a guess of a password", func(p *probe) {
			p.needs("filter")
			u := p.user(object{"password": p.c.pass})
			a := p.get("/Users" + query("filter", `userName eq "`+text(u["userName"])+`" and password eq "`+p.c.pass+`"`))
			switch a.status {
			case http.StatusOK:
				p.want(len(objects(a.body, "Resources")) == 0, "the person is found by the password")
			default:
				p.status(a, http.StatusBadRequest, http.StatusForbidden)
			}
		}},
		entry{84, Iop, "e-mails are compared without regard to case", func(p *probe) {
			p.needs("filter")
			p.needAttributes("emails")
			mail := p.name("MiXed")
			u := p.user(object{"emails": []object{{"value": strings.ToUpper(mail), "type": "work"}}})
			p.findable(`emails.value eq "`+strings.ToLower(mail)+`"`, u)
		}},
		entry{85, Iop, "phone numbers may be URIs or free text", func(p *probe) {
			p.needAttributes("phoneNumbers")
			p.keeps("phoneNumbers", object{"value": "tel:+1-201-555-0123", "type": "work"}, object{"value": "56-357-7743", "type": "home"})
		}},
		entry{86, May, "instant messengers may be of any type", func(p *probe) {
			p.needAttributes("ims")
			p.keeps("ims", object{"value": "@ada:example.com", "type": "matrix"})
		}},
		entry{87, Def, "a photo is a URI", func(p *probe) {
			p.needAttributes("photos")
			p.keeps("photos", object{"value": "https://photos.example.com/y.png", "type": "photo"})
		}},
		entry{88, Def, "an address may be formatted in several lines", func(p *probe) {
			p.needAttributes("addresses")
			p.keeps("addresses", object{"type": "work", "formatted": "100 Main Street\nSpringfield, IL 62701 US", "locality": "Springfield"})
		}},
		entry{89, Iop, "a country may be a code or a name", func(p *probe) {
			p.needAttributes("addresses")
			p.user(object{"addresses": []object{{"type": "work", "country": "Belize"}}})
			p.keeps("addresses", object{"type": "home", "country": "US"})
		}},
		entry{90, Must, "a person shows the groups that hold them", func(p *probe) {
			u := p.user(nil)
			g := p.group(u)
			in := objects(p.read(userPath(u)), "groups")
			if !p.stopped() && len(in) != 1 {
				p.failf("groups has %d elements, want 1", len(in))
			}
			got := first(in)
			p.equal("groups value", got["value"], g["id"])
			p.equal("groups display", got["display"], g["displayName"])
			p.want(text(got["$ref"]) != "", "there is no $ref")
			p.want(got["type"] == nil || got["type"] == "direct", "type is %s", show(got["type"]))
		}},
		entry{91, Must, "groups of a person cannot be written", func(p *probe) {
			p.needs("patch")
			u := p.user(nil)
			g := p.group()
			a := p.patch(userPath(u), op("add", "groups", []object{{"value": g["id"]}}))
			p.refusedOr(a, http.StatusBadRequest, "mutability")
			p.want(len(p.memberIDs(g)) == 0, "the person has become a member")
		}},
		entry{92, Def, "the $ref of a group leads to it", func(p *probe) {
			u := p.user(nil)
			g := p.group(u)
			p.leadsTo(first(objects(p.read(userPath(u)), "groups")), g)
		}},
		entry{93, Must, "a certificate is one certificate; two in one do no harm", func(p *probe) {
			p.needAttributes("x509Certificates")
			two := base64.StdEncoding.EncodeToString([]byte{0x30, 0x03, 0x02, 0x01, 0x05, 0x30, 0x03, 0x02, 0x01, 0x06})
			p.refusedOr(p.post("/Users", p.person(object{"x509Certificates": []object{{"value": two}}})), http.StatusBadRequest)
		}},
		entry{94, Def, "roles and entitlements are free lists", func(p *probe) {
			p.needAttributes("roles")
			p.keeps("roles", object{"value": "a"}, object{"value": "b", "primary": true})
		}},
	)
}

func enterpriseRequirements() []Requirement {
	return section(
		"7643", "4.3",
		entry{102, Def, "the enterprise attributes come back as they were sent", func(p *probe) {
			p.needEnterprise()
			p.roundTrip(object{enterpriseURN: object{
				"employeeNumber": "701984", "costCenter": "4130", "organization": "Universal", "division": "Theme Park", "department": "Tours",
			}})
		}},
		entry{103, Should, "a manager has value and $ref", func(p *probe) {
			p.needs("patch")
			p.needEnterprise()
			boss, u := p.user(nil), p.user(nil)
			got := p.change(userPath(u), op("add", enterpriseURN+":manager", object{"value": boss["id"]}))
			p.equal("manager.value", at(got, enterpriseURN, "manager", "value"), boss["id"])
			p.want(text(at(got, enterpriseURN, "manager", "$ref")) != "", "there is no $ref")
		}},
		entry{104, Def, "the client does not name the manager", func(p *probe) {
			p.needEnterprise()
			boss := p.user(nil)
			u := p.user(object{enterpriseURN: object{"manager": object{"value": boss["id"], "displayName": "made up"}}})
			p.want(at(u, enterpriseURN, "manager", "displayName") != "made up", "manager.displayName was taken from the client")
		}},
		entry{105, Iop, "a manager that names nobody is kept", func(p *probe) {
			p.needEnterprise()
			u := p.user(object{enterpriseURN: object{"manager": object{"value": "GZFD"}}})
			p.equal("manager.value", at(p.read(userPath(u)), enterpriseURN, "manager", "value"), "GZFD")
		}},
	)
}

// roundTrip fails the check unless what is created is answered and read back with the same values.
func (p *probe) roundTrip(more object) {
	u := p.user(more)
	p.holds("the answer to POST", u, more)
	p.holds("the person", p.read(userPath(u)), more)
}

// keeps fails the check unless a person keeps these elements, members that the server adds notwithstanding.
func (p *probe) keeps(attribute string, elements ...object) {
	got := objects(p.read(userPath(p.user(object{attribute: elements}))), attribute)
	if p.stopped() {
		return
	}
	for _, want := range elements {
		if !slices.ContainsFunc(got, func(e object) bool { return contains(e, plain(want)) }) {
			p.failf("%s lacks %s", attribute, show(want))
		}
	}
	p.want(len(got) == len(elements), "%s", fmt.Sprintf("%s has %d elements, want %d", attribute, len(got), len(elements)))
}
