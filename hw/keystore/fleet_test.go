package keystore

import (
	"encoding/hex"
	"path/filepath"
	"testing"
)

func TestTraces(t *testing.T) {
	fleet := Key{1, 2, 3}
	one, err := Create(filepath.Join(t.TempDir(), "one"), &fleet, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Create(filepath.Join(t.TempDir(), "two"), &fleet, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := one.Traces("UTO", "L898902C3")
	if len(want) != 1 {
		t.Fatalf("got %d traces under one fleet key", len(want))
	}
	for _, same := range [][2]string{{"uto", "l898902c3"}, {"UTO", "L898 902C3<<<"}} {
		if got := two.Traces(same[0], same[1]); got[0] != want[0] {
			t.Errorf("%v gives another trace on the fleet's second device", same)
		}
	}
	for _, other := range [][2]string{{"UTOL", "898902C3"}, {"UTO", "L898902C"}, {"", "UTOL898902C3"}} {
		if one.Traces(other[0], other[1])[0] == want[0] {
			t.Errorf("%v gives the trace of another document", other)
		}
	}
	stranger, _ := create(t, nil)
	if got := stranger.Traces("UTO", "L898902C3"); got[0].Hash == want[0].Hash || got[0].Key == want[0].Key {
		t.Error("another fleet gives the same trace")
	}
	// Fixed for good: stored histories depend on it. HMAC-SHA-256 by hand over
	// domain, 00000003 "UTO", 00000009 "L898902C3".
	if got, want := hex.EncodeToString(want[0].Hash[:]), "1eddf5a84cbcefc2cba5c20cabef91a474ec2c618f640afb88504c0d54b6489c"; got != want {
		t.Errorf("the trace is %s, want %s", got, want)
	}
	if _, err := Create(filepath.Join(t.TempDir(), "zero"), &Key{}, nil); err == nil {
		t.Error("a fleet key of zeros was taken")
	}
}

// Marks tell chips apart within a history and join nothing across two.
func TestMarks(t *testing.T) {
	k, _ := create(t, nil)
	mine, theirs := [32]byte{1}, [32]byte{2}
	want := k.Marks("sod", mine, []byte("a chip"))[0]
	if got := k.Marks("sod", mine, []byte("a chip"))[0]; got != want {
		t.Error("the same chip has two marks")
	}
	for name, got := range map[string]Keyed{
		"another chip":    k.Marks("sod", mine, []byte("b chip"))[0],
		"another history": k.Marks("sod", theirs, []byte("a chip"))[0],
		"another part":    k.Marks("key", mine, []byte("a chip"))[0],
	} {
		if got.Hash == want.Hash {
			t.Errorf("%s has the same mark", name)
		}
	}
}

func TestFleetKeyRotatesWithOverlap(t *testing.T) {
	for name, ask := range map[string]Passphrase{"plain": nil, "sealed": say("correct horse")} {
		t.Run(name, func(t *testing.T) {
			first, dir := create(t, ask)
			trace := first.Traces("UTO", "L898902C3")[0]
			for i, keep := range []int{1, 2, 2} {
				k, err := Rotate(dir, nil, keep, ask)
				if err != nil {
					t.Fatal(err)
				}
				reopened, err := Open(dir, ask)
				if err != nil {
					t.Fatal(err)
				}
				got := reopened.Traces("UTO", "L898902C3")
				if want := min(i+1, keep) + 1; len(got) != want || got[0] != k.Traces("UTO", "L898902C3")[0] {
					t.Fatalf("rotation %d: got %d traces, want %d, the new key's first", i, len(got), want)
				}
				if i < 2 && got[i+1] != trace {
					t.Errorf("rotation %d: the first key's trace is gone within its overlap", i)
				}
				if i == 2 && got[2] == trace {
					t.Error("the first key overlaps with the third after it")
				}
				if reopened.StoreKey() != first.StoreKey() || string(reopened.Signer().PublicKey()) != string(first.Signer().PublicKey()) {
					t.Error("rotation changed the other keys")
				}
			}
			k, err := Retire(dir, ask)
			if err != nil || len(k.FleetKeyIDs()) != 1 {
				t.Errorf("after Retire: %d fleet keys, %v; want the current one", len(k.FleetKeyIDs()), err)
			}
			current := k.FleetKey()
			if _, err := Rotate(dir, &current, 1, ask); err == nil {
				t.Error("the current key was taken for a new one")
			}
			if _, err := Rotate(dir, nil, MaxEarlier+1, ask); err == nil {
				t.Error("more keys overlap than may")
			}
		})
	}
}

func TestFleetKeyTravelsAsText(t *testing.T) {
	k, _ := create(t, nil)
	if got, err := ParseFleet(k.FleetKey().FleetText()); err != nil || got != k.FleetKey() {
		t.Errorf("the key does not survive its text: %v", err)
	}
	for _, bad := range []string{"", "limen-fleet-key-v1 AAAA", "other " + k.FleetKey().FleetText()} {
		if _, err := ParseFleet(bad); err == nil {
			t.Errorf("%q was taken for a fleet key", bad)
		}
	}
}
