package cvc

import (
	"context"
	"errors"
	"fmt"

	"limen/mrtd/ber"
)

// Request asks an authority for a certificate (BSI TR-03110-3, C.2). Its inner
// signature proves the key; an outer one says who vouches for the request.
type Request struct {
	Authority string // whose signature is expected; "" where the request leaves it open
	Holder    string
	Key       PublicKey // with its domain parameters

	// Voucher is the holder of the key that made the outer signature: an earlier
	// key of the applicant's, or another authority. "" is none.
	Voucher string

	Raw []byte

	body, signature        []byte
	vouched, voucherSigned []byte // outer signature, and what it is over
}

const tagAuthentication ber.Tag = 0x67

// ParseRequest reads a request and judges its inner signature: a request whose
// key did not sign it is none.
func ParseRequest(b []byte) (*Request, error) {
	r, err := parseRequest(b)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	return r, nil
}

func parseRequest(b []byte) (*Request, error) {
	if len(b) > 2*maxCertificate {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), 2*maxCertificate)
	}
	r := &Request{Raw: b}
	inner := b
	if tag, _, _, _, err := ber.ParseHeader(b); err == nil && tag == tagAuthentication {
		outer, err := ber.Parse(b, tagAuthentication)
		if err != nil {
			return nil, err
		}
		parts, err := outer.Children()
		if err != nil {
			return nil, err
		}
		if len(parts) != 3 || parts[0].Tag != tagCertificate || parts[1].Tag != tagAuthority || parts[2].Tag != tagSignature {
			return nil, errors.New("not a request, a reference and an outer signature")
		}
		if r.Voucher, err = reference(parts[1]); err != nil {
			return nil, fmt.Errorf("reference of the outer signature: %w", err)
		}
		inner, r.vouched = parts[0].Raw, parts[2].Value
		r.voucherSigned = append(append([]byte(nil), parts[0].Raw...), parts[1].Raw...)
	}
	return r, r.parseInner(inner)
}

func (r *Request) parseInner(b []byte) error {
	outer, err := ber.Parse(b, tagCertificate)
	if err != nil {
		return err
	}
	parts, err := outer.Children()
	if err != nil {
		return err
	}
	if len(parts) != 2 || parts[0].Tag != tagBody || parts[1].Tag != tagSignature {
		return errors.New("not a body and a signature")
	}
	r.body, r.signature = parts[0].Raw, parts[1].Value
	objects, err := fieldsOf(parts[0], tagProfile, tagPublicKey, tagHolder)
	if err != nil {
		return err
	}
	if t, there := objects[tagAuthority]; there {
		if r.Authority, err = reference(t); err != nil {
			return fmt.Errorf("certification authority reference: %w", err)
		}
	}
	if r.Holder, err = reference(objects[tagHolder]); err != nil {
		return fmt.Errorf("certificate holder reference: %w", err)
	}
	if r.Key, err = parseKey(objects[tagPublicKey]); err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	return r.Key.Verify(r.body, r.signature)
}

// VerifyVoucher judges the outer signature by the key of Voucher.
func (r *Request) VerifyVoucher(key PublicKey) error {
	if r.Voucher == "" {
		return errors.New("cvc: the request has no outer signature")
	}
	return key.Verify(r.voucherSigned, r.vouched)
}

// NewRequest makes a request for a key, signed with it. authority may be "".
func NewRequest(ctx context.Context, authority, holder string, key PublicKey, signer Signer) (*Request, error) {
	if err := key.complete(); err != nil {
		return nil, fmt.Errorf("cannot request a certificate for %s: %w", holder, err)
	}
	var expected []byte
	if authority != "" {
		expected = ber.Encode(tagAuthority, []byte(authority))
	}
	body := ber.Encode(tagBody, ber.Encode(tagProfile, []byte{0}), expected, key.encode(true), ber.Encode(tagHolder, []byte(holder)))
	signature, err := signer.Sign(ctx, key.Algorithm.digest(body), key.Algorithm.options())
	if err != nil {
		return nil, fmt.Errorf("cannot sign the request of %s: %w", holder, err)
	}
	return ParseRequest(ber.Encode(tagCertificate, body, ber.Encode(tagSignature, signature)))
}

// Vouch puts an outer signature around a request that has none.
func (r *Request) Vouch(ctx context.Context, voucher string, algorithm Algorithm, signer Signer) (*Request, error) {
	if r.Voucher != "" {
		return nil, errors.New("cvc: the request has an outer signature already")
	}
	by := ber.Encode(tagAuthority, []byte(voucher))
	signature, err := signer.Sign(ctx, algorithm.digest(append(append([]byte(nil), r.Raw...), by...)), algorithm.options())
	if err != nil {
		return nil, fmt.Errorf("cannot sign the request of %s: %w", r.Holder, err)
	}
	return ParseRequest(ber.Encode(tagAuthentication, r.Raw, by, ber.Encode(tagSignature, signature)))
}
