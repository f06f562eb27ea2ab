package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"limen/sync/fleet"
)

// typing runs a command whose password comes from a pipe.
func typing(t *testing.T, what string, args ...string) (code int, out, errText string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = was; r.Close() }()
	if _, err := w.WriteString(what); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return command(t, args...)
}

func TestUsersCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	const dir = "centre" // a relative one
	const password = "correct horse battery\n"
	if code, text, errText := typing(t, password, "users", "add", "ana", "--role", "supervisor,technician", "--dir", dir); code != 0 || text != "ana can sign in\n" {
		t.Fatalf("add: got %d, %s, %s", code, text, errText)
	}
	for name, c := range map[string]struct {
		typed string
		args  []string
		says  string
	}{
		"twice":      {password, []string{"users", "add", "ana", "--role", "viewer"}, "there is an account ana already"},
		"short":      {"short\n", []string{"users", "add", "bo", "--role", "viewer"}, "at least 12 characters"},
		"nothing":    {"", []string{"users", "add", "bo", "--role", "viewer"}, "no password was given"},
		"odd name":   {password, []string{"users", "add", "Bo B", "--role", "viewer"}, "a user's name has"},
		"nobody":     {password, []string{"users", "password", "bo"}, "there is no such account"},
		"no account": {"", []string{"users", "disable", "bo"}, "there is no such account"},
	} {
		if code, _, errText := typing(t, c.typed, append(c.args, "--dir", dir)...); code == 0 || !strings.Contains(errText, c.says) {
			t.Errorf("%s: got %d, %s; want ... %s", name, code, errText, c.says)
		}
	}
	for _, args := range [][]string{{"users", "roles", "ana", "privacy-officer"}, {"users", "disable", "ana"}, {"users", "enable", "ana"}, {"users", "disable", "ana"}} {
		if code, _, errText := command(t, append(args, "--dir", dir)...); code != 0 {
			t.Errorf("%v: got %d, %s", args, code, errText)
		}
	}
	if code, _, errText := typing(t, "another horse battery", "users", "password", "ana", "--dir", dir); code != 0 { // no line's end
		t.Errorf("password: got %d, %s", code, errText)
	}
	var users []fleet.User
	code, text, _ := command(t, "users", "list", "--json", "--dir", dir)
	if err := json.Unmarshal([]byte(text), &users); code != 0 || err != nil || len(users) != 1 || users[0].Roles.String() != "privacy-officer" || users[0].Disabled == 0 {
		t.Errorf("list: got %d, %s, %v", code, text, err)
	}
	if code, text, _ := command(t, "users", "list", "--dir", dir); code != 0 || !strings.Contains(text, "disabled on") {
		t.Errorf("list: got %d, %s", code, text)
	}
	if code, _, _ := command(t, "history", "abcd0123", "--reason", "case 2026-17", "--dir", dir); code != 1 {
		t.Errorf("history: got %d", code)
	}
	code, text, _ = command(t, "verify", "--dir", dir) // six changes and one search
	_, noted, found := strings.Cut(text, "note ")
	noted, _, _ = strings.Cut(noted, " ")
	if code != 0 || !found || !strings.Contains(text, "audit: 7 lines hold") {
		t.Fatalf("verify: got %d, %s", code, text)
	}
	if code, text, _ := command(t, "verify", "--audit", noted, "--dir", dir); code != 0 {
		t.Errorf("verify against the noted line: got %d, %s", code, text)
	}
	other := "7:" + strings.Repeat("00", 32)
	if code, text, _ := command(t, "verify", "--audit", other, "--dir", dir); code != 1 || !strings.Contains(text, "audit: line 7: it is not the line whose hash was noted") {
		t.Errorf("verify against another line: got %d, %s", code, text)
	}
}
