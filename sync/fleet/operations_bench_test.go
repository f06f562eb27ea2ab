package fleet

import (
	"fmt"
	"testing"

	"limen/sync/wire"
)

// crowd is records of n devices, each with a health.
func crowd(b *testing.B, n int) *Records {
	b.Helper()
	r, err := CreateRecords(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	health, err := wire.Health{At: day.UnixMilli(), Site: "utopia", DiskFree: 50 << 30, DiskSize: 100 << 30, Parts: []wire.Part{{Name: "MRZ reader", State: wire.PartWorking}, {Name: "camera", State: wire.PartWorking}}}.Encode()
	if err != nil {
		b.Fatal(err)
	}
	tx, err := r.write.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for k := range n {
		if _, err := tx.Exec("INSERT INTO devices (name, public_key, enrolled, root, state, seen, site, health) VALUES ($1, $2, $3, $4, 'running', $3, $5, $6)",
			fmt.Sprintf("gate-%d", k), newKey(1).PublicKey(), day.UnixMilli(), make([]byte, 32), fmt.Sprintf("site-%d", k%100), health); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	return r
}

// What each look at the fleet costs: once in two seconds for alarms, once a
// second while somebody watches a page.
func BenchmarkLook(b *testing.B) {
	for _, n := range []int{200, 2_000, 20_000} {
		r := crowd(b, n)
		b.Run(fmt.Sprintf("devices/%d", n), func(b *testing.B) {
			for b.Loop() {
				devices, err := r.Devices(b.Context())
				if err != nil || len(devices) != n {
					b.Fatal(len(devices), err)
				}
			}
		})
		b.Run(fmt.Sprintf("watch/%d", n), func(b *testing.B) {
			for b.Loop() {
				if opened, err := r.Watch(b.Context(), day); err != nil || len(opened) != 0 {
					b.Fatal(opened, err)
				}
			}
		})
	}
}

// BenchmarkTally counts entries that were stored before.
func BenchmarkTally(b *testing.B) {
	d := newBare(b, inSQLite)
	d.append(4096)
	for first := uint64(0); first < 4096; first += 256 {
		d.wantReceipt("a batch", d.send(d.name, d.batch(d.journal, first, first+256)), first+256)
	}
	for b.Loop() {
		if _, err := d.records.write.Exec("UPDATE devices SET tallied = 0"); err != nil {
			b.Fatal(err)
		}
		if n, err := d.records.Tally(b.Context()); n != 4096 || err != nil {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(4096*b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkAudit writes lines, and verifies a chain of 10 000.
func BenchmarkAudit(b *testing.B) {
	d := newBare(b, inSQLite)
	line := Access{Name: "ana", Roles: "supervisor", Action: ActionSearch, Subject: "document abcd0000", Reason: "investigation: case 2026-17"}
	b.Run("note", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.records.Note(b.Context(), line, day); err != nil {
				b.Fatal(err)
			}
		}
	})
	have, err := d.records.Audit(b.Context(), 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	for n := have[0].Number; n < 10_000; n++ {
		if _, err := d.records.Note(b.Context(), line, day); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("verify", func(b *testing.B) {
		lines := int64(0)
		for b.Loop() {
			v, err := d.records.VerifyAudit(b.Context(), Access{})
			if lines += v.Lines; err != nil || v.Fault != "" {
				b.Fatal(v, err)
			}
		}
		b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
	})
}

// BenchmarkProve proves one of 4096 entries.
func BenchmarkProve(b *testing.B) {
	d := newBare(b, inSQLite)
	d.append(4096)
	for first := uint64(0); first < 4096; first += 256 {
		d.wantReceipt("a batch", d.send(d.name, d.batch(d.journal, first, first+256)), first+256)
	}
	for n := uint64(0); b.Loop(); n++ {
		if _, err := d.records.Prove(b.Context(), d.name, n*7%4096); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPassword is what one attempt to sign in costs.
func BenchmarkPassword(b *testing.B) {
	for b.Loop() {
		if ok, err := checkPassword(noPassword, "a guess"); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
