package terminal

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"limen/hw/keystore/token"
	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/cvc"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

var at = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)

const information = "L898902C3674081221204159"

// saved is a hierarchy of terminals in a folder, and a chip that trusts it.
func saved(t *testing.T, key specimen.KeyKind) (string, *specimen.Verifier, chipsim.Passport) {
	t.Helper()
	profile := specimen.DefaultVerifier(at.AddDate(0, -1, 0))
	if key.Scheme != "" {
		profile.Key = key
	}
	v, err := specimen.NewVerifier(profile, specimen.Seed("terminal"))
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "terminal")
	if err := v.Save(folder); err != nil {
		t.Fatal(err)
	}
	a, err := specimen.NewAuthority(specimen.DefaultProfile(at), specimen.Seed("terminal"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Issue(specimen.Spec{
		Lines: []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}, BAC: true,
		ChipAuth: []specimen.ChipAuth{{Cipher: access.AES128, Curve: "brainpoolP256r1", KeyID: -1}},
		Groups:   map[int][]byte{3: ber.Encode(0x63, bytes.Repeat([]byte{3}, 100))},
		CVCA:     [][]byte{v.TrustPoint()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return folder, v, p
}

// reads opens a chip's fingerprints with an inspection system.
func reads(t *testing.T, p chipsim.Passport, s *System) error {
	t.Helper()
	ctx, card := t.Context(), chipsim.New(p, chipsim.Options{})
	if _, err := apdu.Send(ctx, card, apdu.SelectApplication(apdu.EMRTD())); err != nil {
		return err
	}
	session, err := access.BAC(ctx, card, information, rand.Reader)
	if err != nil {
		return err
	}
	group14, err := ber.Parse(p.Files[0x010E], 0x6E)
	if err != nil {
		return err
	}
	infos, err := lds.ParseSecurityInfos(group14.Value)
	if err != nil {
		return err
	}
	chip, err := access.ChipAuthentication(ctx, session, access.ChipAuthVariants(infos)[0], rand.Reader)
	if err != nil {
		return err
	}
	points, err := access.ReadTrustPoints(ctx, chip.Session, infos.EFCVCA())
	if err != nil {
		return err
	}
	if _, err := access.TerminalAuthentication(ctx, chip.Session, points.References(), s, access.DocumentChipID(information), chip.Key); err != nil {
		return err
	}
	c := apdu.ReadBinarySFI(3, 50)
	r, err := apdu.Send(ctx, chip.Session, c)
	if err != nil {
		return err
	}
	return r.Check(c)
}

func TestKeyInAFile(t *testing.T) {
	folder, _, p := saved(t, specimen.KeyKind{})
	s, err := Open(t.Context(), Config{Folder: folder}, nil, at)
	if err != nil {
		t.Fatal(err)
	}
	if err := reads(t, p, s); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	key := filepath.Join(folder, "UTIS00001.pem")
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Folder: folder}, nil, at); err == nil || !strings.Contains(err.Error(), "chmod 0600 "+key) {
		t.Errorf("a key that others may read: got %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Folder: folder}, nil, at); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("no key: got %v", err)
	}
	if _, err := Open(t.Context(), Config{Folder: t.TempDir()}, nil, at); err == nil {
		t.Error("an empty folder: no error")
	}
}

// The key is moved from its file into a token, which then opens the chip.
func TestKeyInAToken(t *testing.T) {
	libraries, _ := filepath.Glob("/usr/lib/softhsm/libsofthsm2.so")
	if more, _ := filepath.Glob("/usr/lib/*/softhsm/libsofthsm2.so"); len(libraries) == 0 {
		libraries = more
	}
	if len(libraries) == 0 {
		t.Skip("libsofthsm2.so is not installed: this test needs Debian's package softhsm2")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	util := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("softhsm2-util", args...).CombinedOutput(); err != nil {
			t.Fatalf("softhsm2-util: %v: %s", err, out)
		}
	}
	for name, key := range map[string]specimen.KeyKind{
		"brainpoolP256r1": {},
		"RSA-PSS":         {Scheme: trust.RSAPSS, Bits: 2048, Hash: crypto.SHA256},
	} {
		folder, _, p := saved(t, key)
		util("--init-token", "--free", "--label", name, "--pin", "1234", "--so-pin", "5678")
		file := filepath.Join(folder, "UTIS00001.pem")
		util("--import", file, "--token", name, "--label", "UTIS00001", "--id", "01", "--pin", "1234")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		pin := func() ([]byte, error) { return []byte("1234"), nil }
		s, err := Open(t.Context(), Config{Folder: folder, Token: &token.Config{Module: libraries[0], Label: name}}, pin, at)
		if err != nil {
			t.Fatal(err)
		}
		if _, software := s.Keys["UTIS00001"].(*cvc.Key); software {
			t.Errorf("%s: the key is in software", name)
		}
		if err := reads(t, p, s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := reads(t, p, s); err == nil {
			t.Errorf("%s: a closed token signed", name)
		}
	}
}
