package lookup

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/hw/sim/national"
	"limen/internal/repotest"

	"go.uber.org/goleak"
)

var _ limen.Lookup = (*National)(nil)
var _ limen.Lookup = (*StopList)(nil)

// specimen is ICAO's (Doc 9303-4, appendix A).
var specimen = limen.LookupQuery{DocumentCode: "P", Issuer: "UTO", Number: "L898902C3", Nationality: "UTO"}

// serve runs a national system until the test ends and checks that nothing is left of it.
func serve(t *testing.T, o national.Options) *national.Service {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	s, err := national.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v, want nil", err)
		}
		goleak.VerifyNone(t, leaks)
	})
	return s
}

func client(t *testing.T, s *national.Service, change func(*NationalOptions)) *National {
	t.Helper()
	o := NationalOptions{Name: "national", URL: s.URL(), CA: s.CACert(), Token: s.Token()}
	if change != nil {
		change(&o)
	}
	n, err := NewNational(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func TestNationalAnswers(t *testing.T) {
	s := serve(t, national.Options{})
	n := client(t, s, nil)
	asOf := time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC)
	s.AsOf(asOf)
	german := limen.LookupQuery{DocumentCode: "P", Issuer: "D<<", Number: "C01X00T47", Nationality: "D"}
	s.Hold(national.Entry{Issuer: "UTO", Number: "L898902C3", Kind: "lost_or_stolen"},
		national.Entry{Issuer: "DEU", Number: "C01X00T47", Kind: "stop_list"},
		national.Entry{Issuer: "UTO", Number: "ODD", Kind: "something_new"})
	odd, free := specimen, specimen
	odd.Number, free.Number = "ODD", "FREE"
	for name, test := range map[string]struct {
		query limen.LookupQuery
		want  limen.LookupAnswer
	}{
		"lost":         {specimen, limen.LookupAnswer{Hit: true, Kind: limen.HitLost, AsOf: asOf}},
		"stop list":    {german, limen.LookupAnswer{Hit: true, Kind: limen.HitStopList, AsOf: asOf}},
		"unknown kind": {odd, limen.LookupAnswer{Hit: true, Kind: limen.HitStopList, AsOf: asOf}},
		"clear":        {free, limen.LookupAnswer{AsOf: asOf}},
	} {
		got, err := n.Ask(t.Context(), test.query)
		if err != nil || got.Hit != test.want.Hit || got.Kind != test.want.Kind || !got.AsOf.Equal(test.want.AsOf) {
			t.Errorf("%s: got %+v (%v), want %+v", name, got, err, test.want)
		}
	}
}

func TestNationalAwaySlowAndBack(t *testing.T) {
	s := serve(t, national.Options{})
	n := client(t, s, nil)
	if _, err := n.Ask(t.Context(), specimen); err != nil {
		t.Fatal(err)
	}
	s.Down(true)
	if _, err := n.Ask(t.Context(), specimen); err == nil {
		t.Error("away: got an answer, want an error")
	}
	s.Down(false)
	if _, err := n.Ask(t.Context(), specimen); err != nil {
		t.Errorf("back again: %v", err)
	}
	s.Delay(time.Hour)
	short := client(t, s, func(o *NationalOptions) { o.TimeLimit = 50 * time.Millisecond })
	if _, err := short.Ask(t.Context(), specimen); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow: got %v, want the time limit", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := n.Ask(ctx, specimen); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow: got %v, want the caller's limit", err)
	}
}

func TestOnlyThePinnedCAAndTokenWork(t *testing.T) {
	s, stranger := serve(t, national.Options{}), serve(t, national.Options{})
	n := client(t, s, func(o *NationalOptions) { o.CA = stranger.CACert() })
	if _, err := n.Ask(t.Context(), specimen); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("another CA: got %v, want a certificate error", err)
	}
	n = client(t, s, func(o *NationalOptions) { o.Token = "wrong" })
	_, err := n.Ask(t.Context(), specimen)
	if err == nil || !strings.Contains(err.Error(), "check the token") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("another token: got %v, want an error that says check the token and does not quote it", err)
	}
	if s.Asked() != 0 {
		t.Errorf("%d questions got through, want 0", s.Asked())
	}
}

func TestMutualTLS(t *testing.T) {
	certificate, pool := clientCertificate(t)
	s := serve(t, national.Options{ClientCAs: pool})
	if _, err := client(t, s, nil).Ask(t.Context(), specimen); err == nil {
		t.Error("without a certificate: got an answer, want an error")
	}
	n := client(t, s, func(o *NationalOptions) { o.Certificate = &certificate })
	if _, err := n.Ask(t.Context(), specimen); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
}

func clientCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gate-1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// A server that has our trust and misbehaves.
func TestOddAnswersAreNoAnswers(t *testing.T) {
	var reply http.HandlerFunc
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reply(w, r) }))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	n, err := NewNational(NationalOptions{Name: "national", URL: server.URL, CA: ca, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	future := time.Now().Add(time.Hour).Format(time.RFC3339)
	for name, handler := range map[string]http.HandlerFunc{
		"no JSON":     text("<html>L898902C3"),
		"no status":   text(`{"as_of":"2026-01-31T06:00:00Z"}`),
		"no date":     text(`{"status":"clear"}`),
		"from future": text(`{"status":"clear","as_of":"` + future + `"}`),
		"endless":     text(`{"status":"clear","pad":"` + strings.Repeat("x", 1<<20) + `"}`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.invalid/", http.StatusTemporaryRedirect)
		},
		"error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "L898902C3", http.StatusInternalServerError)
		},
	} {
		reply = handler
		a, err := n.Ask(t.Context(), specimen)
		if err == nil {
			t.Errorf("%s: got %+v, want an error", name, a)
		} else if strings.Contains(err.Error(), "L898902C3") {
			t.Errorf("%s: the error quotes the document: %v", name, err)
		}
	}
}

func TestNationalOptionsAreChecked(t *testing.T) {
	good := NationalOptions{Name: "national", URL: "https://127.0.0.1:1", CA: nil, Token: "t"}
	for name, change := range map[string]func(*NationalOptions){
		"no CA":      func(*NationalOptions) {},
		"plain http": func(o *NationalOptions) { o.URL = "http://127.0.0.1:1" },
		"a path":     func(o *NationalOptions) { o.URL += "/v1" },
		"no token":   func(o *NationalOptions) { o.Token = "" },
		"no name":    func(o *NationalOptions) { o.Name = "" },
	} {
		o := good
		change(&o)
		if _, err := NewNational(o); err == nil {
			t.Errorf("%s: got a client, want an error", name)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte(`{"status":"hit","kind":"stop_list","as_of":"2026-01-31T06:00:00Z"}`))
	f.Add([]byte(`{"status":"clear","as_of":"2026-01-31T06:00:00Z"}`))
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := repotest.Parsed(t, b, func(b []byte) (limen.LookupAnswer, error) { return judge(b, now) })
		if err == nil && !a.Hit && (a.AsOf.IsZero() || a.AsOf.After(now.Add(clockSpread))) {
			t.Errorf("clear with a date of %v", a.AsOf)
		}
		if err == nil && a.Hit && !bytes.Contains(bytes.ToLower(b), []byte("hit")) && !bytes.Contains(b, []byte(`\`)) {
			t.Errorf("a hit from %q", b)
		}
	})
}
