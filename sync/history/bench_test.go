package history

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"limen"
	"limen/sync/journal"
)

var (
	benchEntries = flag.Int("entries", 20_000, "entries of the history that benchmarks ask")
	benchStore   = flag.String("store", "", "folder of that history, which stays and is filled up to -entries; a temporary one when empty")
)

// benchFleet is one fleet key, without the test double's strings.
type benchFleet struct{}

func (benchFleet) Traces(issuer, number string) []limen.Trace {
	mac := hmac.New(sha256.New, []byte("a fleet key of a benchmark"))
	mac.Write([]byte(issuer + "\x00" + number))
	return []limen.Trace{{Key: [4]byte{1}, Hash: [32]byte(mac.Sum(nil))}}
}

func (benchFleet) Marks(what string, p limen.Pseudonym, value []byte) []limen.Mark {
	mac := hmac.New(sha256.New, []byte("a fleet key of a benchmark"))
	mac.Write(slices.Concat([]byte(what), p[:], value))
	return []limen.Mark{append(limen.Mark{1, 0, 0, 0}, mac.Sum(nil)[:16]...)}
}

// benchNumber spreads entries over documents, of which each comes back four times.
func benchNumber(i, entries int) string { return fmt.Sprintf("B%08d", i%max(1, entries/4)) }

// benchRecord has the size of a real inspection's, about 1.5 kB.
func benchRecord(i int, p limen.Pseudonym) limen.Record {
	now := limen.MomentOf(time.Now())
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], uint64(i))
	r := limen.Record{
		Version: limen.RecordVersion, Kind: limen.KindInspection, ID: fmt.Sprintf("%032x", sha256.Sum256(id[:]))[:32], Site: "utopia-airport", Device: "gate-1",
		Started: now, Ended: now, Document: limen.Document{Format: "TD3", Code: "P", Issuer: "UTO", Pseudonym: p},
		Chip: limen.ChipFacts{Access: "PACE brainpoolP256r1 AES-256", Groups: []int{1, 2, 14}, SignerCountry: "UT", HashAlgorithm: "SHA-256", Proof: "chip_authentication",
			SODMark: make(limen.Mark, limen.MarkSize), KeyMark: make(limen.Mark, limen.MarkSize)},
		Decision: limen.Decision{Outcome: limen.Admit}, Policy: "utopia-egate-1", Software: "limen",
	}
	for _, name := range []limen.CheckName{limen.CheckMRZ, limen.CheckEligibility, limen.CheckExpiry, limen.CheckChipAccess, limen.CheckChipRead, limen.CheckSODSignature, limen.CheckCSCAChain,
		limen.CheckIssuer, limen.CheckCOM, limen.CheckCardAccess, limen.CheckMRZChip, limen.CheckChipGenuine, limen.CheckFace, limen.CheckFaceAlive, limen.CheckPortrait, limen.CheckFaceMatch,
		limen.CheckFaceMorph, limen.CheckHistory, limen.CheckCompleted} {
		r.Checks = append(r.Checks, limen.Check{Name: name, Status: limen.Passed})
	}
	return r
}

// benchHistory is a history of -entries inspections.
func benchHistory(b *testing.B) (*History, string) {
	b.Helper()
	dir := *benchStore
	if dir == "" {
		dir = b.TempDir()
	}
	j, err := journal.Open(dir, journal.Options{Key: make([]byte, 32), Name: "limen/gate-1", Signer: key{ed25519.NewKeyFromSeed(make([]byte, 32))}})
	if err != nil {
		b.Fatal(err)
	}
	h := New(j, Options{Pseudonyms: benchFleet{}, Site: "utopia-airport", Device: "gate-1"})
	b.Cleanup(func() { h.Close() })
	began, from := time.Now(), int(j.Size())
	next := make(chan int)
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for i := range next {
				about, err := h.Subject(context.Background(), benchFleet{}.Traces("UTO", benchNumber(i, *benchEntries)))
				if err == nil {
					_, err = h.Append(context.Background(), benchRecord(i, about.Pseudonym), about)
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := from; i < *benchEntries; i++ {
		next <- i
	}
	close(next)
	wg.Wait()
	if took := time.Since(began); *benchEntries > from {
		b.Logf("%d entries appended in %v, %.0f a second", *benchEntries-from, took.Round(time.Millisecond), float64(*benchEntries-from)/took.Seconds())
	}
	return h, dir
}

// sizeOf is what the files below dir take of the disk, holes left out.
func sizeOf(b *testing.B, dir string) (bytes int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err == nil {
			bytes += onDisk(info)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

// timed reports the median and the 99th percentile of what each call took.
func timed(b *testing.B, call func(i int)) {
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		call(i)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[min(len(took)-1, int(q*float64(len(took))))].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "ms-p50")
	b.ReportMetric(at(0.99), "ms-p99")
}

// BenchmarkQuestion is what the line waits for: from issuer and number to the
// document's earlier checks. Documents are asked in random order, so that
// nothing is in memory because it was just read.
func BenchmarkQuestion(b *testing.B) {
	h, dir := benchHistory(b)
	order := benchOrder()
	found := 0
	timed(b, func(i int) {
		about, err := h.Subject(context.Background(), benchFleet{}.Traces("UTO", benchNumber(order(i), *benchEntries)))
		if err != nil {
			b.Fatal(err)
		}
		seen, err := h.Earlier(context.Background(), about, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		found += len(seen)
	})
	b.ReportMetric(float64(found)/float64(b.N), "found/op")
	b.ReportMetric(float64(h.journal.Size()), "entries")
	b.ReportMetric(float64(sizeOf(b, dir))/1e6, "MB")
}

// BenchmarkFind is `limen history find` without the socket: the same, and the
// question's own entry with its fsync.
func BenchmarkFind(b *testing.B) {
	h, _ := benchHistory(b)
	order := benchOrder()
	timed(b, func(i int) {
		f, err := h.Find(context.Background(), Document{"UTO", benchNumber(order(i), *benchEntries)}, Asker{"benchmark", "figures"})
		if err != nil {
			b.Fatalf("found %d, %v", f.Times, err)
		}
	})
	b.ReportMetric(float64(h.journal.Size()), "entries")
}

// BenchmarkErase is the erasure of one document with its four entries, files and all.
func BenchmarkErase(b *testing.B) {
	h, _ := benchHistory(b)
	order := benchOrder()
	timed(b, func(i int) {
		d := Document{"UTO", benchNumber(order(i), *benchEntries)}
		if _, err := h.Erase(context.Background(), Selection{Document: &d}, Asker{"benchmark", "figures"}); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportMetric(float64(h.journal.Size()), "entries")
}

// benchOrder jumps through the entries without pattern and without chance.
func benchOrder() func(i int) int {
	return func(i int) int {
		h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		return int(binary.BigEndian.Uint64(h[:]) % uint64(*benchEntries))
	}
}
