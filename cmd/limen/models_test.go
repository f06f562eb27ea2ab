package main

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/internal/repotest"
	"limen/matcher/catalog"
	"limen/sync/history"
)

// A model comes from an address of one's own over TLS, with the SHA-256 that
// the entry pins; one that is not what it should be is not installed.
func TestModelsInstallFromAnAddress(t *testing.T) {
	t.Parallel()
	testdata := filepath.Join(repotest.Root(t), "matcher", "cvface", "testdata")
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tiles.onnx":
			http.ServeFile(w, r, filepath.Join(testdata, "tiles.onnx"))
		case "/wrong.onnx":
			w.Write(make([]byte, 184))
		}
	}))
	t.Cleanup(s.Close)
	home := t.TempDir()
	roots := filepath.Join(home, "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	run := func(args ...string) (string, error) {
		c := program(ctx, args...)
		c.Env = append(c.Env, catalog.EnvModels+"=", "XDG_DATA_HOME="+home, "SSL_CERT_FILE="+roots)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := run("models", "install", filepath.Join(testdata, "tiles.yaml")); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	installed := filepath.Join(home, "limen", "models", "tiles.onnx")
	out, err := run("models", "install", "tiles", "--from", s.URL+"/wrong.onnx")
	if err == nil || !strings.Contains(out, "does not serve the model") {
		t.Errorf("wrong content: %v, %s; want a refusal", err, out)
	}
	if _, err := os.Stat(installed); err == nil {
		t.Errorf("%s is there after a refusal", installed)
	}
	if out, err = run("models", "install", "tiles", "--from", s.URL+"/tiles.onnx"); err != nil || out != "tiles: installed, "+installed+"\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// An entry names the model that judged, and its grade.
func TestHistoryNamesTheModelThatJudged(t *testing.T) {
	r := limen.Record{Face: &limen.Comparison{Score: 0.7, Threshold: 0.45, Model: "frr0095@b5cac1a7", Grade: "operational", FMR: 0.001}}
	if got := describeEntry(history.Shown{Record: &r}); !strings.HasSuffix(got, "  judged by frr0095@b5cac1a7 (operational)") {
		t.Errorf("%q, want the model and its grade at the end", got)
	}
}
