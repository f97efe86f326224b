package sim

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/venuecode/venuecode/venue"
)

// phone is somebody's phone with one of the mini-programs on it. The openid is
// the platform's; the session is what the product gave, kept while it is
// accepted and not longer than the process.
type phone struct {
	phoneRecord
	session atomic.Pointer[string]
}

type phoneBook struct {
	mu       sync.RWMutex
	byID     map[string]*phone
	byOpenID map[string]*phone
	order    []*phone
}

func (b *phoneBook) add(p *phone) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byID[p.ID] = p
	b.byOpenID[p.App+"/"+p.OpenID] = p
	b.order = append(b.order, p)
}

func (b *phoneBook) remove(p *phone) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.byID, p.ID)
	delete(b.byOpenID, p.App+"/"+p.OpenID)
	for i, q := range b.order {
		if q == p {
			b.order = append(b.order[:i:i], b.order[i+1:]...)
			return
		}
	}
}

func (b *phoneBook) get(id string) *phone {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.byID[id]
}

// holder is whose phone has that openid in an app.
func (b *phoneBook) holder(app, openid string) *phone {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.byOpenID[app+"/"+openid]
}

func (b *phoneBook) list() []*phone {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return append([]*phone(nil), b.order...)
}

// other is another phone of the same app, or a stranger's where there is none.
func (b *phoneBook) other(p *phone) *phone {
	for _, q := range b.list() {
		if q.App == p.App && q.ID != p.ID {
			return q
		}
	}
	return &phone{phoneRecord: phoneRecord{
		App: p.App, OpenID: "o0stranger0stranger0stranger", Phone: "13900000000",
	}}
}

// NewPhone makes a phone without telling the product, as a load test wants it:
// its person is registered by whoever drives it.
func (s *Sim) NewPhone(app, name, idNumber, number string) (id string, err error) {
	p := newPhone(app, name, idNumber, number)
	s.phones.add(p)
	if err := s.journal.append(record{Phone: &p.phoneRecord}); err != nil {
		s.phones.remove(p)
		return "", err
	}
	return p.ID, nil
}

func newPhone(app, name, idNumber, number string) *phone {
	openid := "o" + token()[:27]
	if app == appAlipay {
		openid = "0" + token() + token()[:14]
	}
	return &phone{phoneRecord: phoneRecord{
		ID: "p" + token()[:15], App: app, OpenID: openid,
		Name: name, IDNumber: idNumber, Phone: number,
	}}
}

// LoginCode is what wx.login or my.getAuthCode gives on a phone; "" if there is
// no such phone.
func (s *Sim) LoginCode(id string) string {
	if p := s.phones.get(id); p != nil {
		return s.loginCode(p)
	}
	return ""
}

func (s *Sim) loginCode(p *phone) string {
	if p.App == appAlipay {
		return s.auths.issue(p, s.machine.Now())
	}
	return s.logins.issue(p, s.machine.Now())
}

// PhoneCode is what the phone number button gives: a code in WeChat, a sealed
// and signed answer in Alipay.
func (s *Sim) PhoneCode(id string) (string, error) {
	p := s.phones.get(id)
	if p == nil {
		return "", venue.ErrNotFound
	}
	return s.phoneCode(p)
}

func (s *Sim) phoneCode(p *phone) (string, error) {
	if p.App == appAlipay {
		return s.phoneAnswer(p.Phone)
	}
	return s.phoneCodes.issue(p, s.machine.Now()), nil
}

// answer is what a phone got from the product.
type answer struct {
	status int
	body   []byte
}

func (a answer) ok() bool { return a.status/100 == 2 }

// login exchanges a fresh login code for a session of ours.
func (s *Sim) login(ctx context.Context, p *phone) (answer, error) {
	a, err := s.ask(ctx, http.MethodPost, "/api/v1/sessions", "", map[string]string{
		"app": p.App, "login_code": s.loginCode(p),
	})
	if err != nil || !a.ok() {
		return a, err
	}
	return a, p.keepSession(a)
}

// keepSession takes the token out of an answer that carries one.
func (p *phone) keepSession(a answer) error {
	var out struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(a.body, &out) != nil {
		return errBadAnswer
	}
	if out.Token != "" {
		p.session.Store(&out.Token)
	}
	return nil
}

// register does what the mini-program does on first use.
func (s *Sim) register(ctx context.Context, p *phone) (answer, error) {
	if a, err := s.login(ctx, p); err != nil || !a.ok() {
		return a, err
	}
	code, err := s.phoneCode(p)
	if err != nil {
		return answer{}, err
	}
	a, err := s.asPhone(ctx, p, http.MethodPut, "/api/v1/me", map[string]any{
		"name": p.Name, "id_type": "resident_id", "id_number": p.IDNumber,
		"phone_code": code, "consent": true,
	})
	if err != nil || !a.ok() || len(a.body) == 0 {
		return a, err
	}
	return a, p.keepSession(a)
}

// asPhone calls the product with the phone's session, logging in when there is
// none and once more when it is refused.
func (s *Sim) asPhone(ctx context.Context, p *phone, method, path string, in any) (answer, error) {
	fresh := false
	for {
		session := p.session.Load()
		if session == nil {
			if a, err := s.login(ctx, p); err != nil || !a.ok() {
				return a, err
			}
			if session = p.session.Load(); session == nil {
				return answer{}, errBadAnswer
			}
			fresh = true
		}
		a, err := s.ask(ctx, method, path, *session, in)
		if err != nil || a.status != http.StatusUnauthorized || fresh {
			return a, err
		}
		p.session.CompareAndSwap(session, nil)
	}
}

// scanInput is POST /sim/phones/{id}/scans.
type scanInput struct {
	Link       string          `json:"link"`
	RequestID  string          `json:"request_id"`
	Direction  string          `json:"direction"`
	Companions json.RawMessage `json:"companions"`
	Location   *location       `json:"location"`
}

// location is where the phone is, in degrees. Without both of its numbers the
// person has denied it.
type location struct {
	Lat *float64 `json:"lat"`
	Lng *float64 `json:"lng"`
}

// scan sends one scan. The location itself never leaves the phone.
func (s *Sim) scan(ctx context.Context, p *phone, in scanInput) (answer, error) {
	body := map[string]any{"link": in.Link, "request_id": in.RequestID}
	if in.RequestID == "" {
		body["request_id"] = token()
	}
	if in.Direction != "" {
		body["direction"] = in.Direction
	}
	if len(in.Companions) > 0 && string(in.Companions) != "null" {
		body["companions"] = in.Companions
	}
	if in.Location != nil {
		presence, err := s.presence(ctx, p, in.Link, *in.Location)
		if err != nil {
			return answer{}, err
		}
		body["presence"] = presence
	}
	return s.asPhone(ctx, p, http.MethodPost, "/api/v1/scans", body)
}

// presence compares the phone's place with the door's, as the mini-program
// does: near, far, or unknown when either place is not known.
func (s *Sim) presence(ctx context.Context, p *phone, link string, at location) (string, error) {
	if at.Lat == nil || at.Lng == nil {
		return "unknown", nil
	}
	a, err := s.asPhone(ctx, p, http.MethodGet, "/api/v1/codes?link="+url.QueryEscape(link), nil)
	if err != nil {
		return "", err
	}
	var door struct {
		Lat    *float64 `json:"lat"`
		Lng    *float64 `json:"lng"`
		Radius float64  `json:"radius"` // metres
	}
	if !a.ok() || json.Unmarshal(a.body, &door) != nil ||
		door.Lat == nil || door.Lng == nil || door.Radius <= 0 {
		return "unknown", nil
	}
	if metres(*at.Lat, *at.Lng, *door.Lat, *door.Lng) <= door.Radius {
		return "near", nil
	}
	return "far", nil
}

// metres is the great-circle distance between two places given in degrees.
func metres(lat1, lng1, lat2, lng2 float64) float64 {
	const earth, rad = 6371008.8, math.Pi / 180
	sinLat := math.Sin((lat2 - lat1) * rad / 2)
	sinLng := math.Sin((lng2 - lng1) * rad / 2)
	h := sinLat*sinLat + math.Cos(lat1*rad)*math.Cos(lat2*rad)*sinLng*sinLng
	return 2 * earth * math.Asin(math.Min(1, math.Sqrt(h)))
}
