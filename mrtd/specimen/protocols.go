package specimen

import (
	"crypto"
	"fmt"
	"strings"

	"limen/mrtd/ec"
)

const oidPACE = "0.4.0.127.0.7.2.2.4"

var (
	mappings = map[string]string{"ECDH-GM": "2", "ECDH-IM": "4", "ECDH-CAM": "6", "DH-GM": "1", "DH-IM": "3"}
	ciphers  = map[string]string{"3DES-CBC-CBC": "1", "AES-CBC-CMAC-128": "2", "AES-CBC-CMAC-192": "3", "AES-CBC-CMAC-256": "4"}
	hashes   = map[string]crypto.Hash{"SHA-1": crypto.SHA1, "SHA-224": crypto.SHA224, "SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}
)

// ProtocolOID is the object identifier of a PACE protocol by its name in Doc
// 9303-11, 9.2.1 without "id-PACE-": "ECDH-GM-AES-CBC-CMAC-128". "" is none.
func ProtocolOID(name string) string {
	for m, arc := range mappings {
		if cipher, ok := strings.CutPrefix(name, m+"-"); ok && ciphers[cipher] != "" && (m != "ECDH-CAM" || cipher != "3DES-CBC-CBC") {
			return oidPACE + "." + arc + "." + ciphers[cipher]
		}
	}
	return ""
}

// ProtocolName is the name ProtocolOID understands, or "".
func ProtocolName(oid string) string {
	for m := range mappings {
		for c := range ciphers {
			if ProtocolOID(m+"-"+c) == oid {
				return m + "-" + c
			}
		}
	}
	return ""
}

// parameterID is the standardized domain parameter number of a curve by name.
func parameterID(curve string) (int, error) {
	c := ec.ByName(curve)
	if c == nil {
		return 0, fmt.Errorf("curve %q is not known; brainpoolP256r1 and P-256 are", curve)
	}
	return c.ParameterID(), nil
}
