package desk

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net"
	"net/http"

	"limen/sync/fleet"
)

// policy lets a page load its own style sheet and script, speak to its own
// server, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxForm bounds what a form may send.
const maxForm = 16 << 10

// guard sets the headers every answer has, and refuses what another site sends
// in a user's name. It answers to the names it is known by only: a web site
// whose name was made to point here does not get to read it.
func (d *Desk) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	if d.public != nil {
		// Behind a proxy the host may be another than the browser's.
		if err := crossOrigin.AddTrustedOrigin(d.public.Scheme + "://" + d.public.Host); err != nil {
			d.opts.Log.Error("the pages' public address is not taken for an origin", "error", err)
		}
	}
	next = crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if d.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !d.known(r) {
			http.Error(w, "these pages do not answer to that name", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// known tells whether the browser asked for a name the pages have. Pages with
// a certificate of their own and no public address have those of the certificate.
func (d *Desk) known(r *http.Request) bool {
	if d.public != nil && r.Host == d.public.Host {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if ok && local.IP.IsLoopback() {
		return loopbackHost(r.Host)
	}
	return d.public == nil
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// cookieName has the prefix that binds a cookie to one host over TLS.
func (d *Desk) cookieName() string {
	if d.secure {
		return "__Host-limen-fleet"
	}
	return "limen-fleet"
}

func (d *Desk) setCookie(w http.ResponseWriter, token string) {
	c := &http.Cookie{Name: d.cookieName(), Value: token, Path: "/", HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteStrictMode, MaxAge: int(fleet.SessionLife.Seconds())}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// csrf is what a form of a session has to send along: a site that can make the
// browser send the cookie cannot read it, and so not this.
func csrf(token string) string {
	sum := sha256.Sum256([]byte("limen form v1\n" + token))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

// liveHeader marks what the script fetches by itself: no use of the session.
const liveHeader = "Limen-Live"

// signed answers for those who are signed in and have a right, "" for any.
func (d *Desk) signed(right fleet.Right, answer func(http.ResponseWriter, *http.Request, visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v visit
		if c, err := r.Cookie(d.cookieName()); err == nil {
			v.token = c.Value
		}
		var err error
		live := r.Header.Get(liveHeader) != "" || r.URL.Path == "/events"
		if v.token == "" {
			err = fleet.ErrNoSession
		} else {
			v.Person, err = d.records.Session(r.Context(), v.token, !live, d.now())
		}
		switch {
		case errors.Is(err, fleet.ErrNoSession) && r.Method == http.MethodGet && r.URL.Path != "/events" && r.URL.Path != "/api/devices":
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
			return
		case errors.Is(err, fleet.ErrNoSession):
			http.Error(w, "nobody is signed in", http.StatusUnauthorized)
			return
		case err != nil:
			d.fail(w, r, visit{}, err)
			return
		case r.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(csrf(v.token))) != 1:
			d.say(w, r, v, http.StatusForbidden, message{"That form is not from this page", "Load the page anew and send it again."})
			return
		case right != "" && !v.Roles.May(right):
			d.say(w, r, v, http.StatusForbidden, message{"Your role does not allow this", "Ask whoever gives roles at the centre if your work needs it."})
			return
		}
		if err := answer(w, r, v); err != nil {
			d.fail(w, r, v, err)
		}
	})
}
