package fault_test

import "testing"

// known is what a client knows of one thing that it writes: of an attribute of a person, of a membership.
type known struct {
	now    string          // as it was acknowledged, or read, last
	before map[string]bool // as it was earlier
	unsure map[string]bool // as writes that nobody has answered may still make it, until nothing is under way any more
}

// is notes an acknowledged value.
func (k *known) is(value string) {
	if value == k.now {
		return
	}
	if k.before == nil {
		k.before = map[string]bool{}
	}
	k.before[k.now] = true
	k.now = value
}

// may notes a value that was written without an answer.
func (k *known) may(value string) {
	if k.unsure == nil {
		k.unsure = map[string]bool{}
	}
	k.unsure[value] = true
}

// rest says that nothing is under way any more.
func (k *known) rest() { k.unsure = nil }

// verdict is what a value that was read means.
type verdict int

const (
	fresh verdict = iota // as it is
	late                 // a write without an answer has come about after one that was acknowledged later
	stale                // as it was
	wrong                // as it never was
)

// judge judges a value that was read. One that is both late and stale is called stale: see seen.
func (k *known) judge(value string) verdict {
	switch {
	case value == k.now:
		return fresh
	case k.before[value]:
		return stale
	case k.unsure[value]:
		return late
	}
	return wrong
}

// settle judges a value that is there once nothing is under way any more, and takes it over.
func (k *known) settle(value string) verdict {
	v := k.judge(value)
	if v == stale && k.unsure[value] {
		v = late
	}
	k.is(value)
	return v
}

func TestKnown(t *testing.T) {
	t.Parallel()
	k := known{now: "a"}
	k.is("b")
	k.may("c")
	for value, want := range map[string]verdict{"a": stale, "b": fresh, "c": late, "d": wrong} {
		if got := k.judge(value); got != want {
			t.Errorf("%s is judged %d, want %d", value, got, want)
		}
	}
	k.may("a") // written again, and lost
	if got := k.judge("a"); got != stale {
		t.Errorf("what may be either is judged %d", got)
	}
	if got := k.settle("a"); got != late || k.now != "a" {
		t.Errorf("at rest it is judged %d", got)
	}
	k.rest()
	k.is("b")
	if got := k.settle("c"); got != wrong {
		t.Errorf("a write of before the rest is judged %d", got)
	}
}
