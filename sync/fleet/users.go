package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"limen"
)

// UserRole is what a person is to the centre. (Role, without more, is what a
// process of the centre is.)
type UserRole string

// The roles of people.
const (
	Viewer         UserRole = "viewer"          // sees the fleet and its figures
	Operator       UserRole = "operator"        // and acknowledges alarms
	Supervisor     UserRole = "supervisor"      // and searches for documents
	PrivacyOfficer UserRole = "privacy-officer" // searches for documents, and sees who looked at what
	Technician     UserRole = "technician"      // sees devices, and acknowledges alarms
)

// UserRoles are all of them.
var UserRoles = []UserRole{Viewer, Operator, Supervisor, PrivacyOfficer, Technician}

// Right is one thing that roles allow. Everybody who is signed in sees the
// fleet and its figures.
type Right string

// The rights.
const (
	MayAcknowledge Right = "acknowledge" // alarms
	MaySearch      Right = "search"      // for documents: personal data
	MayAudit       Right = "audit"       // see who looked at what
)

var rights = map[Right][]UserRole{
	MayAcknowledge: {Operator, Supervisor, Technician},
	MaySearch:      {Supervisor, PrivacyOfficer},
	MayAudit:       {PrivacyOfficer},
}

// Roles are what one person is.
type Roles []UserRole

// ParseRoles reads roles with spaces or commas between.
func ParseRoles(s string) (Roles, error) {
	var out Roles
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' }) {
		if !slices.Contains(UserRoles, UserRole(word)) {
			return nil, fmt.Errorf("there is no role %.40q: roles are %s", word, Roles(UserRoles))
		}
		if !slices.Contains(out, UserRole(word)) {
			out = append(out, UserRole(word))
		}
	}
	return out, nil
}

// String has spaces between the roles.
func (r Roles) String() string {
	words := make([]string, len(r))
	for k, role := range r {
		words[k] = string(role)
	}
	return strings.Join(words, " ")
}

// May tells whether one of the roles has a right.
func (r Roles) May(right Right) bool {
	return slices.ContainsFunc(r, func(role UserRole) bool { return slices.Contains(rights[right], role) })
}

// User is a local account.
type User struct {
	Name     string       `json:"name"`
	Roles    Roles        `json:"roles"`
	Created  limen.Moment `json:"created"`
	Disabled limen.Moment `json:"disabled,omitempty"`
	Locked   limen.Moment `json:"locked,omitempty"` // until
}

// Lockout: five wrong passwords in a row, then a quarter of an hour.
const (
	mostFailures = 5
	lockedFor    = 15 * time.Minute
)

// ErrNoUser means that there is no such account.
var ErrNoUser = errors.New("there is no such account: `limen-fleet users list` names them all")

func checkUserName(name string) error {
	if len(name) == 0 || len(name) > 40 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return errors.New("a user's name has 1 to 40 of a-z, 0-9, dot, hyphen and underscore")
	}
	return nil
}

// AddUser makes a local account.
func (r *Records) AddUser(ctx context.Context, name, password string, roles Roles, now time.Time) error {
	if err := checkUserName(name); err != nil {
		return err
	}
	if len(roles) == 0 {
		return fmt.Errorf("a user has a role: one or more of %s", Roles(UserRoles))
	}
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	done, err := r.write.ExecContext(ctx, "INSERT INTO users (name, roles, password, created) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING", name, roles.String(), hash, now.UnixMilli())
	if err != nil {
		return fmt.Errorf("cannot make the account: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("there is an account %s already", name), err)
	}
	return nil
}

// SetPassword gives an account another password, unlocks it and ends its
// sessions.
func (r *Records) SetPassword(ctx context.Context, name, password string) error {
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	return r.changeUser(ctx, name, "UPDATE users SET password = $1, failures = 0, locked = 0 WHERE name = $2", hash, name)
}

// SetRoles gives an account other roles, and ends its sessions.
func (r *Records) SetRoles(ctx context.Context, name string, roles Roles) error {
	if len(roles) == 0 {
		return fmt.Errorf("a user has a role: one or more of %s", Roles(UserRoles))
	}
	return r.changeUser(ctx, name, "UPDATE users SET roles = $1 WHERE name = $2", roles.String(), name)
}

// Disable shuts an account, which stays for the audit's sake, or opens it
// again; its sessions end.
func (r *Records) Disable(ctx context.Context, name string, disabled bool, now time.Time) error {
	at := int64(0)
	if disabled {
		at = now.UnixMilli()
	}
	return r.changeUser(ctx, name, "UPDATE users SET disabled = $1, failures = 0, locked = 0 WHERE name = $2", at, name)
}

func (r *Records) changeUser(ctx context.Context, name, statement string, args ...any) error {
	tx, err := r.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect once committed
	done, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("cannot change the account: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("%s: %w", name, ErrNoUser), err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE name = $1 AND local = 1", name); err != nil {
		return err
	}
	return tx.Commit()
}

// Users are all local accounts, by name.
func (r *Records) Users(ctx context.Context) ([]User, error) {
	rows, err := r.read.QueryContext(ctx, "SELECT name, roles, created, disabled, locked FROM users ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("cannot read the accounts: %w", err)
	}
	defer rows.Close()
	out := []User{}
	for rows.Next() {
		var u User
		var roles string
		if err := rows.Scan(&u.Name, &roles, &u.Created, &u.Disabled, &u.Locked); err != nil {
			return nil, err
		}
		if u.Roles, err = ParseRoles(roles); err != nil {
			return nil, fmt.Errorf("account %s: %w", u.Name, err)
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

// ErrSignIn is all that somebody hears who did not sign in.
var ErrSignIn = errors.New("the name or the password is wrong, or the account is locked")

// ErrWrongPassword is the ErrSignIn of an account that is open: it counts.
var ErrWrongPassword = fmt.Errorf("wrong password: %w", ErrSignIn)

// CheckUser returns an account's roles where the password is right, the
// account open and not locked; ErrSignIn otherwise, ErrBusy where too many ask at
// once. A wrong password counts.
func (r *Records) CheckUser(ctx context.Context, name, password string, now time.Time) (Roles, error) {
	select {
	case queueing <- struct{}{}:
		defer func() { <-queueing }()
	default:
		return nil, ErrBusy
	}
	var roles, hash string
	var disabled, locked int64
	err := r.read.QueryRowContext(ctx, "SELECT roles, password, disabled, locked FROM users WHERE name = $1", name).Scan(&roles, &hash, &disabled, &locked)
	known := !errors.Is(err, sql.ErrNoRows)
	if err != nil && known {
		return nil, fmt.Errorf("cannot read the account: %w", err)
	}
	if !known {
		hash = noPassword
	}
	right, err := checkPassword(hash, password)
	if err != nil {
		return nil, err
	}
	shut := !known || disabled != 0 || locked > now.UnixMilli()
	switch {
	case shut:
		return nil, ErrSignIn
	case !right:
		// The fifth locks it; the next series begins anew.
		_, err := r.write.ExecContext(ctx, `UPDATE users SET locked = CASE WHEN failures + 1 >= $1 THEN $2 ELSE locked END,
			failures = CASE WHEN failures + 1 >= $1 THEN 0 ELSE failures + 1 END WHERE name = $3`, mostFailures, now.Add(lockedFor).UnixMilli(), name)
		return nil, errors.Join(ErrWrongPassword, err)
	}
	if _, err := r.write.ExecContext(ctx, "UPDATE users SET failures = 0, locked = 0 WHERE name = $1 AND failures > 0", name); err != nil {
		return nil, err
	}
	return ParseRoles(roles)
}
