package trust_test

import (
	"bytes"
	"encoding/pem"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// FuzzImport takes files of every kind into a store that holds one anchor: what
// nobody signed for is never in it, and a file is taken as a whole or not at all.
func FuzzImport(f *testing.F) {
	root, all := swellable(f)
	for _, b := range all {
		f.Add(b, true)
	}
	f.Add(pemOf(all["certificate"], all["signer"]), true)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: all["master list"]}), false)
	f.Add(specimen.LDIF(specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "x", Attribute: attributeDSC, Value: all["signer"]}), true)
	own := map[string]bool{}
	for _, c := range [][]byte{all["certificate"], authority(f, "other").CSCA()} {
		own[string(parse(f, c).TBS)] = true
	}
	f.Fuzz(func(t *testing.T, b []byte, linked bool) {
		var s *trust.Store
		i, err := repotest.Parsed(t, b, func(b []byte) (trust.Imported, error) {
			s = trust.NewStore()
			s.Add(trust.Source{Name: "anchor", Imported: begin}, root)
			return s.ImportFrom("file", bytes.NewReader(b), trust.Vouching{Roots: []*trust.Certificate{root}, LinksOnly: linked}, now)
		})
		if err != nil {
			if s.Len() != 1 || len(s.Sources()) != 1 {
				t.Errorf("a refused file left %d anchors of %d sources", s.Len(), len(s.Sources()))
			}
			return
		}
		if i.Kind == "" || !i.Held && len(s.Sources()) != 2 {
			t.Errorf("taken as %q from %d sources", i.Kind, len(s.Sources()))
		}
		for _, c := range s.Certificates() {
			if linked && !own[string(c.TBS)] { // else the caller vouches for certificates
				t.Errorf("nobody vouches for %s", c.Subject)
			}
		}
	})
}

// FuzzParseSignedData judges a message by the certificates it brings along and
// by one that it does not.
func FuzzParseSignedData(f *testing.F) {
	root, all := swellable(f)
	f.Add(all["master list"])
	f.Add(all["deviation list"])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := repotest.Parsed(t, b, trust.ParseSignedData)
		if err != nil {
			return
		}
		repotest.Bounded(t, len(b), func() {
			for _, signer := range s.Signers {
				if s.Verify(signer, root) == nil {
					t.Error("a message verifies by a key that signed none")
				}
				for _, der := range s.Certificates {
					if c, err := trust.ParseCertificate(der); err == nil && signer.Identifies(c) {
						_ = s.Verify(signer, c)
					}
				}
			}
		})
	})
}
