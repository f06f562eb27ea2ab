package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Person is who is signed in.
type Person struct {
	Name  string // of an account, or as the identity provider names them
	Roles Roles
	Local bool // a local account's
}

// How long a session lasts: unused, and at all.
const (
	SessionIdle = 15 * time.Minute
	SessionLife = 12 * time.Hour
)

// ErrNoSession means that nobody is signed in by that token, or no longer.
var ErrNoSession = errors.New("nobody is signed in")

// BeginSession signs a person in and returns what their browser is to hold;
// only its hash is kept.
func (r *Records) BeginSession(ctx context.Context, p Person, now time.Time) (token string, err error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	token = base64.RawURLEncoding.EncodeToString(secret)
	id := sha256.Sum256([]byte(token))
	local := 0
	if p.Local {
		local = 1
	}
	if _, err := r.write.ExecContext(ctx, "DELETE FROM sessions WHERE used < $1 OR begun < $2", now.Add(-SessionIdle).UnixMilli(), now.Add(-SessionLife).UnixMilli()); err != nil {
		return "", fmt.Errorf("cannot begin a session: %w", err)
	}
	if _, err := r.write.ExecContext(ctx, "INSERT INTO sessions (id, name, roles, local, begun, used) VALUES ($1, $2, $3, $4, $5, $5)",
		id[:], p.Name, p.Roles.String(), local, now.UnixMilli()); err != nil {
		return "", fmt.Errorf("cannot begin a session: %w", err)
	}
	return token, nil
}

// sessionStep is how exactly the last use of a session is noted: not every
// request is worth a write.
const sessionStep = 30 * time.Second

// Session is who a token signs in. A page that refreshes itself is no use of
// the session, or none would ever end.
func (r *Records) Session(ctx context.Context, token string, use bool, now time.Time) (p Person, err error) {
	id := sha256.Sum256([]byte(token))
	var roles string
	var own, disabled sql.NullString
	var local int
	var begun, used int64
	err = r.read.QueryRowContext(ctx, `SELECT s.name, s.roles, s.local, s.begun, s.used, u.roles, CAST(u.disabled AS TEXT)
		FROM sessions s LEFT JOIN users u ON u.name = s.name AND s.local = 1 WHERE s.id = $1`, id[:]).Scan(&p.Name, &roles, &local, &begun, &used, &own, &disabled)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return p, ErrNoSession
	case err != nil:
		return p, fmt.Errorf("cannot read the session: %w", err)
	case now.Sub(time.UnixMilli(used)) > SessionIdle, now.Sub(time.UnixMilli(begun)) > SessionLife:
		return p, errors.Join(ErrNoSession, r.EndSession(ctx, token))
	}
	if p.Local = local == 1; p.Local {
		if !own.Valid || disabled.String != "0" {
			return p, ErrNoSession
		}
		roles = own.String
	}
	if p.Roles, err = ParseRoles(roles); err != nil {
		return p, err
	}
	if use && now.Sub(time.UnixMilli(used)) > sessionStep {
		_, err = r.write.ExecContext(ctx, "UPDATE sessions SET used = $1 WHERE id = $2", now.UnixMilli(), id[:])
	}
	return p, err
}

// EndSession signs out.
func (r *Records) EndSession(ctx context.Context, token string) error {
	id := sha256.Sum256([]byte(token))
	_, err := r.write.ExecContext(ctx, "DELETE FROM sessions WHERE id = $1", id[:])
	return err
}
