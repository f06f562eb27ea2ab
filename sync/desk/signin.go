package desk

import (
	"errors"
	"net/http"

	"limen/sync/fleet"
)

// signInForm is the page to sign in.
type signInForm struct {
	Wrong string // why the last attempt failed
	First bool   // there is no account yet
}

func (d *Desk) showSignIn(w http.ResponseWriter, r *http.Request) {
	d.formSignIn(w, r, http.StatusOK, "")
}

func (d *Desk) formSignIn(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	users, err := d.records.Users(r.Context())
	if err == nil {
		err = d.show(w, r, visit{}, status, "signin", view{Title: "Sign in", Data: signInForm{wrong, len(users) == 0 && d.oidc == nil}})
	}
	if err != nil {
		d.fail(w, r, visit{}, err)
	}
}

func (d *Desk) signIn(w http.ResponseWriter, r *http.Request) {
	name, password := r.PostFormValue("name"), r.PostFormValue("password")
	roles, err := d.records.CheckUser(r.Context(), name, password, d.now())
	switch {
	case errors.Is(err, fleet.ErrSignIn):
		d.signIns.WithLabelValues("refused").Inc()
		// What was typed as a name may be a password: only an account's name is kept.
		if errors.Is(err, fleet.ErrWrongPassword) {
			if err := d.note(r, fleet.Person{Name: name}, fleet.ActionRefused, "", ""); err != nil {
				d.fail(w, r, visit{}, err)
				return
			}
		}
		d.formSignIn(w, r, http.StatusUnauthorized, "The name or the password is wrong, or the account is locked for a while.")
		return
	case errors.Is(err, fleet.ErrBusy):
		d.formSignIn(w, r, http.StatusServiceUnavailable, "Too many sign in at once. Try again in a moment.")
		return
	case err != nil:
		d.fail(w, r, visit{}, err)
		return
	}
	if err := d.admit(w, r, fleet.Person{Name: name, Roles: roles, Local: true}, "password"); err != nil {
		d.fail(w, r, visit{}, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// admit begins a session under a new token.
func (d *Desk) admit(w http.ResponseWriter, r *http.Request, p fleet.Person, how string) error {
	if err := d.note(r, p, fleet.ActionSignIn, how, ""); err != nil {
		return err
	}
	token, err := d.records.BeginSession(r.Context(), p, d.now())
	if err != nil {
		return err
	}
	d.signIns.WithLabelValues("done").Inc()
	d.setCookie(w, token)
	return nil
}

func (d *Desk) signOut(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := d.records.EndSession(r.Context(), v.token); err != nil {
		return err
	}
	if err := d.note(r, v.Person, fleet.ActionSignOut, "", ""); err != nil {
		return err
	}
	d.setCookie(w, "")
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
