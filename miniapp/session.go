package miniapp

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/venue"
)

// Tokens seals and opens session tokens.
type Tokens interface {
	SealToken(claims []byte) (string, error)
	OpenToken(token string) ([]byte, error)
}

// Session is what a bearer token says: an account of an app and, once
// registered, the person. It is complete in itself; no store is asked, but for a
// list of families that were ended early.
type Session struct {
	App     string // "wechat" or "alipay"
	Account string // blind index of app and openid
	Family  int64  // of the account's sessions; they are ended together
	Person  venue.PersonID
	Expires time.Time
}

// SessionLife is how long a session lasts on the civil clock.
const SessionLife = 30 * 24 * time.Hour

// Claims: version (1), app (1), account (16), family (8), person (16), expiry (8,
// unix ms).
const (
	claimsVersion = 2
	accountSize   = 16
	familyAt      = 2 + accountSize
	personAt      = familyAt + 8
	expiryAt      = personAt + 16
	claimsSize    = expiryAt + 8
)

var appNumbers = map[string]byte{"wechat": 1, "alipay": 2}

// Issue makes the token of a session.
func Issue(t Tokens, s Session) (string, error) {
	account, err := base64.RawURLEncoding.DecodeString(s.Account)
	app, known := appNumbers[s.App]
	if err != nil || len(account) != accountSize || !known {
		return "", fmt.Errorf("session of app %q, account id of %d bytes: %w", s.App, len(account), venue.ErrInvalid)
	}
	claims := make([]byte, 0, claimsSize)
	claims = append(claims, claimsVersion, app)
	claims = append(claims, account...)
	claims = binary.BigEndian.AppendUint64(claims, uint64(s.Family))
	claims = append(claims, s.Person[:]...)
	claims = binary.BigEndian.AppendUint64(claims, uint64(s.Expires.UnixMilli()))
	return t.SealToken(claims)
}

// Read opens a token; web.ErrUnauthorized for a forged, foreign or expired one.
func Read(t Tokens, token string, now time.Time) (s Session, err error) {
	claims, err := t.OpenToken(token)
	if err != nil || len(claims) != claimsSize || claims[0] != claimsVersion {
		return s, web.ErrUnauthorized
	}
	for app, number := range appNumbers {
		if claims[1] == number {
			s.App = app
		}
	}
	if s.App == "" {
		return s, web.ErrUnauthorized
	}
	s.Account = base64.RawURLEncoding.EncodeToString(claims[2:familyAt])
	s.Family = int64(binary.BigEndian.Uint64(claims[familyAt:]))
	copy(s.Person[:], claims[personAt:])
	s.Expires = time.UnixMilli(int64(binary.BigEndian.Uint64(claims[expiryAt:])))
	if !now.Before(s.Expires) {
		return Session{}, web.ErrUnauthorized
	}
	return s, nil
}
