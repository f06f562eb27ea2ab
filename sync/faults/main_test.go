package faults

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"limen/internal/repotest"
)

// Set in a child process: what it is to be, and how.
const (
	asChild     = "LIMEN_FAULTS_CHILD"
	childConfig = "LIMEN_FAULTS_CONFIG"
)

var (
	runs = flag.Int("runs", 0, "do so many runs and nothing else")
	seed = flag.Uint64("seed", 1, "of the first run; the others follow it")
	jobs = flag.Int("jobs", 2, "runs at a time")
	tell = flag.Bool("tell", false, "tell each run's story")

	erasures = flag.Int("erasures", 12, "power cuts during an erasure")
)

func TestMain(m *testing.M) {
	children := map[string]func(config string) error{"writer": beWriter, "agent": beAgent, "centre": beCentre, "inspector": beInspector, "eraser": beEraser}
	if be := children[os.Getenv(asChild)]; be != nil {
		if err := be(os.Getenv(childConfig)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if *runs > 0 {
		total, err := campaign(".", *runs, *seed, *jobs, os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Println(total)
		if err != nil || !total.good() {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// total is what many runs found.
type total struct {
	runs int
	result
}

func (t total) good() bool { return t.lost+t.doubled+t.changed == 0 && t.acknowledged > 0 }

func (t total) String() string {
	return fmt.Sprintf("runs %d, acknowledged %d, lost %d, doubled %d, changed %d", t.runs, t.acknowledged, t.lost, t.doubled, t.changed)
}

// campaign does runs with consecutive seeds, some at a time, each lane with a
// kit of its own. Of a run that is not good it tells seed and story.
func campaign(from string, runs int, seed uint64, jobs int, to io.Writer) (all total, err error) {
	root, err := filepath.Abs(filepath.Join(from, "..", ".."))
	if err != nil {
		return all, err
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return all, fmt.Errorf("run this in sync/faults, as make faults does: %w", err)
	}
	all.did = map[string]int{}
	var mu sync.Mutex
	var errs []error
	next := uint64(0)
	var lanes sync.WaitGroup
	for range min(jobs, runs) {
		lanes.Go(func() {
			dir, err := os.MkdirTemp(memory(), "limen-faults")
			if err == nil {
				defer os.RemoveAll(dir)
				var k *kit
				if k, err = newKit(root, dir); err == nil {
					defer k.close()
					for {
						mu.Lock()
						mine := seed + next
						more := next < uint64(runs)
						next++
						mu.Unlock()
						if !more {
							return
						}
						out, err := newRun(k, mine).do()
						mu.Lock()
						all.add(out)
						if err != nil {
							errs = append(errs, fmt.Errorf("seed %d: %w", mine, err))
						}
						if err != nil || *tell || out.lost+out.doubled+out.changed > 0 {
							fmt.Fprintf(to, "seed %d: %d acknowledged, %d lost, %d doubled, %d changed, %v\n", mine, out.acknowledged, out.lost, out.doubled, out.changed, err)
							for _, s := range out.story {
								fmt.Fprintf(to, "  %s\n", s)
							}
						}
						if all.runs%100 == 0 {
							fmt.Fprintln(to, all)
						}
						mu.Unlock()
					}
				}
			}
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
		})
	}
	lanes.Wait()
	for _, name := range slices.Sorted(maps.Keys(all.did)) {
		fmt.Fprintf(to, "%6d %s\n", all.did[name], name)
	}
	return all, errors.Join(errs...)
}

func (t *total) add(r result) {
	t.runs++
	t.acknowledged += r.acknowledged
	t.lost += r.lost
	t.doubled += r.doubled
	t.changed += r.changed
	for name, n := range r.did {
		t.did[name] += n
	}
}

// memory is a file system in memory, where there is one: what lasts and what
// does not is decided by our own disk, and a real one would only take longer.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// A short share of `make faults`.
func TestFaults(t *testing.T) {
	all, err := campaign(filepath.Join(repotest.Root(t), "sync", "faults"), 12, 1, 2, io.Discard)
	if err != nil || !all.good() || all.runs != 12 {
		t.Errorf("%v, %v", all, err)
	}
	t.Log(all)
}
