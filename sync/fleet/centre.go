// Package fleet is the centre: it takes the devices' journals over MQTT, keeps
// them in one database, and gives receipts for what it keeps.
//
//	device ──MQTT, mutual TLS──▶ broker ──competing workers──▶ verify ──▶ commit ──▶ signed receipt ──▶ device
//
// One process is all of it: an embedded NATS server and SQLite. In roles it is
// a cluster of such servers, or any broker that offers $share, workers, the
// page, and PostgreSQL (docs/design/centre.md).
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

	"github.com/prometheus/client_golang/prometheus"
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

// Role is which part of the centre a process is.
type Role string

// The roles. Many processes of each may run; whole is one process alone.
const (
	RoleWhole  Role = ""       // broker, ingest and page in one process
	RoleBroker Role = "broker" // a node of a NATS cluster that knows the devices' certificates
	RoleIngest Role = "ingest" // takes from a broker, stores, gives receipts
	RoleAPI    Role = "api"    // the pages
)

// Queue is the broker that ingest takes from where it is another process: a
// NATS cluster, or any that offers $share to MQTT 3.1.1 clients.
type Queue struct {
	NATS                 []string // host:port of its servers
	Replicas             int      // of the stream in the cluster
	Credentials          string   // NATS credentials file, where the cluster wants one
	MQTT                 string   // tls://host:port, instead of NATS
	CA, Certificate, Key string   // PEM files: the broker's authority, and the worker's own certificate
}

// Config says where a centre keeps its things and where it listens.
type Config struct {
	Role Role
	Dir  string // records, broker's buffer, receipt key
	// Database is the address of a PostgreSQL database for the records; empty
	// for SQLite in Dir. The roles ingest and api need one.
	Database   string
	ReceiptKey string   // file of the key that signs receipts, the same for all workers (default: in Dir)
	Queue      Queue    // of the role ingest
	Cluster    *Cluster // of the role broker
	MQTT       string   // host:port devices dial; port 0 takes any
	HTTP       string   // host:port of the pages; empty for none
	// Pages are what HTTP serves: package desk makes them. HTTPCertificate and
	// HTTPKey are PEM files; without them HTTP speaks no TLS.
	Pages                    func(*Centre) (http.Handler, error)
	HTTPCertificate, HTTPKey string
	Metrics                  string // host:port of /metrics and /healthz, for those who run the centre; empty for none
	// CA, Certificate and Key are PEM files: the authority that certifies
	// devices, and the centre's own certificate.
	CA, Certificate, Key string
	TLS                  *tls.Config       // instead of those three; must require and verify client certificates
	Regions              map[string]string // regions of sites, whose devices share an index; one for all where none is named
	Devices              []Enrolled        // enrolled at the start, besides those enrolled before
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
	key      string            // verifier text
	cosigner *journal.Cosigner // nil: a worker without the key
	broker   *broker
	link     link
	page     *listener
	watched  *listener // for the metrics
	metrics  *metrics

	closing sync.Once
	closed  error
}

// Open opens the centre in its folder, or begins one there, and listens.
// Whoever opens a centre runs it or closes it.
func Open(cfg Config) (*Centre, error) {
	cfg = cfg.withDefaults()
	c := &Centre{cfg: cfg}
	c.metrics = newMetrics(c)
	open := map[Role]func() error{RoleWhole: c.openWhole, RoleBroker: c.openBroker, RoleIngest: c.openIngest, RoleAPI: c.openAPI}[cfg.Role]
	if open == nil {
		return nil, fmt.Errorf("there is no role %.40q: leave it out for one process, or name %s, %s or %s", cfg.Role, RoleBroker, RoleIngest, RoleAPI)
	}
	err := open()
	if err == nil {
		err = c.listenForMetrics()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// openWhole is the centre in one process.
func (c *Centre) openWhole() (err error) {
	if err := c.ownFolder(); err != nil {
		return err
	}
	if c.signer, c.key, err = receiptKey(c.keyFile()); err != nil {
		return err
	}
	if c.cosigner, err = openCosigner(c.witnessKeyFile(), c.cfg.Now); err != nil {
		return err
	}
	if c.records, err = CreateRecords(c.place()); err != nil {
		return err
	}
	// Nobody is connected yet, whatever was noted when the centre stopped.
	if _, err := c.records.write.Exec("UPDATE devices SET state = 'lost', since = $1 WHERE state = 'running'", c.cfg.Now().UnixMilli()); err != nil {
		return err
	}
	for _, d := range c.cfg.Devices {
		if err := c.Enrol(d.Name, d.PublicKey); err != nil {
			return err
		}
	}
	// Whatever is in the broker's folder comes again from the devices, and after
	// a power cut it may not be whole.
	if err := os.RemoveAll(c.brokerFolder()); err != nil {
		return fmt.Errorf("cannot empty the broker's buffer: %w", err)
	}
	secret := rand.Text()
	if err := c.startBroker(secret, nil); err != nil {
		return err
	}
	l, err := inProcess(c.broker, secret)
	if err != nil {
		return err
	}
	c.link = l
	if _, err := l.consumer(context.Background()); err != nil {
		return err
	}
	return c.listen()
}

// openBroker is a node of a cluster: it knows nothing of records.
func (c *Centre) openBroker() error {
	if c.cfg.Cluster == nil {
		return errors.New("the role broker is a node of a cluster: say where workers and other nodes connect")
	}
	if err := c.ownFolder(); err != nil {
		return err
	}
	return c.startBroker(rand.Text(), c.cfg.Cluster)
}

// openIngest is a worker: it shares a broker and a database with others.
func (c *Centre) openIngest() (err error) {
	if c.signer, c.key, err = readReceiptKey(c.keyFile()); err != nil {
		return err
	}
	if c.cosigner, err = readCosigner(c.witnessKeyFile(), c.cfg.Now); errors.Is(err, fs.ErrNotExist) {
		c.cfg.Log.Warn("checkpoints are not cosigned: this worker has no witness key beside the receipt key")
	} else if err != nil {
		return err
	}
	if err := c.shareRecords(); err != nil {
		return err
	}
	q := c.cfg.Queue
	if (len(q.NATS) > 0) == (q.MQTT != "") {
		return errors.New("a worker takes from a NATS cluster or from an MQTT broker: name the one or the other")
	}
	secured, err := workerTLS(q.CA, q.Certificate, q.Key)
	if err != nil {
		return err
	}
	if q.MQTT != "" {
		l, err := newMQTTLink(q, secured)
		if err != nil {
			return err
		}
		c.link = l
		return nil
	}
	l, err := dialNATS(q, secured, c.cfg.Log)
	if err != nil {
		return err
	}
	c.link = l
	return nil
}

// openAPI is the page alone.
func (c *Centre) openAPI() error {
	if c.cfg.HTTP == "" {
		return errors.New("the role api is the page: say where it listens")
	}
	if err := c.shareRecords(); err != nil {
		return err
	}
	return c.listen()
}

// place is where the records are.
func (c *Centre) place() string {
	if c.cfg.Database != "" {
		return c.cfg.Database
	}
	return c.cfg.Dir
}

// shareRecords opens records that others use too. They are never migrated
// from here: that would happen under programs that still run.
func (c *Centre) shareRecords() (err error) {
	if !isPostgres(c.cfg.Database) {
		return fmt.Errorf("the role %s shares its records with other processes: name a PostgreSQL database, such as postgres://limen@db.example/fleet", c.cfg.Role)
	}
	c.records, err = OpenRecords(c.cfg.Database)
	return err
}

func (c *Centre) keyFile() string {
	if c.cfg.ReceiptKey != "" {
		return c.cfg.ReceiptKey
	}
	return receiptKeyPath(c.cfg.Dir)
}

// witnessKeyFile lies beside the receipt key: whoever has the one has the other.
func (c *Centre) witnessKeyFile() string { return witnessKeyPath(filepath.Dir(c.keyFile())) }

func (c *Centre) brokerFolder() string { return filepath.Join(c.cfg.Dir, "broker") }

func (c *Centre) ownFolder() (err error) {
	if err := os.MkdirAll(c.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the centre's folder: %w", err)
	}
	c.lock, err = lockFolder(c.cfg.Dir)
	return err
}

func (c *Centre) startBroker(secret string, cluster *Cluster) (err error) {
	t := c.cfg.TLS
	if t == nil {
		if t, err = serverTLS(c.cfg.CA, c.cfg.Certificate, c.cfg.Key); err != nil {
			return err
		}
	}
	if t.ClientAuth != tls.RequireAndVerifyClientCert || t.ClientCAs == nil {
		return errors.New("the centre's TLS must require client certificates and name the authority that issues them")
	}
	c.broker, err = startBroker(c.brokerFolder(), c.cfg.MQTT, t, secret, cluster, c.cfg.Log)
	return err
}

// PrepareReceiptKey makes the receipt key of the centre in dir where there is
// none, and returns the key devices verify receipts with.
func PrepareReceiptKey(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the centre's folder: %w", err)
	}
	_, public, err := receiptKey(receiptKeyPath(dir))
	return public, err
}

// ReceiptKeyIn is the key devices verify receipts with, of the file with the key
// that signs them.
func ReceiptKeyIn(path string) (string, error) {
	_, public, err := readReceiptKey(path)
	return public, err
}

// PrepareOperationsKey makes the key that signs sets and commands where the
// centre in dir has none, and returns what devices check them with.
func PrepareOperationsKey(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the centre's folder: %w", err)
	}
	_, public, err := makeKey(OperationsKeyPath(dir), operationsName, "operations key")
	return public, err
}

// OpenOperationsKey reads the key that signs sets and commands. It is asked for
// when somebody makes one: a running centre does without, so the file may lie
// on a token that is put away.
func OpenOperationsKey(path string) (note.Signer, string, error) {
	return readKey(path, "operations key")
}

// OperationsKeyPath is where that key lies by default.
func OperationsKeyPath(dir string) string { return filepath.Join(dir, "operations.key") }

// operationsName is the name in the operations key.
const operationsName = "limen-operations"

func receiptKeyPath(dir string) string { return filepath.Join(dir, "receipt.key") }

// receiptKey reads the key that signs receipts, or makes one.
func receiptKey(path string) (note.Signer, string, error) {
	return makeKey(path, "limen-centre", receiptKeyName)
}

const receiptKeyName = "receipt key"

// makeKey reads a key of the centre, or makes one.
func makeKey(path, name, what string) (note.Signer, string, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		private, public, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			return nil, "", err
		}
		if err := writeNew(path, []byte(private+"\n"+public+"\n")); err != nil {
			return nil, "", fmt.Errorf("cannot keep a new key: %w", err)
		}
	}
	return readKey(path, what)
}

// readReceiptKey reads the key that signs receipts.
func readReceiptKey(path string) (note.Signer, string, error) {
	return readKey(path, receiptKeyName)
}

func readKey(path, what string) (note.Signer, string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read the %s: %w", what, err)
	}
	private, public, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, "", fmt.Errorf("%s holds no %s: put the centre's own back, which all its processes share; no device takes what another key signs", path, what)
	}
	if v, err := note.NewVerifier(public); err != nil || v.KeyHash() != signer.KeyHash() {
		return nil, "", fmt.Errorf("%s holds two keys that are not one pair: put the centre's own file back", path)
	}
	return signer, public, nil
}

// MQTTAddr is where devices connect, as host:port; empty where this process is
// no broker.
func (c *Centre) MQTTAddr() string {
	if c.broker == nil {
		return ""
	}
	return c.broker.addr
}

// HTTPAddr is where the page is, as host:port; empty where there is none.
func (c *Centre) HTTPAddr() string {
	if c.page == nil {
		return ""
	}
	return c.page.Addr().String()
}

// MetricsAddr is where /metrics and /healthz are; empty where they are not.
func (c *Centre) MetricsAddr() string {
	if c.watched == nil {
		return ""
	}
	return c.watched.Addr().String()
}

// Records is what the centre holds; nil for a broker alone.
func (c *Centre) Records() *Records { return c.records }

// Registry is where the centre's metrics are; pages add their own.
func (c *Centre) Registry() *prometheus.Registry { return c.metrics.registry }

// Config is what the centre was opened with.
func (c *Centre) Config() Config { return c.cfg }

// Devices adds to the records who is connected now.
func (c *Centre) Devices(ctx context.Context) ([]DeviceView, error) {
	devices, err := c.records.Devices(ctx)
	c.connected(devices)
	return devices, err
}

// Device does so for one.
func (c *Centre) Device(ctx context.Context, name string) (DeviceView, error) {
	d, err := c.records.Device(ctx, name)
	one := []DeviceView{d}
	c.connected(one)
	return one[0], err
}

func (c *Centre) connected(devices []DeviceView) {
	for k := range devices { // as each said last, or its will
		devices[k].Connected = devices[k].State == stateConnected
	}
	if c.broker == nil {
		return
	}
	connected := c.broker.connected()
	for k := range devices {
		devices[k].Connected = connected[devices[k].Name]
	}
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
	var beside sync.WaitGroup
	ended := make(chan error, 2)
	for _, l := range []*listener{c.page, c.watched} {
		if l != nil {
			beside.Go(func() {
				defer stop()
				ended <- l.serve(ctx)
			})
		}
	}
	if c.records != nil {
		beside.Go(func() { c.look(ctx) })
	}
	var err error
	switch {
	case c.link != nil:
		beside.Go(func() { c.sendCommands(ctx) })
		beside.Go(func() { c.keepIndex(ctx) })
		err = c.ingest(ctx)
	case c.broker != nil:
		select {
		case <-ctx.Done():
		case <-c.broker.broken: // the other nodes have what it lost
			err = errors.New("the broker's disk took nothing: make room there and start this node again")
		}
	default:
		<-ctx.Done()
	}
	stop()
	beside.Wait()
	close(ended)
	for served := range ended {
		err = errors.Join(err, served)
	}
	return errors.Join(err, c.Close())
}

// Close ends a centre that is not run.
func (c *Centre) Close() error {
	c.closing.Do(func() {
		var errs []error
		for _, l := range []*listener{c.page, c.watched} {
			if l == nil {
				continue
			}
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		if c.link != nil {
			c.link.close()
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

// fromDevice tells what devices send from what is sent to them.
func fromDevice(kind wire.Kind) bool {
	return kind == wire.KindEntries || kind == wire.KindStatus || kind == wire.KindAsk
}

// deviceOf takes a subject apart.
func deviceOf(subject string) (string, wire.Kind, error) {
	return wire.ParseTopic(strings.ReplaceAll(subject, ".", "/"))
}
