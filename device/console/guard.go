package console

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// cookieName carries the session's token.
const cookieName = "limen_console"

// policy lets the page load nothing but itself, run nothing inline and be
// framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard lets through only what the officer's own page asks for.
//
// The Host must be loopback, so that a name rebound to this address by a
// hostile site gets nothing; the Origin of whatever changes something must be
// this page, and everything but the way in needs the token.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		switch {
		case !loopbackHost(r.Host):
			http.Error(w, "This page is served to this machine only: open it by its loopback address.", http.StatusMisdirectedRequest)
		case !sameOrigin(r):
			http.Error(w, "This request comes from another page.", http.StatusForbidden)
		case r.Method == http.MethodGet && r.URL.Path == "/enter":
			s.enter(w, r)
		case !s.holdsToken(r):
			s.lock(w)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// loopbackHost tells whether a Host header names this very machine.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// sameOrigin tells whether a request comes from the page itself. A browser
// states the origin of everything but plain navigation.
func sameOrigin(r *http.Request) bool {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	origin := r.Header.Get("Origin")
	if origin == "" {
		return safe
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && u.Host == r.Host
}

func (s *Server) isToken(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
}

func (s *Server) holdsToken(r *http.Request) bool {
	for _, c := range r.CookiesNamed(cookieName) {
		if s.isToken(c.Value) {
			return true
		}
	}
	return false
}

// enter turns the token of the printed address into a cookie, so that it
// stays in no address bar.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	if !s.isToken(r.URL.Query().Get("token")) {
		s.lock(w)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: s.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// lock answers whoever lacks the token.
func (s *Server) lock(w http.ResponseWriter) {
	http.Error(w, s.words.Page["locked"]+" "+s.words.Page["locked_hint"], http.StatusForbidden)
}
