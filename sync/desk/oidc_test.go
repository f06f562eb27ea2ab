package desk

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"limen/sync/fleet"
)

// identityProvider is a small OpenID Connect provider (Core 1.0, code flow,
// RFC 7636): discovery, keys, authorization, token. Whoever comes is who claims say.
type identityProvider struct {
	t      *testing.T
	server *httptest.Server
	key    *rsa.PrivateKey

	mu     sync.Mutex
	claims map[string]any // of the next ID token
	codes  map[string]url.Values
	signer *rsa.PrivateKey // of the next ID token; the key by default
}

const clientID, clientSecret = "limen-fleet", "a secret of the client"

func newIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{t: t, key: key, signer: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.server.URL, "authorization_endpoint": p.server.URL + "/authorize", "token_endpoint": p.server.URL + "/token", "jwks_uri": p.server.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
			"n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.server = httptest.NewTLSServer(mux)
	t.Cleanup(p.server.Close)
	return p
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *identityProvider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != clientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("state") == "" || !strings.Contains(q.Get("scope"), "openid") {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

func (p *identityProvider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, known := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code")) // once
	id, secret, _ := r.BasicAuth()
	secret, _ = url.QueryUnescape(secret)
	challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !known || id != clientID || secret != clientSecret || asked.Get("code_challenge") != b64(challenge[:]) || r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	claims := map[string]any{"iss": p.server.URL, "aud": clientID, "sub": "u-17", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "nonce": asked.Get("nonce")}
	for k, v := range p.claims {
		claims[k] = v
	}
	head, _ := json.Marshal(map[string]string{"alg": "RS256", "kid": "1", "typ": "JWT"})
	body, _ := json.Marshal(claims)
	signed := b64(head) + "." + b64(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.signer, crypto.SHA256, sum[:])
	if err != nil {
		p.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": signed + "." + b64(signature)})
}

// next says who comes next.
func (p *identityProvider) next(signer *rsa.PrivateKey, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signer, p.claims = signer, claims
}

// withProvider is a site whose people an identity provider knows too.
func withProvider(t *testing.T) (*site, *identityProvider) {
	p := newIdentityProvider(t)
	s := newSite(t, "", func(o *Options) {
		o.PublicURL = "http://localhost:8480"
		o.OIDC = &OIDC{Issuer: p.server.URL, ClientID: clientID, ClientSecret: clientSecret, NameClaim: "email", RolesClaim: "groups", Client: p.server.Client(),
			Roles: map[fleet.UserRole][]string{fleet.Supervisor: {"border-supervisors"}, fleet.Technician: {"border-technicians", "it"}}}
	})
	return s, p
}

// throughProvider goes to the provider and back, and returns the last answer.
func (b *browser) throughProvider(p *identityProvider, bend func(*url.URL)) (*http.Response, string) {
	b.s.t.Helper()
	r, _ := b.get("/sign-in/provider")
	if r.StatusCode != http.StatusSeeOther {
		b.s.t.Fatalf("to the provider: got %s", r.Status)
	}
	client := p.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := client.Get(r.Header.Get("Location"))
	if err != nil {
		b.s.t.Fatal(err)
	}
	r.Body.Close()
	back, err := url.Parse(r.Header.Get("Location"))
	if err != nil || back.Host != "localhost:8480" || back.Path != "/sign-in/callback" {
		b.s.t.Fatalf("back from the provider: got %v, %v", back, err)
	}
	if bend != nil {
		bend(back)
	}
	return b.get(back.RequestURI())
}

func TestProviderSignsIn(t *testing.T) {
	s, p := withProvider(t)
	b := s.browser()
	if _, page := b.get("/sign-in"); !strings.Contains(page, `href="/sign-in/provider"`) {
		t.Error("the page to sign in does not name the provider")
	}
	p.next(p.key, map[string]any{"email": "ana@border.example", "groups": []string{"staff", "it", "border-supervisors"}})
	r, page := b.throughProvider(p, nil)
	if r.StatusCode != http.StatusOK || r.Header.Get("Refresh") != "0; url=/" || !strings.Contains(page, "You are signed in") {
		t.Fatalf("got %s, %s", r.Status, page)
	}
	if r, page := b.get("/search"); r.StatusCode != 200 || !strings.Contains(page, "oidc:ana@border.example") || !strings.Contains(page, "supervisor, technician") {
		t.Errorf("signed in: got %s", r.Status)
	}
	if r, _ := b.get("/audit"); r.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another role: got %s", r.Status)
	}
	lines, err := s.records.Audit(t.Context(), 0, 1)
	if err != nil || lines[0].Name != "oidc:ana@border.example" || lines[0].Subject != "identity provider" {
		t.Errorf("the audit: got %+v, %v", lines, err)
	}
}

func TestProviderIsNotBelievedBlindly(t *testing.T) {
	s, p := withProvider(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]any{"email": "ana@border.example", "groups": []string{"border-supervisors"}}
	with := func(key string, value any) map[string]any {
		out := map[string]any{"email": good["email"], "groups": good["groups"]}
		out[key] = value
		return out
	}
	for name, c := range map[string]struct {
		signer *rsa.PrivateKey
		claims map[string]any
		bend   func(*browser, *url.URL)
	}{
		"another key":         {signer: other, claims: good},
		"for another client":  {claims: with("aud", "another")},
		"of another issuer":   {claims: with("iss", "https://evil.example")},
		"too old":             {claims: with("exp", time.Now().Add(-time.Hour).Unix())},
		"another nonce":       {claims: with("nonce", "x")},
		"no name":             {claims: with("email", "")},
		"no role":             {claims: with("groups", []string{"staff"})},
		"roles of no list":    {claims: with("groups", 7)},
		"another state":       {claims: good, bend: func(_ *browser, u *url.URL) { u.RawQuery = strings.Replace(u.RawQuery, "state=", "state=x", 1) }},
		"another code":        {claims: good, bend: func(_ *browser, u *url.URL) { u.RawQuery = strings.Replace(u.RawQuery, "code=", "code=x", 1) }},
		"refused there":       {claims: good, bend: func(_ *browser, u *url.URL) { u.RawQuery += "&error=access_denied" }},
		"begun elsewhere":     {claims: good, bend: func(b *browser, _ *url.URL) { clear(b.cookies) }},
		"another verifier":    {claims: good, bend: func(b *browser, _ *url.URL) { b.cookies["limen-fleet-way"] += "x" }},
		"a cookie of one bit": {claims: good, bend: func(b *browser, _ *url.URL) { b.cookies["limen-fleet-way"] = "x" }},
	} {
		if c.signer == nil {
			c.signer = p.key
		}
		p.next(c.signer, c.claims)
		b := s.browser()
		r, _ := b.throughProvider(p, func(u *url.URL) {
			if c.bend != nil {
				c.bend(b, u)
			}
		})
		if r.StatusCode != http.StatusUnauthorized || b.cookies["limen-fleet"] != "" {
			t.Errorf("%s: got %s, cookies %v; want 401 and nobody signed in", name, r.Status, b.cookies)
		}
	}
	p.server.Close()
	// It is known already where it is, but it does not answer.
	p.next(p.key, good)
	if r, _ := s.browser().get("/sign-in/callback?state=x"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a way: got %s", r.Status)
	}
}

func TestProviderAway(t *testing.T) {
	p := newIdentityProvider(t)
	s := newSite(t, "", func(o *Options) {
		o.PublicURL = "http://localhost:8480"
		o.OIDC = &OIDC{Issuer: p.server.URL, ClientID: clientID, RolesClaim: "groups", Client: p.server.Client(), Roles: map[fleet.UserRole][]string{fleet.Viewer: {"staff"}}}
	})
	p.server.Close()
	if r, page := s.browser().get("/sign-in/provider"); r.StatusCode != http.StatusBadGateway || !strings.Contains(page, "does not answer") {
		t.Errorf("got %s", r.Status)
	}
	s.as(fleet.Viewer) // local accounts go on
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	s := newSite(t, "", nil)
	for says, o := range map[string]Options{
		"is not one such as":       {PublicURL: "fleet.example"},
		"needs issuer":             {PublicURL: "https://fleet.example", OIDC: &OIDC{}},
		"set it":                   {OIDC: &OIDC{Issuer: "https://id.example", ClientID: "a"}},
		"needs roles_claim":        {PublicURL: "https://fleet.example", OIDC: &OIDC{Issuer: "https://id.example", ClientID: "a"}},
		`there is no role "admin"`: {PublicURL: "https://fleet.example", OIDC: &OIDC{Issuer: "https://id.example", ClientID: "a", RolesClaim: "g", Roles: map[fleet.UserRole][]string{"admin": {"x"}}}},
	} {
		if _, err := New(s.centre, o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want ... %s", err, says)
		}
	}
}
