package journal

import (
	"strings"
	"testing"
)

// The device vouches for what it erased, and its word fits nothing else.
func TestVouchForErasedEntries(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	appendN(t, j, 4)
	for _, i := range []uint64{1, 2} {
		if err := j.Erase(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	stub := func(i uint64) Stub {
		e, err := j.Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		return Stub{i, e.Leaf}
	}
	signed, err := j.Vouch(t.Context(), []uint64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckVouched(signed, j.Verifier(), []Stub{stub(1), stub(2)}); err != nil {
		t.Errorf("the device's word: got %v, want it taken", err)
	}
	for name, stubs := range map[string][]Stub{
		"none":          nil,
		"fewer":         {stub(1)},
		"more":          {stub(1), stub(2), stub(3)},
		"another":       {stub(1), stub(3)},
		"another place": {stub(1), {3, stub(2).Leaf}},
	} {
		if err := CheckVouched(signed, j.Verifier(), stubs); err == nil {
			t.Errorf("%s: the word was taken for it", name)
		}
	}
	if _, err := OpenCheckpoint(signed, j.Verifier()); err == nil {
		t.Error("the word was taken for a checkpoint")
	}
	checkpoint, err := j.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckVouched(checkpoint, j.Verifier(), nil); err == nil {
		t.Error("a checkpoint was taken for the word")
	}
	if err := CheckVouched([]byte(strings.Replace(string(signed), "limen erased", "limen erasee", 1)), j.Verifier(), []Stub{stub(1), stub(2)}); err == nil {
		t.Error("a changed word was taken")
	}
	if _, err := j.Vouch(t.Context(), []uint64{1, 3}); err == nil || !strings.Contains(err.Error(), "entry 3 is erased: it is not") {
		t.Errorf("for an entry that is there: got %v, want it refused", err)
	}
}
