package modbus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"limen/internal/repotest"
)

// replay is a port on which a stranger's octets come in pieces.
type replay struct{ in *bytes.Reader }

func (r replay) Write(_ context.Context, b []byte) (int, error) { return len(b), nil }
func (r replay) Read(_ context.Context, b []byte) (int, error) {
	return r.in.Read(b[:min(len(b), 3)])
}

func FuzzAnswer(f *testing.F) {
	f.Add(Seal([]byte{7, ReadInputs, 2, 0x55, 0x2A}), byte(15))
	f.Add(Seal([]byte{7, ReadInputs | exceptionBit, 2}), byte(15))
	f.Add(Seal([]byte{7, ReadInputs, 255, 1}), byte(128))
	f.Fuzz(func(t *testing.T, b []byte, n byte) {
		repotest.Bounded(t, len(b), func() {
			c := Client{Port: replay{bytes.NewReader(b)}, Unit: 7, Baud: 1 << 20, Timeout: time.Nanosecond, last: time.Time{}}
			values, err := c.Inputs(t.Context(), 0, int(n))
			if err == nil && (len(values) != int(n) || !Sealed(b[:5+(int(n)+7)/8])) {
				t.Errorf("% X gave %v", b, values)
			}
			var refused *Exception
			if err != nil && n > 0 && n <= MaxBits && !errors.Is(err, ErrGarbled) && !errors.Is(err, ErrSilent) && !errors.Is(err, io.EOF) && !errors.As(err, &refused) {
				t.Errorf("% X gave %v", b, err)
			}
		})
	})
}
