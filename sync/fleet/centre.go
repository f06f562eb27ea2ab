// Package fleet is the centre: it takes the devices' journals over MQTT, keeps
// them in one database, and gives receipts for what it keeps.
//
//	device ──MQTT, mutual TLS──▶ embedded NATS ──durable consumer──▶ verify ──▶ SQLite commit ──▶ signed receipt ──▶ device
//
// Every batch is verified before it is stored: leaves against salts and
// bodies, or against the device's signed word that they are erased; the
// extended tree's root against the checkpoint, the checkpoint against the key
// the device was enrolled with. An entry is stored exactly
// once, by device and index. The broker's own store is a buffer whose loss
// costs nothing: devices keep everything until they have the receipt.
package fleet

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"

	"limen/sync/journal"
	"limen/sync/wire"
)

// Enrolled is a device the centre knows.
type Enrolled struct {
	Name      string
	PublicKey []byte // Ed25519, signs the device's checkpoints
}

// Config says where a centre keeps its things and where it listens.
type Config struct {
	Dir  string // records, broker's buffer, receipt key
	MQTT string // host:port devices dial; port 0 takes any
	HTTP string // host:port of the page; empty for none
	// CA, Certificate and Key are PEM files: the authority that certifies
	// devices, and the centre's own certificate.
	CA, Certificate, Key string
	TLS                  *tls.Config // instead of those three; must require and verify client certificates
	Devices              []Enrolled  // enrolled at the start, besides those enrolled before
	Now                  func() time.Time
	Log                  *slog.Logger

	committed func() error // tests end the centre here: stored, and nobody told
}

func (cfg Config) withDefaults() Config {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// Centre is an open centre. Open starts its listeners; Run does its work.
type Centre struct {
	cfg      Config
	lock     *os.File
	records  *Records
	signer   note.Signer
	key      string // verifier text
	cosigner *journal.Cosigner
	broker   *broker
	conn     *nats.Conn
	entries  jetstream.Consumer
	page     net.Listener

	closing sync.Once
	closed  error
}

// Open opens the centre in its folder, or begins one there, and listens.
// Whoever opens a centre runs it or closes it.
func Open(cfg Config) (*Centre, error) {
	cfg = cfg.withDefaults()
	if cfg.TLS == nil {
		t, err := serverTLS(cfg.CA, cfg.Certificate, cfg.Key)
		if err != nil {
			return nil, err
		}
		cfg.TLS = t
	}
	if cfg.TLS.ClientAuth != tls.RequireAndVerifyClientCert || cfg.TLS.ClientCAs == nil {
		return nil, errors.New("the centre's TLS must require client certificates and name the authority that issues them")
	}
	c := &Centre{cfg: cfg}
	if err := c.open(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Centre) open() (err error) {
	if err := os.MkdirAll(c.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the centre's folder: %w", err)
	}
	if c.lock, err = lockFolder(c.cfg.Dir); err != nil {
		return err
	}
	if c.signer, c.key, err = receiptKey(c.cfg.Dir); err != nil {
		return err
	}
	if c.cosigner, err = openCosigner(c.cfg.Dir, c.cfg.Now); err != nil {
		return err
	}
	if c.records, err = openRecords(c.cfg.Dir); err != nil {
		return err
	}
	// Nobody is connected yet, whatever was noted when the centre stopped.
	if _, err := c.records.write.Exec("UPDATE devices SET state = 'lost' WHERE state = 'running'"); err != nil {
		return err
	}
	for _, d := range c.cfg.Devices {
		if err := c.Enrol(d.Name, d.PublicKey); err != nil {
			return err
		}
	}
	secret := rand.Text()
	if c.broker, err = startBroker(filepath.Join(c.cfg.Dir, "broker"), c.cfg.MQTT, c.cfg.TLS, secret, c.cfg.Log); err != nil {
		return err
	}
	if c.conn, err = nats.Connect("", nats.InProcessServer(c.broker.server), nats.Token(secret), nats.Name("limen-fleet"), nats.MaxReconnects(-1)); err != nil {
		return fmt.Errorf("cannot connect to the broker: %w", err)
	}
	if c.entries, err = consumer(c.conn); err != nil {
		return err
	}
	if c.cfg.HTTP != "" {
		if c.page, err = net.Listen("tcp", c.cfg.HTTP); err != nil {
			return fmt.Errorf("cannot listen for the page: %w", err)
		}
	}
	return nil
}

// PrepareReceiptKey makes the receipt key of the centre in dir where there is
// none, and returns the key devices verify receipts with.
func PrepareReceiptKey(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the centre's folder: %w", err)
	}
	_, public, err := receiptKey(dir)
	return public, err
}

// receiptKey reads the key that signs receipts, or makes one.
func receiptKey(dir string) (note.Signer, string, error) {
	const name = "limen-centre"
	path := filepath.Join(dir, "receipt.key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		private, public, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			return nil, "", err
		}
		b = []byte(private + "\n" + public + "\n")
		if err := writeNew(path, b); err != nil {
			return nil, "", fmt.Errorf("cannot keep a new receipt key: %w", err)
		}
	} else if err != nil {
		return nil, "", fmt.Errorf("cannot read the receipt key: %w", err)
	}
	private, public, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, "", fmt.Errorf("%s holds no receipt key: put the centre's own back; with another key no device takes its receipts", path)
	}
	if v, err := note.NewVerifier(public); err != nil || v.KeyHash() != signer.KeyHash() {
		return nil, "", fmt.Errorf("%s holds two keys that are not one pair: put the centre's own file back", path)
	}
	return signer, public, nil
}

// MQTTAddr is where devices connect, as host:port.
func (c *Centre) MQTTAddr() string { return c.broker.addr }

// HTTPAddr is where the page is, as host:port; empty where there is none.
func (c *Centre) HTTPAddr() string {
	if c.page == nil {
		return ""
	}
	return c.page.Addr().String()
}

// ReceiptKey is the key devices verify receipts with, as note.NewVerifier
// reads it.
func (c *Centre) ReceiptKey() string { return c.key }

// Stored is how many entries of a device are committed to the database.
func (c *Centre) Stored(device string) (uint64, error) {
	return c.records.Stored(context.Background(), device)
}

// Enrol makes a device known by its Ed25519 public key, also while running.
func (c *Centre) Enrol(name string, publicKey []byte) error {
	return c.records.Enrol(context.Background(), name, publicKey, c.cfg.Now())
}

// Run takes what devices send until ctx ends, and closes the centre.
func (c *Centre) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var served error
	var serving sync.WaitGroup
	if c.page != nil {
		serving.Go(func() {
			defer stop()
			served = c.serve(ctx)
		})
	}
	err := c.ingest(ctx)
	stop()
	serving.Wait()
	return errors.Join(err, served, c.Close())
}

// Close ends a centre that is not run.
func (c *Centre) Close() error {
	c.closing.Do(func() {
		var errs []error
		if c.page != nil {
			if err := c.page.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		if c.conn != nil {
			c.conn.Close()
		}
		if c.broker != nil {
			c.broker.stop()
		}
		if c.records != nil {
			errs = append(errs, c.records.Close())
		}
		if c.lock != nil {
			errs = append(errs, c.lock.Close())
		}
		c.closed = errors.Join(errs...)
	})
	return c.closed
}

func flock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// serve answers for the page until ctx ends.
func (c *Centre) serve(ctx context.Context) error {
	s := &http.Server{Handler: c.pages(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	ended := context.AfterFunc(ctx, func() { s.Close() })
	defer ended()
	if err := s.Serve(c.page); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the page stopped: %w", err)
	}
	return nil
}

// deviceOf takes a subject apart.
func deviceOf(subject string) (string, wire.Kind, error) {
	return wire.ParseTopic(strings.ReplaceAll(subject, ".", "/"))
}
