package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1" // Doc 9303-11 derives keys with it
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"limen/cmd/internal/demo"
	"limen/cmd/internal/demo/faces"
	"limen/mrtd/mrz"
)

// secrets are values nobody may find outside the officer's page, and every
// form in which they might be found.
type secrets struct {
	mu    sync.Mutex
	forms map[[formKey]byte][]form
	count int
}

// form is one way to write a secret.
type form struct {
	what  string
	bytes []byte
	alone bool // counts only by itself: six digits are also part of longer numbers
}

// formKey is how many bytes a form has at least; forms are looked up by as many.
const formKey = 6

// add adds a secret. Text is also looked for in lower case and escaped as JSON.
func (s *secrets) add(what string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forms == nil {
		s.forms = map[[formKey]byte][]form{}
	}
	s.count++
	value = slices.Clone(value)
	put := func(how string, b []byte) {
		if len(b) < formKey {
			panic(fmt.Sprintf("a secret of %d bytes (%s) would be found everywhere", len(b), what))
		}
		f := form{what + how, b, len(b) == formKey}
		key := [formKey]byte(b)
		s.forms[key] = append(s.forms[key], f)
	}
	put("", value)
	text := string(value)
	for how, v := range map[string]string{" in lower case": strings.ToLower(text), " escaped": strings.ReplaceAll(text, "<", `\u003c`)} {
		if v != text {
			put(how, []byte(v))
		}
	}
	put(" in hex", hex.AppendEncode(nil, value))
	put(" in HEX", bytes.ToUpper(hex.AppendEncode(nil, value)))
	// Base64 of longer data holds the value at one of three alignments; its
	// first and last digits depend on what stands beside it.
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), value...))
		from, to := []int{0, 2, 3}[shift], len(encoded)
		if (shift+len(value))%3 != 0 {
			to--
		}
		if b := encoded[from:to]; len(b) >= formKey {
			put(" in base64", []byte(b))
			put(" in URL base64", []byte(strings.NewReplacer("+", "-", "/", "_").Replace(b)))
		}
	}
}

// find names every secret in b, each once.
func (s *secrets) find(b []byte) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for i := 0; i+formKey <= len(b); i++ {
		for _, f := range s.forms[[formKey]byte(b[i:i+formKey])] {
			end := i + len(f.bytes)
			if end > len(b) || !bytes.Equal(b[i:end], f.bytes) || slices.Contains(found, f.what) {
				continue
			}
			if f.alone && (i > 0 && hexDigit(b[i-1]) || end < len(b) && hexDigit(b[end])) {
				continue
			}
			found = append(found, f.what)
		}
	}
	return found
}

func hexDigit(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// addTraveller adds what a traveller's document says, prints and is opened with.
func (s *secrets) addTraveller(t *testing.T, tr demo.Traveller, printed []string) {
	t.Helper()
	d := tr.Document
	for what, v := range map[string]string{
		"number": d.Number, "surname": d.Surname, "given name": d.Given, "date of birth": d.Birth,
		"date of birth in the MRZ": strings.ReplaceAll(d.Birth, "-", "")[2:], "printed name": tr.Wrong.PrintedName, "card access number": d.CAN,
	} {
		if v != "" {
			s.add(what+" of "+tr.Name, []byte(v))
		}
	}
	for i, line := range printed {
		s.add(fmt.Sprintf("MRZ line %d of %s", i+1, tr.Name), []byte(line))
	}
	m, err := mrz.Parse(printed, specimenDay)
	if err != nil {
		t.Fatal(err)
	}
	s.add("key material of "+tr.Name, []byte(m.KeyMaterial()))
	s.addKeys("MRZ of "+tr.Name, sha1Of([]byte(m.KeyMaterial())))
	if d.CAN != "" {
		s.addKeys("CAN of "+tr.Name, []byte(d.CAN))
	}
	portrait, err := faces.Portrait(tr.Face)
	if tr.Document.JPEG2000 {
		portrait, err = faces.PortraitJPEG2000(tr.Face)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.add("portrait's beginning of "+tr.Name, portrait[:24])
	s.add("portrait's middle of "+tr.Name, portrait[len(portrait)/2:][:24])
}

// addKeys adds the keys derived from a password (Doc 9303-11, 9.7): BAC's of
// the first 16 bytes of the MRZ's SHA-1, PACE's of all of it or of the CAN.
func (s *secrets) addKeys(of string, password []byte) {
	counter := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	if len(password) == sha1.Size {
		s.add("SHA-1 of the "+of, password)
		seed := password[:16]
		for n := uint32(1); n <= 2; n++ {
			key := sha1Of(append(slices.Clone(seed), counter(n)...))[:16]
			s.add(fmt.Sprintf("BAC key %d of the %s", n, of), key)
			for i, b := range key { // as a DES key, with odd parity
				ones := 0
				for v := b >> 1; v != 0; v &= v - 1 {
					ones++
				}
				key[i] = b&^1 | byte(ones+1)&1
			}
			s.add(fmt.Sprintf("BAC key %d with parity of the %s", n, of), key)
		}
	}
	k := sha256.Sum256(append(slices.Clone(password), counter(3)...))
	s.add("PACE key of the "+of, k[:])
}

func sha1Of(b []byte) []byte { h := sha1.Sum(b); return h[:] }

// stranger is a traveller whose every value is made up on the spot, so that
// it stands nowhere else.
func stranger(name, face string) demo.Traveller {
	pick := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			at, _ := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
			b[i] = alphabet[at.Int64()]
		}
		return string(b)
	}
	const letters, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	day, _ := rand.Int(rand.Reader, big.NewInt(30*365))
	return demo.Traveller{Name: name, Face: face, Document: demo.Document{
		Format: demo.TD3, Number: pick("CFGHJKLMNPRTVWXYZ", 2) + pick(digits, 7), Surname: pick(letters, 10), Given: pick(letters, 9),
		Sex: mrz.Male, Birth: specimenDay.AddDate(-60, 0, int(day.Int64())).Format("2006-01-02"), CAN: pick(digits, 6), Access: demo.PACE,
	}}
}

// What cannot fail shows nothing: each form of each secret is found when it
// is planted, and nothing is found in noise.
func TestSearcherFindsWhatIsPlanted(t *testing.T) {
	tr := stranger("planted", "traveller-01")
	tr.Wrong.PrintedName = "QQWWEEZZXX"
	printed, err := mrz.Format(mrz.Fields{Layout: mrz.TD3, DocumentCode: "P", Issuer: "UTO", Number: tr.Document.Number, Nationality: "UTO",
		Primary: tr.Document.Surname, Secondary: tr.Document.Given, Sex: mrz.Male, Birth: mrz.Date{Year: 1970, Month: 1, Day: 2}, Expiry: mrz.Date{Year: 2030, Month: 1, Day: 2}})
	if err != nil {
		t.Fatal(err)
	}
	s := &secrets{}
	s.addTraveller(t, tr, printed)
	noise := make([]byte, 1<<20)
	rand.Read(noise)
	if found := s.find(noise); found != nil {
		t.Errorf("in noise: found %v", found)
	}
	planted := 0
	for _, forms := range s.forms {
		for _, f := range forms {
			b := slices.Clone(noise[:4096])
			copy(b[1000:], append(append([]byte("x"), f.bytes...), 'x'))
			if found := s.find(b); !slices.Contains(found, f.what) {
				t.Errorf("%s (%q) was planted and not found", f.what, f.bytes)
			}
			planted++
		}
	}
	for _, v := range []string{tr.Document.Number, tr.Document.Surname, printed[1], tr.Document.CAN} {
		for shift := range 3 {
			b := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("#", shift) + v + "##"))
			if found := s.find([]byte(b)); len(found) == 0 {
				t.Errorf("%q in base64 at alignment %d was not found", v, shift)
			}
		}
		if found := s.find(fmt.Appendf(nil, "{%q}", hex.EncodeToString([]byte(v)))); len(found) == 0 {
			t.Errorf("%q in hex was not found", v)
		}
	}
	t.Logf("%d secrets in %d forms", s.count, planted)
}
