package desk

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"limen/sync/fleet"
)

// OIDC is an OpenID Connect provider that signs people in by the
// authorization code flow with PKCE, and says what they are in a claim.
type OIDC struct {
	Issuer       string // https://id.example
	ClientID     string
	ClientSecret string
	Scopes       []string // besides openid
	NameClaim    string   // who it is (default: sub, which is never given to another)
	RolesClaim   string   // a list of words, such as groups
	// Roles say which words of that claim make somebody what.
	Roles map[fleet.UserRole][]string
	// Client reaches the provider; nil for the default.
	Client *http.Client
}

// provider is one that is asked for its keys and addresses when it is first
// needed: a centre starts without it.
type provider struct {
	OIDC
	redirect string

	mu       sync.Mutex
	found    *oidc.Provider
	verifier *oidc.IDTokenVerifier
}

func newProvider(o OIDC, public *url.URL) (*provider, error) {
	switch {
	case o.Issuer == "" || o.ClientID == "":
		return nil, errors.New("an identity provider needs issuer and client_id")
	case public == nil:
		return nil, errors.New("an identity provider sends browsers back to the pages' public address: set it")
	case o.RolesClaim == "" || len(o.Roles) == 0:
		return nil, errors.New("an identity provider needs roles_claim, and roles that say which of its words make somebody what")
	}
	for role := range o.Roles {
		if _, err := fleet.ParseRoles(string(role)); err != nil {
			return nil, err
		}
	}
	if o.NameClaim == "" {
		o.NameClaim = "sub"
	}
	return &provider{OIDC: o, redirect: strings.TrimSuffix(public.String(), "/") + "/sign-in/callback"}, nil
}

// providerPatience bounds each question to the provider.
const providerPatience = 10 * time.Second

func (p *provider) context(ctx context.Context) (context.Context, context.CancelFunc) {
	client := p.Client
	if client == nil {
		client = &http.Client{Timeout: providerPatience}
	}
	return context.WithTimeout(oidc.ClientContext(ctx, client), providerPatience)
}

// ready is the provider's addresses and the verifier of its tokens.
func (p *provider) ready(ctx context.Context) (*oauth2.Config, *oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		// Its keys are fetched later, by the same client and under no request's limit.
		lasting := context.WithoutCancel(ctx)
		found, err := oidc.NewProvider(lasting, p.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot reach the identity provider: %w", err)
		}
		p.found, p.verifier = found, found.VerifierContext(lasting, &oidc.Config{ClientID: p.ClientID})
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: p.found.Endpoint(), RedirectURL: p.redirect, Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...)}, p.verifier, nil
}

// The way to the provider and back is held together by three secrets in a
// cookie of its own, which comes along when the provider sends the browser back.
func (d *Desk) wayCookie() string { return d.cookieName() + "-way" }

const wayLife = 10 * time.Minute

func (d *Desk) setWay(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: d.wayCookie(), Value: value, Path: "/", HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteLaxMode, MaxAge: age})
}

func (d *Desk) toProvider(w http.ResponseWriter, r *http.Request) {
	ctx, stop := d.oidc.context(r.Context())
	defer stop()
	config, _, err := d.oidc.ready(ctx)
	if err != nil {
		d.unreachable(w, r, err)
		return
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	d.setWay(w, strings.Join([]string{state, nonce, verifier}, "."), int(wayLife.Seconds()))
	http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusSeeOther)
}

func (d *Desk) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	d.opts.Log.Error("sign-in", "error", err)
	d.say(w, r, visit{}, http.StatusBadGateway, message{"The identity provider does not answer", "Try again in a minute, or sign in with a local account."})
}

// fromProvider signs in whom the provider vouches for and a role is given to.
func (d *Desk) fromProvider(w http.ResponseWriter, r *http.Request) {
	refuse := func(what string, err error) {
		d.signIns.WithLabelValues("refused").Inc()
		d.opts.Log.Warn("sign-in refused", "why", what, "error", err)
		d.say(w, r, visit{}, http.StatusUnauthorized, message{what, "Sign in again; if it stays so, ask whoever looks after the accounts."})
	}
	way := []string{}
	if c, err := r.Cookie(d.wayCookie()); err == nil {
		way = strings.Split(c.Value, ".")
	}
	d.setWay(w, "", -1)
	if len(way) != 3 || subtle.ConstantTimeCompare([]byte(r.FormValue("state")), []byte(way[0])) != 1 {
		refuse("This sign-in was not begun here, or it took too long", nil)
		return
	}
	if code := r.FormValue("error"); code != "" {
		refuse("The identity provider did not sign you in", errors.New(code))
		return
	}
	ctx, stop := d.oidc.context(r.Context())
	defer stop()
	config, verifier, err := d.oidc.ready(ctx)
	if err != nil {
		d.unreachable(w, r, err)
		return
	}
	token, err := config.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(way[2]))
	if err != nil {
		refuse("The identity provider does not stand by this sign-in", err)
		return
	}
	p, err := d.oidc.person(ctx, verifier, token, way[1])
	if err != nil {
		refuse("The identity provider's word could not be verified", err)
		return
	}
	if len(p.Roles) == 0 {
		refuse("You have no role at this centre", nil)
		return
	}
	if err := d.admit(w, r, p, "identity provider"); err != nil {
		d.fail(w, r, visit{}, err)
		return
	}
	// A redirect from another site would not bring the new cookie along; a page
	// of our own that goes on does.
	w.Header().Set("Refresh", "0; url=/")
	d.say(w, r, visit{}, http.StatusOK, message{"You are signed in", "The fleet follows."})
}

// person is whom a verified ID token names.
func (p *provider) person(ctx context.Context, verifier *oidc.IDTokenVerifier, token *oauth2.Token, nonce string) (who fleet.Person, err error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return who, errors.New("there is no ID token")
	}
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return who, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return who, errors.New("the ID token is for another sign-in")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return who, err
	}
	name, _ := claims[p.NameClaim].(string)
	if name == "" || len(name) > 100 {
		return who, fmt.Errorf("the ID token has no %s", p.NameClaim)
	}
	who.Name = "oidc:" + name // no local account has a colon
	for _, role := range fleet.UserRoles {
		for _, word := range p.Roles[role] {
			if has(claims[p.RolesClaim], word) {
				who.Roles = append(who.Roles, role)
				break
			}
		}
	}
	return who, nil
}

// has tells whether a claim is a word or a list with it.
func has(claim any, word string) bool {
	switch c := claim.(type) {
	case string:
		return c == word
	case []any:
		for _, v := range c {
			if v == word {
				return true
			}
		}
	}
	return false
}
