package cvc

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoChain says that no certificates at hand lead from a key the chip trusts
// down to an inspection system's.
var ErrNoChain = errors.New("no certificates lead from the chip's CVCA to an inspection system")

// maxLinks bounds how many link certificates lie between a chip's key and its
// CVCA's newest: keys live for years, and a chip for ten.
const maxLinks = 8

// Verify judges a chain below a CVCA's certificate, from the one its key signed
// to the last: names, roles and signatures, not dates. It returns the last
// certificate's key with its domain parameters. What it says of a CVCA's own
// certificate is nothing: that one is trusted, or not, by whoever names it.
func Verify(trustPoint *Certificate, chain ...*Certificate) (PublicKey, error) {
	issuer, key := trustPoint, trustPoint.Key
	for _, c := range chain {
		if err := certifies(issuer, c); err != nil {
			return PublicKey{}, err
		}
		if err := c.VerifySignatureBy(key); err != nil {
			return PublicKey{}, fmt.Errorf("certificate %s: %w", c, err)
		}
		next, err := c.Key.Inherit(key)
		if err != nil {
			return PublicKey{}, fmt.Errorf("certificate %s: %w", c, err)
		}
		issuer, key = c, next
	}
	return key, nil
}

func certifies(issuer, c *Certificate) error {
	switch {
	case c.Authority != issuer.Holder:
		return fmt.Errorf("certificate %s names %s as its authority, not %s", c, c.Authority, issuer.Holder)
	case c.Authorization.Type != issuer.Authorization.Type:
		return fmt.Errorf("certificate %s is for another terminal type than that of %s", c, issuer)
	case !issuer.Authorization.Role.mayCertify(c.Authorization.Role):
		return fmt.Errorf("certificate %s: %s may not certify it", c, issuer)
	}
	return nil
}

// Find returns the certificates that lead from one of the keys a chip trusts,
// named by their references, down to an inspection system: the chip verifies
// them in this order. The shortest path is taken; among equals one from a
// reference named earlier, then the one that expires last. Certificates of
// document verifiers and terminals must be valid on the day of at; a chip
// accepts links that have expired (2.5).
//
// Signatures are verified from the first key that is known here. The chip's own
// certificate need not be at hand, but without it and without a link that
// states domain parameters an elliptic curve's signatures are the chip's alone
// to judge. The keys of the certificates returned have their domain parameters
// where they are known.
//
// The error wraps ErrNoChain.
func Find(certificates []*Certificate, trustPoints []string, at time.Time) ([]*Certificate, error) {
	return find(certificates, trustPoints, at, func(*Certificate) bool { return true })
}

// find is Find for the inspection systems that usable admits.
func find(certificates []*Certificate, trustPoints []string, at time.Time, usable func(*Certificate) bool) ([]*Certificate, error) {
	var best []*Certificate
	var broken error
	for _, trusted := range trustPoints {
		for _, terminal := range certificates {
			if role := terminal.Authorization; role.Type != InspectionSystems || role.Role != Terminal || terminal.Expired(at) || !usable(terminal) {
				continue
			}
			s := search{certificates: certificates, trusted: trusted, at: at}
			path := s.up([]*Certificate{terminal})
			if s.broken != nil && broken == nil {
				broken = s.broken
			}
			if path != nil && (best == nil || len(path) < len(best) ||
				len(path) == len(best) && path[0].Authority == best[0].Authority && terminal.Expires.After(best[len(best)-1].Expires)) {
				best = path
			}
		}
	}
	if best != nil {
		return best, nil
	}
	if broken != nil {
		return nil, fmt.Errorf("cvc: %w (asked for %q): %w", ErrNoChain, trustPoints, broken)
	}
	return nil, fmt.Errorf("cvc: %w (asked for %q)", ErrNoChain, trustPoints)
}

// search looks for the shortest path from a terminal up to one trusted key.
type search struct {
	certificates []*Certificate
	trusted      string
	at           time.Time
	broken       error // why a path by its names was none by its signatures
	steps        int
}

// maxSteps bounds the search through certificates that share their names.
const maxSteps = 1000

// up extends a path, whose first certificate is the topmost so far, to the
// trusted key; nil where there is no way.
func (s *search) up(path []*Certificate) []*Certificate {
	if s.steps++; s.steps > maxSteps || len(path) > 2+maxLinks {
		return nil
	}
	top := path[0]
	if top.Authority == s.trusted && top.Authorization.Role != Terminal {
		resolved, err := s.resolve(path)
		if err == nil {
			return resolved
		}
		s.broken = err
		return nil
	}
	var best []*Certificate
	for _, c := range s.certificates {
		if c.SelfSigned() || c.Holder == s.trusted || certifies(c, top) != nil || c.Authorization.Role != CVCA && c.Expired(s.at) {
			continue
		}
		longer := s.up(append([]*Certificate{c}, path...))
		if longer != nil && (best == nil || len(longer) < len(best)) {
			best = longer
		}
	}
	return best
}

// keyOf is a CVCA's key by its reference, with the domain parameters that its
// certificate or an earlier one states; without them where none is at hand.
func (s *search) keyOf(holder string, links int) PublicKey {
	for _, c := range s.certificates {
		if c.Holder != holder || c.Authorization.Role != CVCA {
			continue
		}
		if c.Key.known() {
			return c.Key
		}
		if s.steps++; s.steps <= maxSteps && links < maxLinks && !c.SelfSigned() {
			if key, err := c.Key.Inherit(s.keyOf(c.Authority, links+1)); err == nil {
				return key
			}
		}
	}
	return PublicKey{}
}

// resolve verifies a path as far as its keys are known, and returns it with the
// domain parameters each key inherits.
func (s *search) resolve(path []*Certificate) ([]*Certificate, error) {
	issuer := s.keyOf(s.trusted, 0)
	out := make([]*Certificate, len(path))
	for i, c := range path {
		resolved := *c
		if issuer.known() {
			if err := c.VerifySignatureBy(issuer); err != nil {
				return nil, fmt.Errorf("certificate %s: %w", c, err)
			}
			var err error
			if resolved.Key, err = c.Key.Inherit(issuer); err != nil {
				return nil, fmt.Errorf("certificate %s: %w", c, err)
			}
		}
		out[i], issuer = &resolved, resolved.Key
	}
	return out, nil
}

// Effective is what a chip grants at most to the last of the certificates: the
// rights that all of them grant, less what the chip's own CVCA certificate, where
// it is not among them, does not. A link restricts only what it certifies
// itself, not what a later link's key does (2.7).
func Effective(path []*Certificate) Rights {
	if len(path) == 0 {
		return 0
	}
	rights := everyRight
	for i, c := range path {
		if linked := i+1 < len(path) && path[i+1].Authorization.Role == CVCA; !linked {
			rights &= c.Authorization.Rights
		}
	}
	return rights
}
