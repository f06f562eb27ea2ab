package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"limen/sync/wire"
)

// Authority issues the certificates of one centre and its devices: ECDSA on
// P-256, PEM files in one folder. Production may use another; the centre
// takes any whose device certificates carry the device's name as common name.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Files are where a certificate and its private key lie.
type Files struct{ Certificate, Key string }

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 2 * 365 * 24 * time.Hour
	clockSlack      = time.Hour // a gate's clock may be behind the centre's
)

// NewAuthority makes an authority in dir, which may exist but holds none yet.
func NewAuthority(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the authority's folder: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "ca.key")); err == nil {
		return nil, fmt.Errorf("there is an authority in %s already: a new one would shut out every device it certified", dir)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, key: key}
	template := a.template("limen authority", authorityLife)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	template.MaxPathLenZero = true
	a.cert = template // its own issuer
	_, err = a.issue(filepath.Join(dir, "ca"), template, key)
	return a, err
}

// OpenAuthority opens the authority in dir; fs.ErrNotExist when there is none.
func OpenAuthority(dir string) (*Authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no authority in %s: %w", dir, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the authority in %s: %w", dir, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("the certificate in %s is not that of an authority with an ECDSA key", dir)
	}
	return &Authority{dir: dir, cert: pair.Leaf, key: key}, nil
}

// CAPath is the authority's certificate, which devices and centre trust.
func (a *Authority) CAPath() string { return filepath.Join(a.dir, "ca.pem") }

// Server certifies the centre under the names and addresses devices dial.
func (a *Authority) Server(hosts ...string) (Files, error) {
	if len(hosts) == 0 {
		return Files{}, errors.New("the centre's certificate needs the names or addresses that devices dial")
	}
	template := a.template(hosts[0], certificateLife)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	addHosts(template, hosts)
	return a.issueFresh(filepath.Join(a.dir, "server"), template)
}

func addHosts(template *x509.Certificate, hosts []string) {
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
}

// Names of certificates that are no device's: a dot is in no identifier.
const (
	workerName = "centre.worker" // takes what devices send from a broker outside its process
	nodeName   = "centre.node"   // a broker of the centre's own cluster
)

// WorkerIn certifies an ingest worker to a broker outside its process, in dir.
func (a *Authority) WorkerIn(dir string) (Files, error) {
	template := a.template(workerName, certificateLife)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issueFresh(filepath.Join(dir, "worker"), template)
}

// NodeIn certifies a broker of the centre's own cluster, in dir, under the
// names and addresses that devices, workers and the other brokers dial.
func (a *Authority) NodeIn(dir string, hosts ...string) (Files, error) {
	template := a.template(nodeName, certificateLife)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	addHosts(template, hosts)
	return a.issueFresh(filepath.Join(dir, "node"), template)
}

// Device certifies a device; its name is the certificate's common name.
func (a *Authority) Device(name string) (Files, error) { return a.DeviceIn(a.dir, name) }

// DeviceIn writes a device's certificate and key into another folder, to be
// carried to the device: the authority keeps neither.
func (a *Authority) DeviceIn(dir, name string) (Files, error) {
	if err := wire.CheckIdentifier(name); err != nil {
		return Files{}, err
	}
	template := a.template(name, certificateLife)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issueFresh(filepath.Join(dir, "device-"+name), template)
}

func (a *Authority) template(name string, life time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-clockSlack), NotAfter: now.Add(life),
	}
}

func (a *Authority) issueFresh(path string, template *x509.Certificate) (Files, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Files{}, err
	}
	return a.issue(path, template, key)
}

// issue signs template for key and writes both, the key first: a certificate
// without its key is of no use to anyone.
func (a *Authority) issue(path string, template *x509.Certificate, key *ecdsa.PrivateKey) (Files, error) {
	var err error
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return Files{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return Files{}, fmt.Errorf("cannot certify %s: %w", template.Subject.CommonName, err)
	}
	if template == a.cert { // from now on with its raw subject and key identifier
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			return Files{}, err
		}
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Files{}, err
	}
	f := Files{Certificate: path + ".pem", Key: path + ".key"}
	if err := writeNew(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})); err != nil {
		return Files{}, err
	}
	return f, writeNew(f.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// writeNew replaces a file by one that only the owner may read. The old file
// goes first: its permissions would stay.
func writeNew(path string, b []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// serverTLS is the MQTT listener's side: a device without a certificate of
// the authority does not get past the handshake.
func serverTLS(ca, certificate, key string) (*tls.Config, error) {
	pair, pool, err := identity(ca, certificate, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}, nil
}

// workerTLS is a worker's side of a connection to a broker outside its process.
func workerTLS(ca, certificate, key string) (*tls.Config, error) {
	pair, pool, err := identity(ca, certificate, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

func identity(ca, certificate, key string) (tls.Certificate, *x509.CertPool, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return pair, nil, fmt.Errorf("cannot use the centre's certificate: %w", err)
	}
	b, err := os.ReadFile(ca)
	if err != nil {
		return pair, nil, fmt.Errorf("cannot read the authority's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return pair, nil, fmt.Errorf("%s holds no certificate in PEM form", ca)
	}
	return pair, pool, nil
}
