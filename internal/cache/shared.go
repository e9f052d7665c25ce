package cache

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/scimbridge/scimbridge/internal/redis"
)

// shared is what replicas have in common in Redis: copies, and notes of their changes.
//
// A replica that has changed something leaves a note in a stream before it answers its client, and then a new word beside
// it, drawn by chance. Before a copy serves, the word is looked at: as long as it is the one that was there before the
// notes were read, there are no others whose writers have been answered. So a client reads what it has written, wherever
// it lands next. One reading serves all requests that wait for one.
//
// Under a crowd of questions even that is dear. Then a word is good for a moment, which whoever looks at it says beside it;
// and who leaves a note while that stands there lets the moment pass before the client is answered. So it is never answered
// before the last copy has served that did not know of it.
//
// Reading notes begins with the last one that is known. If that is not there any more, or the connection was made anew,
// notes may have been lost; then the account's feed is read to its end, which tells the same and more. While Redis is away
// no copy serves.
//
// A copy in Redis is stamped with how far its maker had followed feed and notes. It serves a replica that has followed them
// as far back, and knows of nothing that has happened since to what the copy depends on. Copies and notes are sealed under
// keys that come from the scimsession, with their Redis keys as associated data: an old copy that somebody puts back has
// its old stamp.
type shared struct {
	conn    *redis.Conn
	replica string

	mu      sync.Mutex
	pending *reading      // which those wait for who come now
	turn    chan struct{} // holds one token: who reads

	few   int64        // up to how many questions within a moment there is no crowd
	begin time.Time    // of this process, as its clock that only goes on tells
	until atomic.Int64 // how long after begin the last reading is good, in ns
	asked atomic.Int64 // how many questions there were since count

	// For who has the turn:
	count time.Duration // when questions were last counted, after begin
	crowd bool          // there were many
	epoch int64         // connection on which the last note was read
	known string        // the last note that was read
	word  string        // that was there before it was read; "": none was
}

// reading is one reading of the notes, which several wait for.
type reading struct {
	done chan struct{}
	ok   bool
}

const (
	// copyLife is how long a copy stays in Redis: identity providers ask for everybody every 40 minutes.
	copyLife = 6 * time.Hour
	// notesKept is about how many notes stay: far more than a replica misses between two requests. Who misses more reads
	// the feed.
	notesKept = 2000
	// notesRead is how many notes are read at once.
	notesRead = 500
	// moment is for how long a reading is good while there is a crowd: nothing that somebody who waits for a change would
	// notice, and longer than a reading takes.
	moment = 5 * time.Millisecond
	// few is up to how many questions within a moment there is no crowd: 4,000 a second gain less by it than changes lose.
	few = 20
	// momentsLife is how long it stands in Redis that moments are taken: far longer than one.
	momentsLife = time.Second
)

const (
	wordName    = "word"
	momentsName = "moments"
	notesName   = "notes"
	fieldWho    = "r"
	fieldNote   = "n"
)

// keys are what copies are named and sealed by.
type keys struct {
	generation int
	names      sync.Pool // of hash.Hash: HMAC-SHA-256
	seal       cipher.AEAD
}

func newKeys(generation int, secret [32]byte) (*keys, error) {
	k := &keys{generation: generation}
	name, seal := purpose(secret, "names"), purpose(secret, "seal")
	k.names.New = func() any { return hmac.New(sha256.New, name) }
	block, err := aes.NewCipher(seal)
	if err == nil {
		k.seal, err = cipher.NewGCMWithRandomNonce(block)
	}
	return k, err
}

func purpose(secret [32]byte, name string) []byte {
	mac := hmac.New(sha256.New, secret[:])
	mac.Write([]byte("scimbridge cache 1 " + name))
	return mac.Sum(nil)
}

func (k *keys) key(kind copyKind, field, value string) (key copyKey) {
	mac, _ := k.names.Get().(hash.Hash)
	mac.Reset()
	var buf [256]byte
	b := append(buf[:0], byte(kind))
	b = append(b, field...)
	b = append(b, 0)
	b = append(b, value...)
	mac.Write(b)
	var sum [sha256.Size]byte
	copy(key[:], mac.Sum(sum[:0]))
	k.names.Put(mac)
	return key
}

func newShared(conn *redis.Conn) *shared {
	return &shared{conn: conn, replica: rand.Text(), turn: make(chan struct{}, 1), few: few, begin: time.Now()}
}

// name is a copy's key in Redis.
func (s *shared) name(k copyKey) string {
	return s.conn.Key("copy:" + base64.RawURLEncoding.EncodeToString(k[:]))
}

// get reads a copy.
func (s *shared) get(ctx context.Context, ks *keys, k copyKey) (content []byte, st stamp, ok bool) {
	var sealed []byte
	name := s.name(k)
	if err := s.conn.Use(ctx, func(ctx context.Context, r rueidis.Client) (err error) {
		sealed, err = r.Do(ctx, r.B().Get().Key(name).Build()).AsBytes()
		return err
	}); err != nil {
		return nil, st, false
	}
	raw, err := ks.seal.Open(nil, nil, sealed, []byte(name))
	if err != nil || len(raw) < 16 {
		return nil, st, false
	}
	st = stamp{at: int64(binary.BigEndian.Uint64(raw)), note: noteID(binary.BigEndian.Uint64(raw[8:])), shared: true} //nolint:gosec // as it was written
	return raw[16:], st, true
}

// put keeps a copy.
func (s *shared) put(ctx context.Context, ks *keys, k copyKey, st stamp, content []byte) {
	name := s.name(k)
	raw := make([]byte, 0, 16+len(content))
	raw = binary.BigEndian.AppendUint64(raw, uint64(st.at)) //nolint:gosec // no negative entries
	raw = binary.BigEndian.AppendUint64(raw, uint64(st.note))
	sealed := ks.seal.Seal(nil, nil, append(raw, content...), []byte(name))
	_ = s.conn.Use(ctx, func(ctx context.Context, r rueidis.Client) error { // without it the next one asks the account
		return r.Do(ctx, r.B().Set().Key(name).Value(rueidis.BinaryString(sealed)).ExSeconds(int64(copyLife/time.Second)).Build()).Error()
	})
}

// tell leaves a note. An error: others hear of the change by the feed.
func (s *shared) tell(ctx context.Context, ks *keys, things []thing) (noteID, error) {
	name := s.conn.Key(notesName)
	var b strings.Builder
	for _, t := range things {
		b.WriteByte(byte(t.kind))
		b.WriteString(t.id)
		b.WriteByte(' ')
	}
	sealed := ks.seal.Seal(nil, nil, []byte(b.String()), []byte(name))
	var id string
	var moments int64
	err := s.conn.Use(context.WithoutCancel(ctx), func(ctx context.Context, r rueidis.Client) (err error) {
		answers := r.DoMulti(ctx,
			r.B().Xadd().Key(name).Maxlen().Almost().Threshold(strconv.Itoa(notesKept)).Id("*").
				FieldValue().FieldValue(fieldWho, s.replica).FieldValue(fieldNote, rueidis.BinaryString(sealed)).Build(),
			r.B().Set().Key(s.conn.Key(wordName)).Value(rand.Text()).Build(),
			r.B().Exists().Key(s.conn.Key(momentsName)).Build())
		id, err = answers[0].ToString()
		if err = errors.Join(err, answers[1].Error()); err == nil {
			moments, err = answers[2].AsInt64()
		}
		return err
	})
	if err != nil || moments > 0 { // also where it cannot be known
		pause(context.WithoutCancel(ctx), moment)
	}
	if err != nil {
		return 0, err
	}
	return parseNoteID(id)
}

// parseNoteID reads the milliseconds and the number within them of a note.
func parseNoteID(text string) (noteID, error) {
	const numberBits = 20
	ms, number, _ := strings.Cut(text, "-")
	a, err := strconv.ParseUint(ms, 10, 64-numberBits)
	b, err2 := strconv.ParseUint(number, 10, numberBits)
	if err := errors.Join(err, err2); err != nil {
		return 0, fmt.Errorf("note %q: %w", text, err)
	}
	return noteID(a<<numberBits | b), nil
}

// things reads a note.
func (k *keys) things(name, sealed string) ([]thing, error) {
	raw, err := k.seal.Open(nil, nil, []byte(sealed), []byte(name))
	if err != nil {
		return nil, err
	}
	var list []thing
	for _, word := range strings.Fields(string(raw)) {
		list = append(list, thing{thingKind(word[0]), word[1:]})
	}
	return list, nil
}

// sync reads the notes that are not known yet, or waits for somebody who begins to do so after this call. It tells
// whether copies may serve.
func (c *Cache) sync(ctx context.Context, ks *keys) bool {
	s := c.shared
	s.asked.Add(1)
	if time.Since(s.begin) < time.Duration(s.until.Load()) {
		return true
	}
	s.mu.Lock()
	r := s.pending
	mine := r == nil
	if mine {
		r = &reading{done: make(chan struct{})}
		s.pending = r
	}
	s.mu.Unlock()
	if !mine {
		select {
		case <-r.done:
			return r.ok
		case <-ctx.Done():
			return false
		}
	}
	s.turn <- struct{}{} // at most for as long as a reading takes
	s.mu.Lock()
	s.pending = nil
	s.mu.Unlock()
	r.ok = c.readNotes(context.WithoutCancel(ctx), ks) // others wait for it, whether or not this client goes
	<-s.turn
	close(r.done)
	return r.ok
}

func (c *Cache) readNotes(ctx context.Context, ks *keys) bool {
	s := c.shared
	began, epoch := time.Since(s.begin), s.conn.Epoch()
	if since := began - s.count; since >= moment {
		s.crowd = time.Duration(s.asked.Swap(0))*moment > time.Duration(s.few)*since
		s.count = began
	}
	word, err := s.wordNow(ctx, s.crowd)
	if err != nil {
		return false
	}
	same := epoch == s.epoch && epoch == s.conn.Epoch()
	if !same || word == "" || word != s.word {
		if !c.readFrom(ctx, ks, same, epoch, word) {
			return false
		}
	}
	if s.crowd {
		s.until.Store(int64(began + moment))
	}
	return true
}

// readFrom reads the notes after the last one that is known, or everything if some may have been lost since.
func (c *Cache) readFrom(ctx context.Context, ks *keys, same bool, epoch int64, word string) bool {
	s := c.shared
	for same {
		notes, err := s.notes(ctx)
		if err != nil {
			return false
		}
		if len(notes) == 0 || notes[0].ID != s.known || epoch != s.conn.Epoch() {
			break // notes may have been lost
		}
		for _, n := range notes[1:] {
			if !c.heed(ks, n) {
				return c.catchUp(ctx, epoch)
			}
			s.known = n.ID
		}
		if len(notes) < notesRead {
			s.word = word
			return true
		}
	}
	return c.catchUp(ctx, s.conn.Epoch())
}

// wordNow is the word beside the notes; "": there is none. With moments it says before that they are taken.
func (s *shared) wordNow(ctx context.Context, moments bool) (word string, err error) {
	err = s.conn.Use(ctx, func(ctx context.Context, r rueidis.Client) (err error) {
		look := r.B().Get().Key(s.conn.Key(wordName)).Build()
		if moments {
			answers := r.DoMulti(ctx, r.B().Set().Key(s.conn.Key(momentsName)).Value("").PxMilliseconds(momentsLife.Milliseconds()).Build(), look)
			word, err = answers[1].ToString()
			if failed := answers[0].Error(); failed != nil {
				return failed
			}
		} else {
			word, err = r.Do(ctx, look).ToString()
		}
		if rueidis.IsRedisNil(err) {
			err = nil
		}
		return err
	})
	return word, err
}

// heed notes what a note says; false where it cannot be read.
func (c *Cache) heed(ks *keys, n rueidis.XRangeEntry) bool {
	id, err := parseNoteID(n.ID)
	if err != nil {
		return false
	}
	var things []thing
	if sealed := n.FieldValues[fieldNote]; sealed != "" && n.FieldValues[fieldWho] != c.shared.replica { // one's own have been noted
		if things, err = ks.things(c.shared.conn.Key(notesName), sealed); err != nil {
			return false
		}
	}
	c.marks.read(things, id)
	return true
}

// notes reads the last note that is known and what comes after it.
func (s *shared) notes(ctx context.Context) (list []rueidis.XRangeEntry, err error) {
	if s.known == "" {
		return nil, nil
	}
	err = s.conn.Use(ctx, func(ctx context.Context, r rueidis.Client) (err error) {
		list, err = r.Do(ctx, r.B().Xrange().Key(s.conn.Key(notesName)).Start(s.known).End("+").Count(notesRead).Build()).AsXRange()
		return err
	})
	return list, err
}

// catchUp begins with the newest note and reads the feed to its end: every change that has been noted by then is in it.
func (c *Cache) catchUp(ctx context.Context, epoch int64) bool {
	s := c.shared
	var word, last string
	if err := s.conn.Use(ctx, func(ctx context.Context, r rueidis.Client) error {
		answers := r.DoMulti(ctx,
			r.B().Set().Key(s.conn.Key(wordName)).Value(rand.Text()).Nx().Build(),
			r.B().Get().Key(s.conn.Key(wordName)).Build(),
			// An empty note, so that there is one to begin with.
			r.B().Xadd().Key(s.conn.Key(notesName)).Maxlen().Almost().Threshold(strconv.Itoa(notesKept)).Id("*").
				FieldValue().FieldValue(fieldWho, s.replica).Build())
		var err, err2 error
		word, err = answers[1].ToString()
		last, err2 = answers[2].ToString()
		return errors.Join(err, err2)
	}); err != nil {
		return false
	}
	id, err := parseNoteID(last)
	if err != nil || c.hearAll(ctx) != nil {
		return false
	}
	c.marks.read(nil, id)
	s.known, s.word, s.epoch = last, word, epoch
	return true
}
