// Limen-portrait decodes one document portrait for limen: it seals itself off,
// reads a JPEG or JPEG 2000 picture from standard input and writes its pixels
// to standard output, in the protocol of package portrait. It is started anew
// for each portrait, so that what a hostile one does to it ends with it.
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"limen/capture/portrait"
	"limen/capture/portrait/sandbox"
	"limen/capture/portrait/worker"
)

// limits are above what the largest portrait that Sniff lets pass needs. The
// 500 ms are the decoder's to watch; processor time only ends a process whose
// decoder died first.
var limits = sandbox.Limits{Memory: 640 << 20, CPU: 2 * time.Second}

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "limen-portrait takes no arguments; limen starts it to decode a portrait from standard input")
		os.Exit(2)
	}
	// Every thread's stack counts as memory; on a large machine the runtime
	// would otherwise start one for each processor.
	runtime.GOMAXPROCS(2)
	report, err := sandbox.Apply(limits)
	if err != nil {
		fmt.Fprintln(os.Stderr, "limen-portrait:", err)
		os.Exit(portrait.ExitUnsealed)
	}
	if err := portrait.WriteHello(os.Stdout, report); err != nil {
		os.Exit(1)
	}
	if err := worker.Serve(os.Stdin, os.Stdout); err != nil {
		os.Exit(1)
	}
}
