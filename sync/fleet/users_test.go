package fleet

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const testPassword = "correct horse battery"

func TestUsersAndLockout(t *testing.T) { onBoth(t, testUsersAndLockout) }

func testUsersAndLockout(t *testing.T, at place) {
	r := newBare(t, at).records
	ctx := t.Context()
	if err := r.AddUser(ctx, "ana", testPassword, Roles{Operator, Technician}, day); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"twice":          r.AddUser(ctx, "ana", testPassword, Roles{Viewer}, day),
		"short password": r.AddUser(ctx, "bo", "short", Roles{Viewer}, day),
		"no role":        r.AddUser(ctx, "bo", testPassword, nil, day),
		"odd name":       r.AddUser(ctx, "oidc:bo", testPassword, Roles{Viewer}, day),
		"unknown":        r.SetPassword(ctx, "bo", testPassword),
	} {
		if err == nil {
			t.Errorf("%s: got no error", what)
		}
	}
	roles, err := r.CheckUser(ctx, "ana", testPassword, day)
	if err != nil || roles.String() != "operator technician" {
		t.Fatalf("got %v, %v", roles, err)
	}
	for k := range mostFailures {
		if _, err := r.CheckUser(ctx, "ana", "wrong", day); !errors.Is(err, ErrWrongPassword) {
			t.Errorf("wrong password %d: got %v", k, err)
		}
	}
	if _, err := r.CheckUser(ctx, "ana", testPassword, day.Add(lockedFor-time.Second)); !errors.Is(err, ErrSignIn) || errors.Is(err, ErrWrongPassword) {
		t.Errorf("locked: got %v", err)
	}
	if _, err := r.CheckUser(ctx, "ana", testPassword, day.Add(lockedFor+time.Second)); err != nil {
		t.Errorf("the lock is over: got %v", err)
	}
	for range mostFailures - 1 { // a right one in between begins the count anew
		r.CheckUser(ctx, "ana", "wrong", day.Add(lockedFor+time.Second))
	}
	if _, err := r.CheckUser(ctx, "ana", testPassword, day.Add(lockedFor+time.Second)); err != nil {
		t.Errorf("after four wrong ones: got %v", err)
	}
	if err := r.Disable(ctx, "ana", true, day); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CheckUser(ctx, "ana", testPassword, day.Add(time.Hour)); !errors.Is(err, ErrSignIn) {
		t.Errorf("disabled: got %v", err)
	}
	if _, err := r.CheckUser(ctx, "nobody", testPassword, day); !errors.Is(err, ErrSignIn) {
		t.Errorf("nobody: got %v", err)
	}
}

func TestSessionsEnd(t *testing.T) { onBoth(t, testSessionsEnd) }

func testSessionsEnd(t *testing.T, at place) {
	r := newBare(t, at).records
	ctx := t.Context()
	if err := r.AddUser(ctx, "ana", testPassword, Roles{Viewer}, day); err != nil {
		t.Fatal(err)
	}
	begin := func(p Person) string {
		t.Helper()
		token, err := r.BeginSession(ctx, p, day)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	local := Person{Name: "ana", Local: true}
	token := begin(local)
	if _, err := r.Session(ctx, token+"x", true, day); !errors.Is(err, ErrNoSession) {
		t.Errorf("another token: got %v", err)
	}
	if err := r.SetRoles(ctx, "ana", Roles{Operator}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Session(ctx, token, true, day); !errors.Is(err, ErrNoSession) {
		t.Errorf("other roles: got %v, want the session ended", err)
	}
	token = begin(local)
	now := day
	for now.Sub(day) < SessionLife-SessionIdle { // used now and then
		now = now.Add(SessionIdle - time.Minute)
		if p, err := r.Session(ctx, token, true, now); err != nil || p.Roles.String() != "operator" {
			t.Fatalf("after %v of use: got %+v, %v", now.Sub(day), p, err)
		}
	}
	if _, err := r.Session(ctx, token, true, day.Add(SessionLife+time.Minute)); !errors.Is(err, ErrNoSession) {
		t.Errorf("after its life: got %v", err)
	}
	token = begin(Person{Name: "oidc:bo", Roles: Roles{PrivacyOfficer}})
	if p, err := r.Session(ctx, token, false, day.Add(SessionIdle-time.Second)); err != nil || p.Roles.String() != "privacy-officer" || p.Local {
		t.Errorf("a provider's user: got %+v, %v", p, err)
	}
	// That it was only looked at by a page that refreshes itself is no use.
	if _, err := r.Session(ctx, token, true, day.Add(SessionIdle+time.Second)); !errors.Is(err, ErrNoSession) {
		t.Errorf("idle: got %v", err)
	}
	var kept string
	if err := r.read.QueryRow("SELECT count(*) FROM sessions WHERE name = 'oidc:bo'").Scan(&kept); err != nil || kept != "0" {
		t.Errorf("an ended session is kept: %s, %v", kept, err)
	}
}

func TestPasswords(t *testing.T) {
	hash, err := hashPassword(testPassword)
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("got %s, %v", hash, err)
	}
	again, err := hashPassword(testPassword)
	if err != nil || again == hash {
		t.Error("two hashes of one password are the same: no salt")
	}
	for password, want := range map[string]bool{testPassword: true, testPassword + " ": false, "": false, strings.Repeat("a", maxPassword+1): false} {
		if got, err := checkPassword(hash, password); got != want || err != nil {
			t.Errorf("%q: got %v, %v", password, got, err)
		}
	}
	if ok, err := checkPassword(noPassword, testPassword); ok || err != nil {
		t.Errorf("no account: got %v, %v", ok, err)
	}
	for _, bad := range []string{"", "secret", "$argon2i$v=19$m=1,t=1,p=1$AAAA$AAAA", strings.Replace(hash, "m=19456", "m=99999999", 1), strings.Replace(hash, "t=2", "t=0", 1), hash[:40]} {
		if ok, err := checkPassword(bad, testPassword); ok || err == nil {
			t.Errorf("hash %q: got %v, %v", bad, ok, err)
		}
	}
}

// A flood of guesses is turned away, and does not take the machine's memory.
func TestFloodOfSignIns(t *testing.T) {
	r := newBare(t, inSQLite).records
	var busy, refused atomic.Int32
	var guessing sync.WaitGroup
	for range 4 * cap(queueing) {
		guessing.Go(func() {
			switch _, err := r.CheckUser(t.Context(), "ana", "a guess", day); {
			case errors.Is(err, ErrBusy):
				busy.Add(1)
			case errors.Is(err, ErrSignIn):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	guessing.Wait()
	if busy.Load() == 0 || refused.Load() < int32(cap(queueing)) {
		t.Errorf("got %d turned away and %d refused; want some turned away, and a queue's worth refused", busy.Load(), refused.Load())
	}
	if _, err := r.CheckUser(t.Context(), "ana", "a guess", day); !errors.Is(err, ErrSignIn) {
		t.Errorf("afterwards: got %v", err)
	}
}
