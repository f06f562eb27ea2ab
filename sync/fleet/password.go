package fleet

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Argon2id with 19 MiB and two passes, as OWASP advises where logins share a
// small machine. A hash names its own parameters, so they can be raised.
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32

	minPassword = 12  // characters; NIST SP 800-63B asks for length, not for kinds of characters
	maxPassword = 256 // bytes
)

// hashing bounds how many passwords are hashed at once, and so memory;
// queueing, how many wait for that.
var (
	hashing  = make(chan struct{}, 2)
	queueing = make(chan struct{}, 64)
)

// ErrBusy means that so many sign in at once that nobody would get an answer in time.
var ErrBusy = errors.New("too many sign in at once: try again in a moment")

func derive(password string, salt []byte, memory, passes uint32, lanes uint8) []byte {
	hashing <- struct{}{}
	defer func() { <-hashing }()
	return argon2.IDKey([]byte(password), salt, passes, memory, lanes, argonKey)
}

// hashPassword makes the PHC string that is kept instead of a password.
func hashPassword(password string) (string, error) {
	if utf8.RuneCountInString(password) < minPassword || len(password) > maxPassword {
		return "", fmt.Errorf("a password has at least %d characters and at most %d bytes: take four or more words", minPassword, maxPassword)
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes, b64(salt),
		b64(derive(password, salt, argonMemory, argonPasses, argonLanes))), nil
}

// checkPassword compares in constant time. A hash that is no such is an error.
func checkPassword(hash, password string) (bool, error) {
	var version int
	var memory, passes uint32
	var lanes uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("the account's password is not kept as argon2id: set a new one with `limen-fleet users password`")
	}
	_, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &lanes)
	salt, err2 := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	want, err3 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err := errors.Join(err, err2, err3); err != nil || version != argon2.Version || memory > 1<<20 || passes < 1 || passes > 16 || lanes < 1 || len(want) != argonKey {
		return false, errors.New("the account's password hash is damaged: set a new one with `limen-fleet users password`")
	}
	if len(password) > maxPassword {
		return false, nil
	}
	return subtle.ConstantTimeCompare(derive(password, salt, memory, passes, lanes), want) == 1, nil
}

// noPassword is compared with where there is no such account, so that the
// answer takes as long.
const noPassword = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
