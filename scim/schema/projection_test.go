package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/schema"
)

func TestProjection(t *testing.T) {
	t.Parallel()
	set := extended(t)
	const (
		head = `{"schemas":["s"],"id":"1"`
		ent  = `"` + entURN + `":{"department":"d","manager":{"value":"m","$ref":"r"}}`
		test = `"` + testURN + `":{"text":"x","hidden":"h","asked":"q","shown":"s","box":{"a":"a","b":"b","c":"c","d":"d"}}`
		all  = head + `,"userName":"u","name":{"familyName":"f","givenName":"g"},"emails":[{"value":"a","type":"work"},{"type":"home"}],` +
			`"groups":[],"meta":{"version":"v"},` + ent + `,` + test + `,"stray":1,"password":"p"}`
		shown = `"` + testURN + `":{"shown":"s"}`
	)
	type list = []string
	tests := map[string]struct {
		attributes, excluded list
		want                 string
	}{
		"default":                  {nil, nil, head + `,"userName":"u","name":{"familyName":"f","givenName":"g"},"emails":[{"value":"a","type":"work"},{"type":"home"}],"groups":[],"meta":{"version":"v"},` + ent + `,"` + testURN + `":{"text":"x","shown":"s","box":{"a":"a","c":"c"}},"stray":1}`},
		"one":                      {list{"USERNAME"}, nil, head + `,"userName":"u",` + shown + `}`},
		"unknown":                  {list{"nope", "name.nope"}, nil, head + `,` + shown + `}`},
		"sub-attributes":           {list{"name.givenName", "emails.value"}, nil, head + `,"name":{"givenName":"g"},"emails":[{"value":"a"}],` + shown + `}`},
		"attribute and its part":   {list{"name.givenName", "name"}, nil, head + `,"name":{"familyName":"f","givenName":"g"},` + shown + `}`},
		"empty list":               {list{"groups.value"}, nil, head + `,"groups":[],` + shown + `}`},
		"no such part":             {list{"name.middleName", "emails.display"}, nil, head + `,` + shown + `}`},
		"extension's":              {list{entURN + ":department"}, nil, head + `,"` + entURN + `":{"department":"d"},` + shown + `}`},
		"extension's part":         {list{strings.ToUpper(entURN) + ":MANAGER.value"}, nil, head + `,"` + entURN + `":{"manager":{"value":"m"}},` + shown + `}`},
		"extension without URN":    {list{"department"}, nil, head + `,"` + entURN + `":{"department":"d"},` + shown + `}`},
		"extension":                {list{entURN}, nil, head + `,` + ent + `,` + shown + `}`},
		"extension with hidden":    {list{testURN}, nil, head + `,"` + testURN + `":{"text":"x","shown":"s","box":{"a":"a","c":"c"}}}`},
		"base schema":              {list{userURN}, nil, head + `,"userName":"u","name":{"familyName":"f","givenName":"g"},"emails":[{"value":"a","type":"work"},{"type":"home"}],"groups":[],"meta":{"version":"v"},` + shown + `}`},
		"on request":               {list{"asked", "box.b"}, nil, head + `,"` + testURN + `":{"asked":"q","shown":"s","box":{"b":"b","c":"c"}}}`},
		"never":                    {list{"hidden", "password", "box.d"}, nil, head + `,"` + testURN + `":{"shown":"s","box":{"c":"c"}}}`},
		"filter in brackets":       {list{`emails[type eq "work"]`}, nil, head + `,"emails":[{"value":"a","type":"work"},{"type":"home"}],` + shown + `}`},
		"brackets and part":        {list{`emails[type eq "work"].type`}, nil, head + `,"emails":[{"type":"work"},{"type":"home"}],` + shown + `}`},
		"open bracket":             {list{`emails[type`}, nil, head + `,"emails":[{"value":"a","type":"work"},{"type":"home"}],` + shown + `}`},
		"spaces":                   {list{" userName "}, nil, head + `,"userName":"u",` + shown + `}`},
		"excluded":                 {nil, list{"name", "GROUPS", "meta", "stray", entURN, "box", "text"}, head + `,"userName":"u","emails":[{"value":"a","type":"work"},{"type":"home"}],` + shown + `,"stray":1}`},
		"excluded part":            {nil, list{"emails.type", "name.givenName", "manager.value", "box.a"}, head + `,"userName":"u","name":{"familyName":"f"},"emails":[{"value":"a"}],"groups":[],"meta":{"version":"v"},"` + entURN + `":{"department":"d","manager":{"$ref":"r"}},"` + testURN + `":{"text":"x","shown":"s","box":{"c":"c"}},"stray":1}`},
		"excluded extension's":     {nil, list{entURN + ":manager", testURN}, head + `,"userName":"u","name":{"familyName":"f","givenName":"g"},"emails":[{"value":"a","type":"work"},{"type":"home"}],"groups":[],"meta":{"version":"v"},"` + entURN + `":{"department":"d"},` + shown + `,"stray":1}`},
		"always":                   {nil, list{"id", "schemas", "shown", "box.c", "userName", "name", "emails", "groups", "meta", entURN, "text", "box.a"}, head + `,"` + testURN + `":{"shown":"s","box":{"c":"c"}},"stray":1}`},
		"both":                     {list{"userName"}, list{"userName"}, head + `,"userName":"u",` + shown + `}`},
		"empty counts as absent":   {list{"", " "}, list{"name", "emails", "groups", "meta", entURN, testURN}, head + `,"userName":"u",` + shown + `,"stray":1}`},
		"every part of it removed": {nil, list{"name.givenName", "name.familyName", "emails", "groups", "meta", entURN, testURN}, head + `,"userName":"u",` + shown + `,"stray":1}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := object(t, all)
			p := schema.ParseProjection(set.User(), tt.attributes, tt.excluded)
			if p.IsDefault() {
				t.Error("the resource type has hidden attributes, so that no projection is the default")
			}
			if diff := cmp.Diff(tt.want, string(scim.JSON(p.Apply(set.User(), in)))); diff != "" {
				t.Error(diff)
			}
			if string(scim.JSON(in)) != all {
				t.Error("the resource was changed")
			}
		})
	}
}

func TestProjectionOfWords(t *testing.T) {
	t.Parallel()
	rt := standard().User()
	in := object(t, `{"userName":"u","`+entURN+`":"x","name":"n"}`)
	got := schema.ParseProjection(rt, []string{"name.givenName", "department"}, nil).Apply(rt, in)
	if diff := cmp.Diff(`{"name":"n"}`, string(scim.JSON(got))); diff != "" {
		t.Error(diff)
	}
	stray := schema.ParseProjection(rt, nil, []string{"title"}).Apply(rt, object(t, `{"`+entURN+`":{"stray":1}}`))
	if stray.Len() != 0 {
		t.Errorf("got %s", scim.JSON(stray))
	}
}

func TestProjectionWants(t *testing.T) {
	t.Parallel()
	rt := standard().Group()
	type list = []string
	tests := map[string]struct {
		attributes, excluded list
		isDefault, wants     bool
	}{
		"default":         {nil, nil, true, true},
		"empty":           {list{""}, list{""}, true, true},
		"others":          {list{"id", "displayName"}, nil, false, false},
		"members":         {list{"MEMBERS"}, nil, false, true},
		"part of members": {list{"members.value"}, nil, false, true},
		"base schema":     {list{groupURN}, nil, false, true},
		"excluded":        {nil, list{"Members"}, false, false},
		"part excluded":   {nil, list{"members.display"}, false, true},
		"others excluded": {nil, list{"meta"}, false, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := schema.ParseProjection(rt, tt.attributes, tt.excluded)
			if p.IsDefault() != tt.isDefault {
				t.Errorf("IsDefault: %t", p.IsDefault())
			}
			if p.Wants("members") != tt.wants {
				t.Errorf("Wants: %t", p.Wants("members"))
			}
		})
	}
}
