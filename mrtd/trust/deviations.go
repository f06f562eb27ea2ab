package trust

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// heldDeviations is a deviation list of the store.
type heldDeviations struct {
	DeviationList
	source int
}

// AddDeviations takes a list that VerifyDeviationList judged. It takes the
// place of an older one of the same signer's name; an older list is refused
// with an error that wraps ErrOlder. The list that is held already is no
// error, and added is false.
func (s *Store) AddDeviations(from Source, l DeviationList, at time.Time) (added bool, err error) {
	if added, err = s.addDeviations(l, len(s.sources), at); added {
		s.sources = append(s.sources, from)
	}
	return added, err
}

func (s *Store) addDeviations(l DeviationList, source int, at time.Time) (added bool, err error) {
	switch {
	case l.Signer == nil:
		return false, errors.New("deviation list: its signature has not been judged")
	case l.SigningTime.After(at.Add(day)):
		return false, fmt.Errorf("deviation list of %s is of %s, which is still to come", l.Signer.Subject, l.SigningTime.Format(time.DateOnly))
	case !l.Signer.oneCountry(): // a state speaks of its own documents
		return false, fmt.Errorf("deviation list: its signer %s is of another country than its issuer %s", l.Signer.Subject, l.Signer.Issuer)
	case s.Revoked(l.Signer, at).Revoked:
		return false, fmt.Errorf("deviation list: %w: the certificate of %s has been revoked", ErrSignature, l.Signer.Subject)
	}
	held := s.deviations[l.Signer.Subject.key]
	if held != nil && held.digest == l.digest {
		return false, nil
	}
	if held != nil && !l.SigningTime.After(held.SigningTime) {
		return false, fmt.Errorf("deviation list of %s of %s is %w, of %s", l.Signer.Subject,
			l.SigningTime.Format(time.DateTime), ErrOlder, held.SigningTime.Format(time.DateTime))
	}
	s.deviations[l.Signer.Subject.key] = &heldDeviations{l, source}
	return true, nil
}

// DeviationLists lists the deviation lists of the store, by signer.
func (s *Store) DeviationLists() []DeviationList {
	var out []DeviationList
	for _, key := range sortedKeys(s.deviations) {
		out = append(out, s.deviations[key].DeviationList)
	}
	return out
}

// Deviations are the known faults of documents of a signer: those its own
// state published. The document's code and number are as the MRZ has them, ""
// where not known; signed is the time EF.SOD states, zero where it does not.
// Conditions are joined by "and" (Doc 9303-12, 10); one that cannot be judged
// excludes nothing, but for a list of numbers.
func (s *Store) Deviations(signer *Certificate, code, number string, signed time.Time) []Deviation {
	var out []Deviation
	for _, key := range sortedKeys(s.deviations) {
		l := s.deviations[key]
		if l.Signer.Subject.Country == "" || l.Signer.Subject.Country != signer.Subject.Country {
			continue
		}
		for _, d := range l.Deviations {
			if d.concerns(signer, code, number, signed) {
				out = append(out, d)
			}
		}
	}
	return out
}

// issuingGrace is how far the time a document was signed may lie from the day
// it was issued: that is the day of the application in some states (Doc
// 9303-3, 7.3.6).
const issuingGrace = 90 * day

func (d *Deviation) concerns(signer *Certificate, code, number string, signed time.Time) bool {
	switch {
	case d.DocumentType != "" && code != "" && !CoversDocument(d.DocumentType, code),
		d.Serial != nil && !(d.Serial.Cmp(signer.Serial) == 0 && d.Issuer.Equal(signer.Issuer)),
		d.SubjectKeyID != nil && (len(d.SubjectKeyID) == 0 || !bytes.Equal(d.SubjectKeyID, signer.SubjectKeyID)),
		d.Digest != nil && !d.digestOf(signer),
		!d.From.IsZero() && !signed.IsZero() && (signed.Before(d.From.Add(-issuingGrace)) || signed.After(d.Until.Add(issuingGrace))):
		return false
	}
	return d.numbers == nil || number != "" && d.names(number)
}

func (d *Deviation) digestOf(c *Certificate) bool {
	h := d.Hash.New()
	h.Write(c.Raw)
	return bytes.Equal(h.Sum(nil), d.Digest)
}

func (d *Deviation) names(number string) bool {
	found := false
	number = strings.TrimRight(number, "<")
	_ = eachNumber(d.numbers, func(b []byte) bool { // parsed before
		found = strings.TrimRight(string(b), "< ") == number
		return !found
	})
	return found
}

// CoversDocument tells whether a document type of a certificate or list stands
// for an MRZ's document code: a single letter does for every code that begins
// with it (Doc 9303-12, 7.1.1.6).
func CoversDocument(documentType, code string) bool {
	documentType, code = strings.ToUpper(strings.TrimRight(documentType, "< ")), strings.TrimRight(code, "<")
	return documentType != "" && (documentType == code || len(documentType) == 1 && strings.HasPrefix(code, documentType))
}
