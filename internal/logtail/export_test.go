package logtail

// What tests count with.
const (
	KeptLines   = keptLines
	KeptEntries = keptEntries
	LongestLine = longestLine
)

// Reprint reads an entry and writes it again.
func Reprint(text []byte) ([]byte, error) {
	lines, err := decode(text, ordinary)
	if err != nil || len(lines) == 0 {
		return nil, errEntry
	}
	return encode(lines)
}
