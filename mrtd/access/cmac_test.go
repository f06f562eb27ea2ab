package access

import (
	"bytes"
	"crypto/aes"
	"fmt"
	"testing"
)

func TestWorkedExampleCMAC(t *testing.T) {
	v := readVector(t, "cmac.txt")
	block, err := aes.NewCipher(v.hex(t, "key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 16, 40, 64} {
		if got, want := cmac(block, v.hex(t, "message")[:n]), v.hex(t, fmt.Sprint("mac_", n)); !bytes.Equal(got, want) {
			t.Errorf("CMAC of %d bytes: got %X, want %X", n, got, want)
		}
	}
}
