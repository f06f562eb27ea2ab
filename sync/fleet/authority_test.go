package fleet

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAuthorityCertifiesAndIsOpenedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	if _, err := OpenAuthority(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none there: got %v, want fs.ErrNotExist", err)
	}
	made, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewAuthority(dir); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second one: got %v; want it refused", err)
	}
	opened, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(opened.CAPath())
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatal(err)
	}
	for _, a := range []*Authority{made, opened} {
		server, err := a.Server("centre.example", "192.0.2.7")
		if err != nil {
			t.Fatal(err)
		}
		device, err := a.DeviceIn(t.TempDir(), "gate-1")
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			files Files
			use   x509.ExtKeyUsage
			host  string
			good  bool
		}{
			{server, x509.ExtKeyUsageServerAuth, "centre.example", true},
			{server, x509.ExtKeyUsageServerAuth, "192.0.2.7", true},
			{server, x509.ExtKeyUsageServerAuth, "other.example", false},
			{server, x509.ExtKeyUsageClientAuth, "", false},
			{device, x509.ExtKeyUsageClientAuth, "", true},
			{device, x509.ExtKeyUsageServerAuth, "", false},
		} {
			leaf := readCertificate(t, test.files.Certificate)
			_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: test.host, KeyUsages: []x509.ExtKeyUsage{test.use}})
			if (err == nil) != test.good {
				t.Errorf("%s for use %v as %q: got %v; want good %v", leaf.Subject, test.use, test.host, err, test.good)
			}
			if info, err := os.Stat(test.files.Key); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("key: got %v, %v; want mode 0600", info, err)
			}
		}
	}
	for _, name := range []string{"", "Gate", "../x", "gate 1"} {
		if _, err := made.Device(name); err == nil {
			t.Errorf("device %q was certified", name)
		}
	}
	if _, err := made.Server(); err == nil {
		t.Error("a centre without a name was certified")
	}
}

func readCertificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	s := newSite(t)
	for name, test := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"certificate":  {func(c *Config) { c.Certificate = "/nowhere" }, "cannot use the centre's certificate"},
		"authority":    {func(c *Config) { c.CA = "/nowhere" }, "cannot read the authority's certificate"},
		"no authority": {func(c *Config) { c.CA = c.Key }, "holds no certificate"},
		"no clients":   {func(c *Config) { c.TLS, _ = serverTLS(c.CA, c.Certificate, c.Key); c.TLS.ClientAuth = 0 }, "must require client certificates"},
		"address":      {func(c *Config) { c.MQTT = "8883" }, "is not host:port"},
		"no pages":     {func(c *Config) { c.HTTP = "127.0.0.1:0" }, "there is an address for pages, and no pages"},
		"page": {func(c *Config) {
			c.HTTP, c.Pages = "256.0.0.1:1", func(*Centre) (http.Handler, error) { return nil, nil }
		}, "cannot listen for the page"},
		"page's key": {func(c *Config) {
			c.HTTP, c.Pages, c.HTTPCertificate = "127.0.0.1:0", func(*Centre) (http.Handler, error) { return nil, nil }, "/nowhere"
		}, "cannot use the pages' certificate"},
		"metrics": {func(c *Config) { c.Metrics = "256.0.0.1:1" }, "cannot listen for the metrics"},
		"device":  {func(c *Config) { c.Devices = []Enrolled{{"gate-1", nil}} }, "an Ed25519 public key has 32"},
	} {
		cfg := s.config()
		cfg.Dir = t.TempDir()
		test.change(&cfg)
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v; want ... %s", name, err, test.says)
		}
	}
	if err := os.MkdirAll(s.folder(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.folder(), "receipt.key"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.config()); err == nil || !strings.Contains(err.Error(), "holds no receipt key") || strings.Contains(err.Error(), "rubbish") {
		t.Errorf("a damaged receipt key: got %v; want it named and not shown", err)
	}
}
