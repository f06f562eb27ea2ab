package fleet

import (
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"limen/sync/wire"
)

// broker is the embedded NATS server with nothing but its MQTT listener: no
// client port, no monitoring, no cluster unless it is one node of it.
//
// JetStream does not mend a store whose disk was full for a moment: what it
// could not write once it never writes again. Nothing in it is worth mending.
// A broker that is broken is renewed, with an empty folder.
type broker struct {
	dir    string
	start  func(addr string) (*server.Server, error)
	addr   string
	broken chan struct{} // gets one where the store no longer stores

	mu     sync.Mutex
	server *server.Server
}

// The broker keeps little: devices hold every entry until its receipt.
const (
	brokerMemory = 32 << 20
	brokerDisk   = 512 << 20
	brokerStart  = 20 * time.Second
)

// Cluster makes the broker one of several: it takes ingest workers, and routes
// to the others.
type Cluster struct {
	Name    string   // this node's, unique in the cluster
	Clients string   // host:port where workers connect
	Listen  string   // host:port where the other nodes connect
	Routes  []string // host:port of the other nodes' Listen
	Nodes   int      // of the cluster: streams have as many replicas, at most 5
}

// Replicas of a stream: JetStream allows five.
const mostReplicas = 5

func (c *Cluster) apply(o *server.Options, gate *gatekeeper, tlsConfig *tls.Config) error {
	host, port, err := splitListen(c.Clients)
	if err != nil {
		return fmt.Errorf("where workers connect: %w", err)
	}
	if c.Name == "" {
		return errors.New("a node of a cluster needs a name of its own")
	}
	o.DontListen, o.Host, o.Port = false, host, port
	o.TLSConfig, o.TLSTimeout, o.TLSVerify = tlsConfig, 10, true
	o.ServerName = c.Name
	o.NoSystemAccount = false // the nodes of a cluster speak over it
	routes := tlsConfig.Clone()
	routes.RootCAs = tlsConfig.ClientCAs // a node is a client of the others
	o.Cluster = server.ClusterOpts{Name: "limen", TLSConfig: routes, TLSTimeout: 10}
	if o.Cluster.Host, o.Cluster.Port, err = splitListen(c.Listen); err != nil {
		return fmt.Errorf("where the other nodes connect: %w", err)
	}
	for _, r := range c.Routes {
		if _, _, err := splitListen(r); err != nil {
			return fmt.Errorf("route to another node: %w", err)
		}
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: r})
	}
	o.CustomRouterAuthentication = nodesOnly{gate.log}
	o.MQTT.StreamReplicas = min(max(c.Nodes, 1), mostReplicas)
	return nil
}

// nodesOnly lets in the nodes of the cluster: devices and workers have
// certificates of the same authority.
type nodesOnly struct{ log *slog.Logger }

// Check implements server.Authentication.
func (n nodesOnly) Check(c server.ClientAuthentication) bool {
	state := c.GetTLSConnectionState()
	if state != nil && len(state.VerifiedChains) > 0 && state.PeerCertificates[0].Subject.CommonName == nodeName {
		return true
	}
	n.log.Warn("route refused: its certificate is not a node's", "from", c.RemoteAddress())
	return false
}

func startBroker(dir, addr string, tlsConfig *tls.Config, secret string, cluster *Cluster, log *slog.Logger) (*broker, error) {
	b := &broker{dir: dir, broken: make(chan struct{}, 1)}
	b.start = func(addr string) (*server.Server, error) {
		host, port, err := splitListen(addr)
		if err != nil {
			return nil, err
		}
		gate := &gatekeeper{secret: secret, log: log}
		options := &server.Options{
			ServerName: "limen-fleet", DontListen: true, NoSigs: true, NoSystemAccount: true,
			MaxPayload: wire.MaxMessage + 16<<10, // and the broker's own headers
			MaxPending: 8 << 20,
			JetStream:  true, StoreDir: dir, JetStreamMaxMemory: brokerMemory, JetStreamMaxStore: brokerDisk,
			CustomClientAuthentication: gate,
			MQTT:                       server.MQTTOpts{Host: host, Port: port, TLSConfig: tlsConfig, TLSTimeout: 10, AuthTimeout: 10, MaxAckPending: 64},
		}
		if cluster != nil {
			if err := cluster.apply(options, gate, tlsConfig); err != nil {
				return nil, err
			}
		}
		s, err := server.NewServer(options)
		if err != nil {
			return nil, fmt.Errorf("cannot set up the broker: %w", err)
		}
		gate.server = s
		said := &brokerLog{log: log, broken: b.broken}
		s.SetLoggerV2(said, false, false, false)
		s.Start()
		if said.fatal() != nil || !s.ReadyForConnections(brokerStart) {
			s.Shutdown()
			s.WaitForShutdown()
			return nil, fmt.Errorf("the broker does not start on %s: %w", addr, errors.Join(said.fatal(), errors.New("see whether the address is free and its folder writable")))
		}
		return s, nil
	}
	s, err := b.start(addr)
	if err != nil {
		return nil, err
	}
	b.server = s
	v, err := s.Varz(nil)
	if err != nil {
		b.stop()
		return nil, err
	}
	host, _, _ := splitListen(addr)
	b.addr = net.JoinHostPort(host, strconv.Itoa(v.MQTT.Port))
	return b, nil
}

// renew ends the server and starts another one on the same address with
// nothing in its folder.
func (b *broker) renew() error {
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	s, err := b.start(b.addr)
	if err != nil {
		return err
	}
	b.server = s
	select {
	case <-b.broken: // of the one before
	default:
	}
	return nil
}

var errNoBroker = errors.New("the broker is being renewed")

// running is the server now; nil while there is none.
func (b *broker) running() *server.Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.server
}

// InProcessConn implements nats.InProcessConnProvider: of a renewed broker too.
func (b *broker) InProcessConn() (net.Conn, error) {
	s := b.running()
	if s == nil {
		return nil, errNoBroker
	}
	return s.InProcessConn()
}

// splitListen reads host:port; to NATS port 0 means none, and -1 any.
func splitListen(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not host:port, such as 0.0.0.0:8883", addr)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		port = -1
	}
	return host, port, nil
}

func (b *broker) stop() {
	b.mu.Lock()
	s := b.server
	b.server = nil
	b.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// connected are the devices with a connection now.
func (b *broker) connected() map[string]bool {
	out := map[string]bool{}
	s := b.running()
	if s == nil {
		return out
	}
	z, err := s.Connz(&server.ConnzOptions{Limit: 1 << 20})
	if err != nil {
		return out
	}
	for _, c := range z.Conns {
		if c.MQTTClient != "" {
			out[c.MQTTClient] = true
		}
	}
	return out
}

// gatekeeper lets in the centre itself, by a secret of this process, and
// devices by their certificate.
type gatekeeper struct {
	server *server.Server
	secret string
	log    *slog.Logger
}

// Check implements server.Authentication. The TLS listener has verified the
// certificate; here its common name becomes the user whose topics are allowed.
func (g *gatekeeper) Check(c server.ClientAuthentication) bool {
	state := c.GetTLSConnectionState()
	if state == nil { // in this process
		return subtle.ConstantTimeCompare([]byte(c.GetOpts().Token), []byte(g.secret)) == 1
	}
	if len(state.VerifiedChains) == 0 {
		return false
	}
	name := state.PeerCertificates[0].Subject.CommonName
	if name == workerName && g.clientID(c.GetID()) == "" { // not over MQTT
		c.RegisterUser(&server.User{Username: name})
		return true
	}
	if err := wire.CheckIdentifier(name); err != nil {
		g.log.Warn("device refused: its certificate names no device", "from", c.RemoteAddress(), "error", err)
		return false
	}
	// A device that connects under another's client id would evict that other.
	if id := g.clientID(c.GetID()); id != name {
		g.log.Warn("device refused: its client id is not its certificate's name", "from", c.RemoteAddress(), "certificate", name)
		return false
	}
	c.RegisterUser(&server.User{Username: name, Permissions: permissions(name)})
	return true
}

// clientID is the MQTT client id of a connection under way; the server's
// report on connections is the one place that tells it.
func (g *gatekeeper) clientID(connection uint64) string {
	z, err := g.server.Connz(&server.ConnzOptions{CID: connection})
	if err != nil || len(z.Conns) != 1 {
		return ""
	}
	return z.Conns[0].MQTTClient
}

// permissions are a device's: its own entries, status and asks out, its own
// receipts, replies and commands in. MQTT's topic a/b is NATS's subject a.b. Under $MQTT.sub the
// server delivers what a QoS 1 subscription gets; it lets no device subscribe
// there by name.
func permissions(device string) *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{subject(device, wire.KindEntries), subject(device, wire.KindStatus), subject(device, wire.KindAsk)}},
		Subscribe: &server.SubjectPermission{Allow: []string{subject(device, wire.KindReceipt), subject(device, wire.KindReply), subject(device, wire.KindCommand), "$MQTT.sub.>"}},
	}
}

func subject(device string, kind wire.Kind) string {
	return strings.ReplaceAll(wire.Topic(device, kind), "/", ".")
}

// brokerLog passes on what the server reports of trouble.
type brokerLog struct {
	log    *slog.Logger
	broken chan<- struct{}
	mu     sync.Mutex
	end    error
}

func (l *brokerLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

func (l *brokerLog) Noticef(string, ...any)    {}
func (l *brokerLog) Debugf(string, ...any)     {}
func (l *brokerLog) Tracef(string, ...any)     {}
func (l *brokerLog) Warnf(f string, a ...any)  { l.says(fmt.Sprintf(f, a...)) }
func (l *brokerLog) Errorf(f string, a ...any) { l.says(fmt.Sprintf(f, a...)) }

// says passes a line on. That a store is broken is told nowhere else.
func (l *brokerLog) says(line string) {
	l.log.Warn("broker", "says", line)
	low := strings.ToLower(line)
	if !strings.Contains(low, "critical write error") && !strings.Contains(low, "will be disabled") && !strings.Contains(low, "no space left on device") {
		return
	}
	select {
	case l.broken <- struct{}{}:
	default:
	}
}
func (l *brokerLog) Fatalf(f string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = fmt.Errorf(f, a...)
}
