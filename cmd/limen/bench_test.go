package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"limen"
	"limen/capture/portrait"
	"limen/cmd/internal/demo"
	"limen/device"
)

// inspections is how many travellers cross in the measurement of the line.
const inspections = 104

// betweenTravellers is longer than a picture takes from the camera to the
// appliance: two people in turn would be several faces.
const betweenTravellers = 300 * time.Millisecond

// BenchmarkLine has admitted travellers cross one after the other, each
// standing before the camera already, past an appliance in a process of its
// own. The figures, over all inspections:
//
//	total     from the last byte of the MRZ reader's message to the stored record
//	chip      from the look for a chip to its last file
//	face      from the look for a face to three fit frames, at the same time
//	rest      what total exceeds the slower of both by
//	needed    what the bytes to and from the chip take on the wire and in the air
//	overhead  what total exceeds needed by; the face was found meanwhile
//
// Undisturbed are the inspections during which all other programs together
// kept less than a seventh of one processor busy.
func BenchmarkLine(b *testing.B) {
	stage, appliance := openBench(b)
	travellers := slices.DeleteFunc(demo.Travellers(), func(t demo.Traveller) bool { return t.Expect.Outcome != limen.Admit })
	var lines []demo.Line
	var undisturbed []demo.Line
	start := appliance.processorTimes(b)
	before := start
	for i := range inspections {
		l, err := stage.Play(b.Context(), travellers[i%len(travellers)], appliance.finished)
		if err != nil {
			b.Fatal(err)
		}
		if l.Outcome != string(limen.Admit) {
			b.Fatalf("%s: got %s %v, want admit", l.Traveller, l.Outcome, l.Details)
		}
		lines = append(lines, l)
		if err := stage.Leave(); err != nil {
			b.Fatal(err)
		}
		time.Sleep(betweenTravellers)
		after := appliance.processorTimes(b)
		if after.others(before) < 0.15 {
			undisturbed = append(undisturbed, l)
		}
		before = after
	}
	waited := func(l demo.Line) time.Duration { return l.Timing.Waited }
	slower := func(l demo.Line) time.Duration { return max(l.MS.Chip, l.MS.Face).Duration() }
	b.ReportMetric(0, "ns/op")
	report := func(name string, of func(demo.Line) time.Duration, lines []demo.Line) {
		var all []time.Duration
		for _, l := range lines {
			all = append(all, of(l))
		}
		b.ReportMetric(quantile(all, 0.50), name+"-p50-ms")
		b.ReportMetric(quantile(all, 0.99), name+"-p99-ms")
	}
	overhead := func(l demo.Line) time.Duration { return waited(l) - l.Timing.Link }
	report("total", waited, lines)
	report("chip", func(l demo.Line) time.Duration { return l.MS.Chip.Duration() }, lines)
	report("face", func(l demo.Line) time.Duration { return l.MS.Face.Duration() }, lines)
	report("rest", func(l demo.Line) time.Duration { return waited(l) - slower(l) }, lines)
	report("needed", func(l demo.Line) time.Duration { return l.Timing.Link }, lines)
	report("chipsim", func(l demo.Line) time.Duration { return l.Timing.Chip }, lines)
	report("overhead", overhead, lines)
	b.ReportMetric(float64(len(undisturbed)), "undisturbed")
	if len(undisturbed) > 0 {
		report("undisturbed-total", waited, undisturbed)
		report("undisturbed-overhead", overhead, undisturbed)
	}
	b.ReportMetric((before.appliance-start.appliance)/(before.elapsed-start.elapsed).Seconds(), "appliance-cores")
	b.ReportMetric(before.others(start), "others-cores")
	appliance.reportMemory(b)
}

// BenchmarkColdStart is from the start of the appliance's process until every
// device works, with the PN532 just powered on.
func BenchmarkColdStart(b *testing.B) {
	var took []time.Duration
	for range 5 {
		_, appliance := openBench(b)
		took = append(took, appliance.started)
		appliance.stop()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(took, 0.5), "median-ms")
	b.ReportMetric(quantile(took, 1), "max-ms")
}

// quantile is the nearest rank, in milliseconds.
func quantile(d []time.Duration, q float64) float64 {
	d = slices.Sorted(slices.Values(d))
	i := min(len(d)-1, int(q*float64(len(d))))
	return float64(d[i].Microseconds()) / 1000
}

// benchAppliance is an appliance in another process.
type benchAppliance struct {
	process  *os.Process
	started  time.Duration // until every device worked
	finished chan limen.Finished
	stop     func()
}

// openBench sets a stage and starts an appliance on it, from its limen.yaml.
func openBench(b *testing.B) (*demo.Stage, *benchAppliance) {
	b.Helper()
	bin, err := filepath.Abs("../../bin")
	if err == nil {
		_, err = os.Stat(filepath.Join(bin, portrait.Program))
	}
	if err != nil {
		b.Skipf("the portrait decoder is not built (%v): run make build", err)
	}
	stage, err := demo.Open(context.Background(), b.TempDir(), demo.Travellers())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := stage.Close(); err != nil {
			b.Error(err)
		}
	})
	stage.Approach = -1
	return stage, startAppliance(b, stage.ConfigPath(), bin)
}

// startAppliance runs this test binary again as the appliance and waits until
// it is ready.
func startAppliance(b *testing.B, config, bin string) *benchAppliance {
	b.Helper()
	told, out, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	// The test binary keeps a test's time limit; the appliance must not have one.
	command := exec.Command(self, "-test.run=^TestBenchAppliance$", "-test.timeout=0")
	command.Env = append(os.Environ(), envBenchConfig+"="+config, "PATH="+bin+":"+os.Getenv("PATH"))
	command.Dir = "../.." // where models are looked for from
	command.ExtraFiles = []*os.File{out}
	var log strings.Builder
	command.Stdout, command.Stderr = &log, &log
	start := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	out.Close()
	a := &benchAppliance{process: command.Process, finished: make(chan limen.Finished, 8)}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		a.listen(told, ready)
	}()
	var stopped bool
	a.stop = func() {
		if stopped {
			return
		}
		stopped = true
		command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			b.Errorf("the appliance: %v\n%s", err, log.String())
		}
		<-ended
		told.Close()
	}
	b.Cleanup(a.stop)
	select {
	case <-ready:
		a.started = time.Since(start)
	case <-time.After(readyLimit):
		b.Fatalf("the appliance is not ready after %v", readyLimit)
	}
	return a
}

// benchMessage is what the appliance's process tells: that it is ready, or an
// inspection's end.
type benchMessage struct {
	Ready   bool
	Record  limen.Record
	Receipt limen.Receipt
	Failed  string
}

func (a *benchAppliance) listen(from io.Reader, ready chan<- struct{}) {
	for in := json.NewDecoder(bufio.NewReader(from)); ; {
		var m benchMessage
		if err := in.Decode(&m); err != nil {
			return
		}
		if m.Ready {
			close(ready)
			continue
		}
		f := limen.Finished{Record: m.Record, Receipt: m.Receipt}
		if m.Failed != "" {
			f.Err = errors.New(m.Failed)
		}
		a.finished <- f
	}
}

const envBenchConfig = "LIMEN_BENCH_CONFIG"

// TestBenchAppliance is the appliance's process of the benchmarks, and no test
// by itself.
func TestBenchAppliance(t *testing.T) {
	path := os.Getenv(envBenchConfig)
	if path == "" {
		t.Skip("runs only as the other process of a benchmark")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	cfg, err := device.LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	to := json.NewEncoder(os.NewFile(3, "benchmark"))
	a, err := assemble(cfg, slog.New(slog.DiscardHandler), func(f limen.Finished) {
		m := benchMessage{Record: f.Record, Receipt: f.Receipt}
		if f.Err != nil {
			m.Failed = f.Err.Error()
		}
		to.Encode(m)
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.run(ctx) }()
	for look := time.NewTicker(2 * time.Millisecond); !a.appliance.Ready(); <-look.C {
		if ctx.Err() != nil {
			break
		}
	}
	to.Encode(benchMessage{Ready: true})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// reportMemory tells the resident memory of the appliance's process, the most
// it ever was, and how much of it is OpenCV's code and data.
func (a *benchAppliance) reportMemory(b *testing.B) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		for name, metric := range map[string]string{"VmRSS:": "rss-MB", "VmHWM:": "rss-most-MB", "RssAnon:": "rss-anonymous-MB", "RssFile:": "rss-files-MB"} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				b.ReportMetric(kilobytes(rest)/1000, metric)
			}
		}
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", a.process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	opencv, of := 0.0, ""
	for _, line := range strings.Split(string(maps), "\n") {
		if f := strings.Fields(line); len(f) >= 5 && strings.Contains(f[0], "-") {
			of = ""
			if len(f) > 5 {
				of = f[5]
			}
		} else if rest, ok := strings.CutPrefix(line, "Rss:"); ok && strings.Contains(of, "libopencv") {
			opencv += kilobytes(rest)
		}
	}
	b.ReportMetric(opencv/1000, "rss-libopencv-MB")
}

// processorTimes are processor seconds used so far: by the whole machine, by
// the appliance with its portrait decoders, by the simulated ends. What is left
// is other programs', and how far they disturbed the measurement.
type processorTimes struct {
	elapsed              time.Duration
	all, appliance, ends float64
}

func (a *benchAppliance) processorTimes(b *testing.B) processorTimes {
	b.Helper()
	t := processorTimes{elapsed: b.Elapsed(), appliance: processSeconds(b, a.process.Pid), ends: processSeconds(b, os.Getpid())}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		b.Fatal(err)
	}
	first, _, _ := strings.Cut(string(stat), "\n")
	for i, f := range strings.Fields(first)[1:9] {
		if i != 3 && i != 4 { // idle, waiting for a disk
			t.all += ticks(f)
		}
	}
	return t
}

// others is how many processors other programs kept busy since before.
func (t processorTimes) others(before processorTimes) float64 {
	ours := t.appliance + t.ends - before.appliance - before.ends
	return (t.all - before.all - ours) / (t.elapsed - before.elapsed).Seconds()
}

// processSeconds is what a process and its ended children have used.
func processSeconds(b *testing.B, pid int) (s float64) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:])
	for _, f := range fields[11:15] {
		s += ticks(f)
	}
	return s
}

// ticks are hundredths of a second, whatever the kernel's own clock.
func ticks(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64)
	return n / 100
}

// kilobytes reads " 1234 kB" of /proc, in thousands of bytes.
func kilobytes(s string) float64 {
	n, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "kB")), 64)
	return n * 1.024
}
