package national

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestRequestsAreJudgedAsDocumented(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	defer goleak.VerifyNone(t, leaks)
	now := time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC)
	s, err := New(Options{Token: "token", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.AsOf(now)
	s.Hold(Entry{"UTO", "L898902C3", "lost_or_stolen"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.CACert()) {
		t.Fatal("CACert is no PEM certificate")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	const good = `{"type":"P","issuer":"UTO","number":"L898902C3","nationality":"UTO"}`
	for name, test := range map[string]struct {
		method, path, token, body string
		status                    int
		answer                    Answer
	}{
		"hit":           {"POST", Path, "token", good, 200, Answer{"hit", "lost_or_stolen", now}},
		"clear":         {"POST", Path, "token", `{"type":"P","issuer":"UTO","number":"X"}`, 200, Answer{"clear", "", now}},
		"wrong token":   {"POST", Path, "tokem", good, 401, Answer{}},
		"no token":      {"POST", Path, "", good, 401, Answer{}},
		"no number":     {"POST", Path, "token", `{"type":"P","issuer":"UTO"}`, 400, Answer{}},
		"unknown field": {"POST", Path, "token", `{"type":"P","issuer":"UTO","number":"X","age":1}`, 400, Answer{}},
		"no JSON":       {"POST", Path, "token", "L898902C3", 400, Answer{}},
		"too long":      {"POST", Path, "token", `{"type":"` + strings.Repeat("P", maxRequest) + `"}`, 400, Answer{}},
		"other method":  {"GET", Path, "token", "", 405, Answer{}},
		"other path":    {"POST", "/v2", "token", good, 404, Answer{}},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, s.URL()+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.token != "" {
			request.Header.Set("Authorization", "Bearer "+test.token)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if response.StatusCode != test.status {
			t.Errorf("%s: status %d, want %d", name, response.StatusCode, test.status)
		}
		if test.status == http.StatusOK {
			var got Answer
			if err := json.NewDecoder(response.Body).Decode(&got); err != nil || got != test.answer {
				t.Errorf("%s: got %+v (%v), want %+v", name, got, err, test.answer)
			}
		}
		response.Body.Close()
	}
	if got := s.Asked(); got != 2 {
		t.Errorf("%d questions counted, want the 2 valid ones", got)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
}
