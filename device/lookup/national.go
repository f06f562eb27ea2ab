// Package lookup asks databases about a document: the national system over
// HTTPS, and a stop list in a file. Each is a limen.Lookup.
//
// Any error means "not answered"; what follows from that is the policy's to
// say. No error quotes the question, a token or an answer.
package lookup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"limen"
)

const (
	maxAnswer   = 16 << 10 // bytes
	clockSpread = 5 * time.Minute
	checkPath   = "/v1/documents:check"
)

// NationalOptions say where the national system is and how it knows us.
type NationalOptions struct {
	Name  string // in policy and evidence: "national"
	URL   string // "https://host:port", without a path
	CA    []byte // PEM certificates the server's must descend from; no other CA is trusted
	Token string // bearer token
	// Certificate is the client's own, where the server asks for one.
	Certificate *tls.Certificate
	TimeLimit   time.Duration    // of one question; zero means 3 s. The policy's limit may be shorter
	Now         func() time.Time // time.Now when nil
}

// National asks a national system over HTTPS.
type National struct {
	name, url, token string
	limit            time.Duration
	now              func() time.Time
	client           *http.Client
}

// NewNational prepares the client; it connects with the first question.
func NewNational(o NationalOptions) (*National, error) {
	u, err := url.Parse(o.URL)
	switch {
	case o.Name == "":
		return nil, errors.New("lookup: the national system has no name: set it as in the policy")
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("lookup: url of %s: want https://HOST:PORT and nothing else", o.Name)
	case o.Token == "" && o.Certificate == nil:
		return nil, fmt.Errorf("lookup: %s would not know us: set a token or a client certificate", o.Name)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(o.CA) {
		return nil, fmt.Errorf("lookup: ca of %s holds no PEM certificate: give the one its server descends from", o.Name)
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: o.Now}
	if o.Certificate != nil {
		config.Certificates = []tls.Certificate{*o.Certificate}
	}
	n := &National{
		name: o.Name, url: "https://" + u.Host + checkPath, token: o.Token,
		limit: cmp.Or(o.TimeLimit, 3*time.Second), now: o.Now,
		client: &http.Client{
			Transport: &http.Transport{
				TLSClientConfig: config, TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true,
				MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: maxAnswer,
			},
			// A redirect would take the question and the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if n.now == nil {
		n.now = time.Now
	}
	return n, nil
}

// Name is the database's name in policy and evidence.
func (n *National) Name() string { return n.name }

// Close gives up idle connections.
func (n *National) Close() error { n.client.CloseIdleConnections(); return nil }

// question and answer are the wire's JSON.
type question struct {
	Type        string `json:"type"`
	Issuer      string `json:"issuer"`
	Number      string `json:"number"`
	Nationality string `json:"nationality,omitempty"`
}

type answer struct {
	Status string    `json:"status"`
	Kind   string    `json:"kind"`
	AsOf   time.Time `json:"as_of"`
}

// Ask asks about one document.
func (n *National) Ask(ctx context.Context, q limen.LookupQuery) (limen.LookupAnswer, error) {
	ctx, stop := context.WithTimeout(ctx, n.limit)
	defer stop()
	body, err := json.Marshal(question{q.DocumentCode, issuer(q.Issuer), plain(q.Number), q.Nationality})
	if err != nil {
		return limen.LookupAnswer{}, fmt.Errorf("lookup: cannot encode the question: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return limen.LookupAnswer{}, fmt.Errorf("lookup: cannot ask %s: %w", n.name, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	if n.token != "" {
		request.Header.Set("Authorization", "Bearer "+n.token)
	}
	response, err := n.client.Do(request)
	if err != nil {
		return limen.LookupAnswer{}, fmt.Errorf("lookup: %s did not answer: %w", n.name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return limen.LookupAnswer{}, fmt.Errorf("lookup: %s refused with status %d%s", n.name, response.StatusCode, hint(response.StatusCode))
	}
	encoded, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return limen.LookupAnswer{}, fmt.Errorf("lookup: answer of %s broke off: %w", n.name, err)
	}
	if len(encoded) > maxAnswer {
		return limen.LookupAnswer{}, fmt.Errorf("lookup: answer of %s is over %d bytes: check what the url leads to", n.name, maxAnswer)
	}
	a, err := judge(encoded, n.now())
	if err != nil {
		return limen.LookupAnswer{}, fmt.Errorf("lookup: answer of %s: %w", n.name, err)
	}
	return a, nil
}

// judge reads an answer. A hit is a hit even when the rest is odd: dropping
// one because of it could let the holder pass under a lenient offline policy.
func judge(encoded []byte, now time.Time) (limen.LookupAnswer, error) {
	var a answer
	if err := json.Unmarshal(encoded, &a); err != nil {
		return limen.LookupAnswer{}, errors.New("is not the JSON agreed upon: check what the url leads to")
	}
	switch a.Status {
	case "hit":
		kind := limen.HitStopList // also for a kind unknown here: an officer looks
		if a.Kind == string(limen.HitLost) {
			kind = limen.HitLost
		}
		return limen.LookupAnswer{Hit: true, Kind: kind, AsOf: a.AsOf}, nil
	case "clear":
		if a.AsOf.IsZero() {
			return limen.LookupAnswer{}, errors.New("does not say how fresh it is")
		}
		// Data from the future would never grow stale.
		if a.AsOf.After(now.Add(clockSpread)) {
			return limen.LookupAnswer{}, errors.New("is dated in the future: check both clocks")
		}
		return limen.LookupAnswer{AsOf: a.AsOf}, nil
	}
	return limen.LookupAnswer{}, errors.New("has no status known here, want clear or hit")
}

func hint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ": check the token"
	case http.StatusNotFound:
		return ": check the url"
	}
	return ""
}
