package access

import (
	"crypto/subtle"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/venuecode/venuecode/venue"
)

// Codes are RFC 6238 with what every authenticator app assumes: SHA-1, 6 digits,
// steps of 30 s. One step either way is accepted for clocks that differ.
const (
	stepSize = 30 * time.Second
	skew     = 1
	issuer   = "venuecode"
)

var totpOptions = totp.ValidateOpts{Period: uint(stepSize / time.Second), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// newTOTP makes a secret of 160 bits.
func newTOTP(user string, random io.Reader) (base32, url string, err error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: user, Rand: random})
	if err != nil {
		return "", "", fmt.Errorf("make TOTP secret: %w", err)
	}
	return key.Secret(), key.URL(), nil
}

// stepOf is the step near now whose code this is; 0 if there is none. Every step
// is compared to the end.
func stepOf(secret, code string, now time.Time) (step int64, err error) {
	code = strings.ReplaceAll(strings.TrimSpace(venue.Fold(code)), " ", "")
	current := now.Unix() / int64(stepSize/time.Second)
	for s := current - skew; s <= current+skew; s++ {
		want, err := totp.GenerateCodeCustom(secret, time.Unix(s*int64(stepSize/time.Second), 0), totpOptions)
		if err != nil {
			return 0, fmt.Errorf("TOTP code: %w", errSecret) // the library's error may quote the secret
		}
		if subtle.ConstantTimeCompare([]byte(code), []byte(want)) == 1 {
			step = s
		}
	}
	return step, nil
}

var errSecret = fmt.Errorf("the stored secret is not one of ours")
