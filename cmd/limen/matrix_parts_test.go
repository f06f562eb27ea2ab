package main

import (
	"cmp"
	"crypto"
	"fmt"
	"slices"
	"strings"

	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/report"
	"limen/mrtd/specimen"
)

// part adds something to a profile: to its name, to the passport or its reading,
// and to what must come of it.
type part func(*profile)

// document puts a profile together. Without a part it is a passport with DG1 and
// DG2 that is opened with its printed MRZ, genuine and in order.
func document(clause string, parts ...part) profile {
	p := profile{
		clause: clause, groups: []int{1, 2},
		spec: specimen.Spec{Lines: travelers[mrz.TD3], SignedAt: signedAt, Groups: map[int][]byte{2: example(2, "jpeg-2005")}},
		want: outcome{access: "none", passive: report.Passed, mrz: report.Passed, groups: []int{1, 2}},
	}
	for _, part := range parts {
		part(&p)
	}
	if !p.unseen {
		p.args = append(p.args, "--mrz", strings.Join(p.spec.Lines, " "))
	}
	return p
}

// call names what a profile is made of.
func (p *profile) call(name string) {
	if name != "" {
		p.made = append(p.made, name)
	}
}

// reads states that groups are read.
func (p *profile) reads(groups ...int) {
	for _, n := range groups {
		if !slices.Contains(p.want.groups, n) {
			p.want.groups = append(p.want.groups, n)
		}
	}
	slices.Sort(p.want.groups)
}

func called(name string) part { return func(p *profile) { p.call(name) } }

// bac opens the chip by BAC, or is a second way where there is PACE.
func bac(p *profile) {
	p.call("BAC")
	if p.spec.BAC = true; len(p.spec.PACE) == 0 {
		p.want.access, p.want.channel = "BAC", "3DES"
		p.want.notes = append(p.want.notes, "pace_not_offered")
	}
}

// pace opens the chip by a variant of PACE over standardized domain parameters.
func pace(mapping string, cipher access.Cipher, parameters int) part {
	name := ""
	if strings.HasPrefix(mapping, "DH") {
		name = dh.ByParameterID(parameters).Name
	} else {
		name = ec.ByParameterID(parameters).Name
	}
	return paceOver(mapping, cipher, chipsim.PACE{ParameterID: parameters}, name)
}

// paceOver is pace with the parameters spelled out in v; name is theirs, "" for
// such as have none. Of several variants the one that is added last is the best,
// and opens the chip.
func paceOver(mapping string, cipher access.Cipher, v chipsim.PACE, name string) part {
	v.OID = specimen.ProtocolOID(mapping + map[access.Cipher]string{
		access.TripleDES: "-3DES-CBC-CBC", access.AES128: "-AES-CBC-CMAC-128", access.AES192: "-AES-CBC-CMAC-192", access.AES256: "-AES-CBC-CMAC-256",
	}[cipher])
	return func(p *profile) {
		p.call(fmt.Sprintf("PACE-%s %s %s", mapping, cipher, cmp.Or(name, "another generator")))
		if v.Curve != nil || v.Group != nil {
			p.call("explicit")
		}
		p.spec.PACE = append(p.spec.PACE, v)
		p.want.access, p.want.channel = "PACE-"+mapping, strings.TrimSpace(cipher.String()+" "+name)
		p.want.notes = slices.DeleteFunc(p.want.notes, func(s string) bool { return s == "pace_not_offered" })
		p.reads(14)
		if mapping == "ECDH-CAM" {
			p.want.mapping = report.Passed
		}
	}
}

// byCAN opens the chip with the card access number; nobody saw the MRZ.
func byCAN(p *profile) {
	p.call("CAN")
	p.spec.CAN = "123456"
	p.args = append(p.args, "--can", "123456")
	p.unseen = true
	p.want.mrz = report.NotPerformed
}

// proves makes the chip prove itself by chip authentication with keys.
func proves(keys ...specimen.ChipAuth) part {
	return func(p *profile) {
		for _, k := range keys {
			p.call(fmt.Sprintf("CA %s %s%s", k.Cipher, k.Curve, k.Group))
			if k.KeyID >= 0 {
				p.call(fmt.Sprintf("key %d", k.KeyID))
			}
			if k.Unannounced {
				p.call("unannounced")
			}
		}
		p.spec.ChipAuth = append(p.spec.ChipAuth, keys...)
		p.want.chip = report.Passed
		p.reads(14)
	}
}

func onCurve(cipher access.Cipher, curve string, id int) specimen.ChipAuth {
	return specimen.ChipAuth{Cipher: cipher, Curve: curve, KeyID: id}
}

func inGroup(cipher access.Cipher, group, id int) specimen.ChipAuth {
	return specimen.ChipAuth{Cipher: cipher, Group: dh.ByParameterID(group).Name, KeyID: id}
}

// signsRSA makes the chip prove itself by active authentication with an RSA key.
func signsRSA(bits int, hash crypto.Hash) part {
	return func(p *profile) {
		p.call(fmt.Sprintf("AA RSA-%d %s", bits, hash))
		p.spec.ActiveAuth = &specimen.ActiveAuth{Bits: bits, Hash: hash}
		p.want.active = report.Passed
		p.reads(15)
	}
}

// signsECDSA is active authentication on a curve, whose hash DG14 names.
func signsECDSA(curve string, explicit bool, hash crypto.Hash) part {
	return func(p *profile) {
		p.call(fmt.Sprintf("AA ECDSA %s %s", curve, hash))
		if explicit {
			p.call("explicit")
		}
		p.spec.ActiveAuth = &specimen.ActiveAuth{Curve: curve, Explicit: explicit, Hash: hash}
		p.want.active = report.Passed
		p.reads(14, 15)
	}
}

// inspected keeps DG3 and DG4 for terminals, and has one authenticate itself.
func inspected(name string, change func(*specimen.VerifierProfile)) part {
	return func(p *profile) {
		p.call("TA " + name)
		v := specimen.DefaultVerifier(issuedFrom)
		if change != nil {
			change(&v)
		}
		p.inspector = &v
		p.want.terminal = report.Passed
	}
}

// issuedBy names one of issuers.
func issuedBy(name string) part {
	return func(p *profile) {
		p.call("issued by " + name)
		p.issuer = name
	}
}

// bears adds a data group of the specimen's examples and asks for it.
func bears(n int, kind string) part {
	return func(p *profile) {
		p.call(fmt.Sprintf("DG%d %s", n, kind))
		p.spec.Groups[n] = example(n, kind)
		if !slices.Contains(p.groups, n) {
			p.groups = append(p.groups, n)
		}
		p.reads(n)
	}
}

// issued changes how the passport is issued.
func issued(name string, change func(*specimen.Spec)) part {
	return func(p *profile) {
		p.call(name)
		change(&p.spec)
	}
}

// changed changes the passport behind its issuer's back.
func changed(name string, change func(*chipsim.Passport)) part {
	return func(p *profile) {
		p.call(name)
		p.change = append(p.change, change)
	}
}

// without takes a file off the chip.
func without(f lds.File) part {
	return changed("without "+f.Name, func(c *chipsim.Passport) { delete(c.Files, f.Path()) })
}

// reading adds arguments of chip read.
func reading(args ...string) part {
	return func(p *profile) {
		p.call(strings.Join(args, " "))
		p.args = append(p.args, args...)
	}
}

// misbehaves has the chip misbehave, and the reading note quirks over it.
func misbehaves(name string, quirks ...string) part {
	return func(p *profile) {
		p.call(name)
		p.faults = append(p.faults, name)
		p.want.quirks = append(p.want.quirks, quirks...)
	}
}

// opensBy states another way in than the best that the passport offers.
func opensBy(access string, notes ...string) part {
	return func(p *profile) {
		p.want.access, p.want.mapping = access, ""
		if access == "BAC" {
			p.want.channel = "3DES"
		}
		p.want.notes = append(p.want.notes, notes...)
	}
}

// closed states that the chip is not opened, or gives nothing.
func closed(exit int, reasons ...string) part {
	return func(p *profile) {
		p.want = outcome{exit: exit, reasons: append(reasons, "no_group_read", "sod_absent"), passive: report.Undetermined, quirks: p.want.quirks}
	}
}

// ends states with which reasons the reading ends, and the exit code.
func ends(exit int, reasons ...string) part {
	return func(p *profile) { p.want.exit, p.want.reasons = exit, append(p.want.reasons, reasons...) }
}

// gives changes what must come of it in other ways.
func gives(change func(*outcome)) part { return func(p *profile) { change(&p.want) } }
