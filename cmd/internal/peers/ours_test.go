package peers

import (
	"context"
	"testing"
	"time"

	"limen/hw/pcsc"
	"limen/mrtd"
	"limen/mrtd/mrz"

	"limen/hw/sim/pcscdtest"
)

// limit bounds any one reading, ours or a peer's: long enough for a JVM to
// start on a machine that others keep busy.
const limit = 2 * time.Minute

// document is the specimen's MRZ, parsed.
func document(t testing.TB) mrz.MRZ {
	t.Helper()
	m, err := mrz.Parse(specimenLines, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// await waits for the chip in the virtual reader.
func await(t testing.TB) (card *pcsc.Card, release func()) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	reader, err := pcsc.Open(ctx, pcscdtest.Reader)
	if err != nil {
		t.Fatal(err)
	}
	card, err = reader.WaitCard(ctx)
	if err != nil {
		reader.Close()
		t.Fatal(err)
	}
	return card, func() {
		card.Close(context.Background())
		reader.Close()
	}
}

// ours reads the chip in the virtual reader with limen's reader.
func ours(t testing.TB, key mrtd.Key, opt mrtd.Options) (mrtd.Reading, error) {
	t.Helper()
	card, release := await(t)
	defer release()
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	return mrtd.Read(ctx, card, key, opt)
}
