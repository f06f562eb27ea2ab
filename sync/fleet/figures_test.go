package fleet

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"limen/sync/journal"
	"limen/sync/wire"
)

// quick is a device whose journal is in memory, so that a benchmark measures
// the centre.
type quick struct {
	name   string
	key    key
	signer note.Signer
	hashes []tlog.Hash
	size   uint64
}

type quickSigner struct {
	note.Verifier
	key
}

func (q *quick) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for k, i := range indexes {
		out[k] = q.hashes[i]
	}
	return out, nil
}

func (q *quick) batch(b *testing.B, n int, body []byte) []byte {
	b.Helper()
	batch := wire.Batch{Device: q.name, First: q.size}
	for range n {
		salt := make([]byte, 32)
		rand.Read(salt)
		leaf := journal.Commitment(salt, body)
		hashes, err := tlog.StoredHashes(int64(q.size), leaf[:], q)
		if err != nil {
			b.Fatal(err)
		}
		q.hashes = append(q.hashes, hashes...)
		q.size++
		batch.Entries = append(batch.Entries, wire.Entry{Leaf: leaf[:], Salt: salt, Body: body})
	}
	root, err := tlog.TreeHash(int64(q.size), q)
	if err != nil {
		b.Fatal(err)
	}
	text := journal.Checkpoint{Origin: wire.Origin(q.name), Size: q.size, Root: root}.Text()
	if batch.Checkpoint, err = note.Sign(&note.Note{Text: text}, q.signer); err != nil {
		b.Fatal(err)
	}
	payload, err := batch.Encode()
	if err != nil {
		b.Fatal(err)
	}
	return payload
}

// BenchmarkIngest is decoding, verifying, committing (SQLite: WAL,
// synchronous=FULL; PostgreSQL over its Unix socket) and signing receipts, one
// transaction an iteration.
func BenchmarkIngest(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { ingestShapes(b, inSQLite) })
	b.Run("PostgreSQL", func(b *testing.B) { ingestShapes(b, inPostgres) })
}

func ingestShapes(b *testing.B, at place) {
	for _, shape := range []struct{ devices, entries int }{{1, 1}, {1, 64}, {32, 1}, {32, 16}} {
		b.Run(fmt.Sprintf("%d_devices_%d_entries", shape.devices, shape.entries), func(b *testing.B) {
			c := newBare(b, at)
			body := c.record(7)
			var devices []*quick
			for k := range shape.devices {
				q := &quick{name: fmt.Sprintf("lane-%d", k), key: newKey(byte(100 + k))}
				v, err := journal.Verifier(wire.Origin(q.name), q.key.PublicKey())
				if err != nil {
					b.Fatal(err)
				}
				q.signer = quickSigner{v, q.key}
				if err := c.records.Enrol(b.Context(), q.name, q.key.PublicKey(), day); err != nil {
					b.Fatal(err)
				}
				devices = append(devices, q)
			}
			stored := 0
			for b.Loop() {
				b.StopTimer()
				var group []message
				for _, q := range devices {
					group = append(group, message{q.name, wire.KindEntries, q.batch(b, shape.entries, body), day})
				}
				b.StartTimer()
				answers, err := c.records.take(b.Context(), group, c.signer)
				if err != nil || len(answers) != len(group) || answers[0].Refusal != "" {
					b.Fatalf("got %+v, %v", answers, err)
				}
				stored += shape.devices * shape.entries
			}
			b.ReportMetric(float64(stored)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkJournalToCentre is a backlog on its whole way: journal, outbox, TLS,
// MQTT, broker, database, receipt.
func BenchmarkJournalToCentre(b *testing.B) {
	const backlog = 500
	for b.Loop() {
		b.StopTimer()
		s := newSite(b)
		s.start()
		d := s.newDevice("gate-1", 1, s.ReceiptKey())
		if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
			b.Fatal(err)
		}
		d.append(backlog)
		b.StartTimer()
		_, stop := d.connect(s.MQTTAddr())
		s.settled(d)
		b.StopTimer()
		if err := stop(); err != nil {
			b.Fatal(err)
		}
		if err := s.stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(backlog*b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkBrokerMemory is what the embedded broker with one device connected
// adds to the process. Only the first counts: later ones find memory warm.
func BenchmarkBrokerMemory(b *testing.B) {
	s := newSite(b)
	config, err := serverTLS(s.authority.CAPath(), s.server.Certificate, s.server.Key)
	if err != nil {
		b.Fatal(err)
	}
	files, err := s.authority.Device("gate-1")
	if err != nil {
		b.Fatal(err)
	}
	heap, resident := memory(b)
	for first := true; b.Loop(); first = false {
		broker, err := startBroker(b.TempDir(), "127.0.0.1:0", config, "secret", nil, s.config().withDefaults().Log)
		if err != nil {
			b.Fatal(err)
		}
		c, err := dialMQTT(clientTLS(b, s.authority, files), broker.addr, "gate-1")
		if err != nil {
			b.Fatal(err)
		}
		h, r := memory(b)
		c.Disconnect(500)
		broker.stop()
		if first {
			b.ReportMetric(float64(h-heap)/(1<<20), "heap-MiB")
			b.ReportMetric(float64(r-resident)/(1<<20), "resident-MiB")
		}
	}
}

func memory(b *testing.B) (heap, resident int64) {
	b.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc here")
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return int64(m.HeapAlloc + m.StackInuse), pages * int64(os.Getpagesize())
}
