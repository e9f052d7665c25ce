package keyset

import (
	"encoding/binary"
	"math"
)

const (
	lengthSize = 8 // bytes of the length that stands before every part of a list, and of a number in it
	maxNumber  = math.MaxInt32
)

// join writes a list: each part with its length before it as 8 bytes, big-endian. Two different lists are never
// the same bytes.
func join(parts ...string) string { return string(appendList(nil, parts...)) }

func appendList(out []byte, parts ...string) []byte {
	for _, p := range parts {
		out = binary.BigEndian.AppendUint64(out, uint64(len(p)))
		out = append(out, p...)
	}
	return out
}

// split reads a list; only what join writes is one.
func split(raw []byte) (parts []string, ok bool) {
	for len(raw) > 0 {
		if len(raw) < lengthSize {
			return nil, false
		}
		n := binary.BigEndian.Uint64(raw)
		raw = raw[lengthSize:]
		if n > uint64(len(raw)) {
			return nil, false
		}
		parts = append(parts, string(raw[:n]))
		raw = raw[n:]
	}
	return parts, true
}

// number is a number as a part of a list: 8 bytes, big-endian.
func number(n int) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // a negative one is refused when read
}

// reader takes the parts of a list one after another, and remembers whether one was not as it should be.
type reader struct {
	parts []string
	bad   bool
}

// bytes takes a part of any contents.
func (r *reader) bytes() string {
	if len(r.parts) == 0 {
		r.bad = true
		return ""
	}
	p := r.parts[0]
	r.parts = r.parts[1:]
	return p
}

// text takes a part that is not empty.
func (r *reader) text() string {
	p := r.bytes()
	r.bad = r.bad || p == ""
	return p
}

// fixed takes a part of n bytes.
func (r *reader) fixed(n int) []byte {
	p := r.bytes()
	if len(p) != n {
		r.bad = true
		return make([]byte, n)
	}
	return []byte(p)
}

// number takes a number; all that are written count from 1.
func (r *reader) number() int {
	n := binary.BigEndian.Uint64(r.fixed(lengthSize))
	if n < 1 || n > maxNumber {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) public() Public {
	p, err := ParsePublic([]byte(r.bytes()))
	r.bad = r.bad || err != nil
	return p
}

func (r *reader) signer() Signer {
	s := Signer(r.fixed(len(Signer{})))
	r.bad = r.bad || !s.valid()
	return s
}

// done tells whether all parts have been taken and were as they should be.
func (r *reader) done() bool { return !r.bad && len(r.parts) == 0 }
