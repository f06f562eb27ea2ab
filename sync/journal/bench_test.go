package journal

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

const recordSize = 1500 // of an inspection's record, about

func BenchmarkAppend(b *testing.B) {
	j := openTest(b, b.TempDir(), testOptions())
	body := make([]byte, recordSize)
	for b.Loop() {
		if _, err := j.Append(bg, body, []byte("a document's pseudonym of 32 byte")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// Many at once share commits; a gate never does this, a demo may.
func BenchmarkAppendParallel(b *testing.B) {
	j := openTest(b, b.TempDir(), testOptions())
	body := make([]byte, recordSize)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := j.Append(bg, body, []byte("a document's pseudonym of 32 byte")); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkFsync is what the disk allows: write a record, fsync.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	body := make([]byte, recordSize)
	for b.Loop() {
		if _, err := f.Write(body); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fsyncs/s")
}

// BenchmarkOpen is a cold start with 20 000 entries.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j := openTest(b, dir, testOptions())
	body := make([]byte, recordSize)
	var n atomic.Int64
	b.SetParallelism(64)
	done := make(chan struct{})
	for range 64 {
		go func() {
			defer func() { done <- struct{}{} }()
			for n.Add(1) <= 20_000 {
				if _, err := j.Append(bg, body, []byte("a document's pseudonym of 32 byte")); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	for range 64 {
		<-done
	}
	began := time.Now()
	if _, err := j.Verify(bg, Check{}); err != nil {
		b.Fatal(err)
	}
	verified := time.Since(began)
	j.Close()
	for b.Loop() {
		j, err := Open(dir, testOptions())
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		j.Close()
		b.StartTimer()
	}
	b.ReportMetric(verified.Seconds(), "s-to-verify")
}
