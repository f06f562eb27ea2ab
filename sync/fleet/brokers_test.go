package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"limen/internal/repotest"
)

// node is one of three brokers in a cluster on this machine, a process each.
type node struct {
	nodeConfig
	t       testing.TB
	process *repotest.Process
}

// nodeConfig goes to the process as JSON.
type nodeConfig struct {
	Dir, MQTT, CA string
	Files         Files
	Cluster       *Cluster
}

// asNode is set in a child process that is to be a node: its configuration.
const asNode = "LIMEN_TEST_NODE"

// beNode runs a node until it is killed.
func beNode(config string) error {
	var n nodeConfig
	if err := json.Unmarshal([]byte(config), &n); err != nil {
		return err
	}
	c, err := Open(Config{Role: RoleBroker, Dir: n.Dir, MQTT: n.MQTT, CA: n.CA, Certificate: n.Files.Certificate, Key: n.Files.Key, Cluster: n.Cluster})
	if err != nil {
		return err
	}
	return c.Run(context.Background())
}

// cluster starts three brokers of our own as one NATS cluster.
func (s *site) cluster() []*node {
	s.t.Helper()
	const n = 3
	var nodes []*node
	for k := range n {
		dir := filepath.Join(s.dir, fmt.Sprint("node", k))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			s.t.Fatal(err)
		}
		files, err := s.authority.NodeIn(dir, "127.0.0.1")
		if err != nil {
			s.t.Fatal(err)
		}
		nodes = append(nodes, &node{t: s.t, nodeConfig: nodeConfig{
			Dir: filepath.Join(dir, "data"), MQTT: freeAddress(s.t), CA: s.authority.CAPath(), Files: files,
			Cluster: &Cluster{Name: fmt.Sprint("node", k), Clients: freeAddress(s.t), Listen: freeAddress(s.t), Nodes: n},
		}})
	}
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b {
				a.Cluster.Routes = append(a.Cluster.Routes, b.Cluster.Listen)
			}
		}
		a.start()
	}
	for _, a := range nodes {
		a.await()
	}
	return nodes
}

func (n *node) start() {
	n.t.Helper()
	config, err := json.Marshal(n.nodeConfig)
	if err != nil {
		n.t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), asNode+"="+string(config))
	if n.process, err = repotest.StartProcess(child); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(n.process.Kill)
}

// await waits until devices and workers can connect.
func (n *node) await() {
	n.t.Helper()
	for _, addr := range []string{n.MQTT, n.Cluster.Clients} {
		if err := n.process.Listening(addr); err != nil {
			n.t.Fatal(err)
		}
	}
}

// mosquitto starts Debian's broker with the access rules of the centre's
// example, and returns where it listens.
func (s *site) mosquitto() string {
	s.t.Helper()
	addr := freeAddress(s.t)
	_, port, _ := strings.Cut(addr, ":")
	command, err := repotest.Mosquitto(repotest.Root(s.t), s.dir, port, s.authority.CAPath(), s.server.Certificate, s.server.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	if command == nil {
		s.t.Skip("this needs Debian's mosquitto: make deps-test installs it")
	}
	process, err := repotest.StartProcess(command)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(process.Kill)
	if err := process.Listening(addr); err != nil {
		s.t.Fatal(err)
	}
	return addr
}

// worker starts an ingest worker on a broker and a database outside.
func (s *site) worker(q Queue, database string) (*Centre, func() error) {
	s.t.Helper()
	files, err := s.authority.WorkerIn(s.t.TempDir())
	if err != nil {
		s.t.Fatal(err)
	}
	q.CA, q.Certificate, q.Key = s.authority.CAPath(), files.Certificate, files.Key
	c, err := Open(Config{Role: RoleIngest, Database: database, ReceiptKey: receiptKeyPath(s.folder()), Queue: q})
	if err != nil {
		s.t.Fatal(err)
	}
	return c, background(s.t, "worker", c.Run)
}

// shared begins records in PostgreSQL that know these devices, for workers.
func (s *site) shared(devices ...*device) string {
	s.t.Helper()
	at := inPostgres(s.t)
	r, err := CreateRecords(at)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close() })
	for _, d := range devices {
		if err := r.Enrol(s.t.Context(), d.name, d.key.PublicKey(), day); err != nil {
			s.t.Fatal(err)
		}
	}
	s.Centre = &Centre{records: r, cfg: Config{}.withDefaults()}
	return at
}

func (s *site) receiptKey() string {
	s.t.Helper()
	key, err := PrepareReceiptKey(s.folder())
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

func clients(nodes []*node) (out []string) {
	for _, n := range nodes {
		out = append(out, n.Cluster.Clients)
	}
	return out
}

func listeners(nodes []*node) string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.MQTT)
	}
	return strings.Join(out, ",")
}

// The same device with every broker.
func TestOneDeviceEveryBroker(t *testing.T) {
	for name, broker := range map[string]func(s *site, d *device) string{
		"embedded": func(s *site, d *device) string {
			s.start(d.enrolled())
			return s.MQTTAddr()
		},
		"NATS cluster": func(s *site, d *device) string {
			nodes, at := s.cluster(), s.shared(d)
			for range 2 {
				s.worker(Queue{NATS: clients(nodes), Replicas: 3}, at)
			}
			return listeners(nodes)
		},
		"Mosquitto": func(s *site, d *device) string {
			addr, at := s.mosquitto(), s.shared(d)
			for range 2 {
				s.worker(Queue{MQTT: "tls://" + addr}, at)
			}
			return addr
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			d := s.newDevice("gate-1", 1, s.receiptKey())
			d.append(40)
			addr := broker(s, d)
			_, stop := d.connect(addr)
			s.settled(d)
			d.append(5) // while connected
			s.settled(d)
			state := func(want string) func() bool {
				return func() bool {
					v, err := s.records.Devices(t.Context())
					return err == nil && v[0].State == want && v[0].Software == "test"
				}
			}
			until(t, "seen running", state("running"))
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			until(t, "seen stopped", state("stopped"))
			v, err := s.records.Verify(t.Context())
			if err != nil || len(v) != 1 || v[0].Fault != nil || v[0].Size != 45 {
				t.Errorf("Verify: got %+v, %v; want 45 entries without fault", v, err)
			}
		})
	}
}
