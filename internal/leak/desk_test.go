package leak

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/console"
	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// What the console asks of the program around it, over a world.
type (
	whole struct {
		*audit.Trail
		docs store.Documents
		key  ed25519.PublicKey
	}
	copied struct {
		*vault.Vault
		rows store.Collection[store.EscrowRow]
	}
	graveyard struct{ r *vault.Retention }
)

func (p whole) Verify(ctx context.Context) (audit.Report, error) {
	return audit.Verify(ctx, p.docs, p.key, nil, nil)
}

func (k copied) Escrows(ctx context.Context) (living []store.EscrowRow, err error) {
	rows, err := k.rows.All(ctx, store.Query{Index: "expires", From: noon})
	for _, r := range rows {
		living = append(living, r.Value)
	}
	return living, err
}

func (g graveyard) Due() (due, latest venue.Day) { return g.r.Due(noon), g.r.Latest(noon) }
func (g graveyard) Plan(ctx context.Context, through venue.Day) ([]vault.CertifiedDay, error) {
	return g.r.Plan(ctx, through)
}
func (g graveyard) Certificates(ctx context.Context) ([]json.RawMessage, error) {
	return g.r.Certificates.List(ctx)
}
func (g graveyard) Certificate(ctx context.Context, number int64) (json.RawMessage, error) {
	return g.r.Certificates.Line(ctx, number)
}
func (g graveyard) Names() []string { return []string{"code.example.org", "419981"} }

// asked is a request to the console.
type asked struct {
	method, path string
	body         any
}

// misplaced is a secret in every field and every query of the console.
func misplaced(secret, handle string) (all []asked) {
	q, p := url.QueryEscape(secret), url.PathEscape(secret)
	for _, path := range []string{
		"board?day=" + q, "units?after=" + q, "units/" + p, "doors?unit=" + q, "ledger?day=" + q, "ledger?before=" + q, "alarms?day=" + q, "alarms?page=" + q,
		"purges?through=" + q, "certificates/" + p, "requests?state=" + q, "keys?name=" + q, "changes?id=" + q, p,
		"applications?state=" + q, "applications?after=" + q, "applications/" + p, "applications/new?id=" + q, "incomplete?after=" + q, "postings/" + p + "/photo", "posters?door=" + q, "posters?unit=" + q, "posters?division=" + q, "posters?sheet=" + q, "posters?unit=u1&as=" + q, "venues/" + p, "venues/" + p + "/correct", "units/" + p + "/history", "find?q=" + q, "blanks?after=" + q, "blanks/" + p + "/posters", "venues/" + p + "/contacts",
		"imports", "imports/" + p, "imports/" + p + "/problems.xlsx", "imports/template/" + p,
		"audit?actor=" + q, "audit?object=" + q, "audit?after=" + q, "audit?from=" + q, "audit?to=" + q, "audit/export?from=" + q + "&to=2022-10-12", "audit/export?from=2022-10-12&to=" + q,
	} {
		all = append(all, asked{http.MethodGet, "/console/" + path, nil})
	}
	const because, number = "核实红码人员去向", "2022-017"
	for _, to := range []struct {
		path string
		body any
	}{
		{"purges", object{"through": secret, "reason": secret}}, {"sunset", object{"confirm": secret, "reason": secret}},
		{"escrows", object{"days": secret, "custodian": secret, "reason": secret}}, {"escrows", object{"days": 7, "custodian": secret, "reason": secret}},
		{"reveals", object{"person": secret, "purpose": reveal.Tracing, "reason": because, "case": number}}, {"reveals", object{"person": secret, "purpose": reveal.Tracing, "reason": secret, "case": number}},
		{"reveals", object{"person": handle, "purpose": secret, "reason": secret, "case": secret}}, {"reveals", object{"person": handle, "purpose": "debt", "reason": secret, "case": secret}},
		{"reveals", object{"person": handle, "day": secret}}, {"reveals", `{"person":"` + secret}, {"audit/verify?copy=" + q, object{"copy": secret}}, {"keys/rotate", object{"key": secret}},
		{"applications", object{"name": secret, "uscc": secret, "plate": secret, "division": secret, "doors": secret, "inside": secret, "applicant_phone": secret}}, {"applications", object{"id": secret, "save": true}}, {"doors/" + p + "/posted", object{"finding": secret}},
		{"applications/" + p + "/approve", object{}}, {"applications/" + p + "/reject", object{"reason": secret}}, {"units/" + p + "/prove", object{"reason": secret}}, {"units/" + p + "/merge", object{"into": secret, "reason": because}},
		{"units/u1/merge", object{"into": secret, "reason": because}}, {"units/" + p + "/close", object{"reason": secret}}, {"units/" + p + "/bind-code", object{}}, {"venues/" + p + "/managers/remove", object{"manager": secret}},
		{"imports", object{"kind": secret, "division": secret}}, {"imports/" + p + "/run", object{"partial": secret}}, {"imports/" + p + "/discard", object{}},
		{"blanks", object{"id": secret, "division": secret, "count": 1}}, {"blanks/activate", object{"code": secret, "venue": secret, "name": secret}},
		{"venues/" + p + "/suspend", object{"door": secret, "reason": secret}}, {"venues/" + p + "/doors", object{"name": secret, "code": secret}}, {"venues/" + p + "/correct", object{"name": secret}},
		{"requests/" + p + "/approve", object{"totp": secret}}, {"requests/" + p + "/reject", object{"reason": secret}},
		{"changes/" + p + "/approve", object{"totp": secret}}, {"accounts/" + p + "/disable", object{}}, {"password", object{"old": secret, "password": "short"}},
	} {
		all = append(all, asked{http.MethodPost, "/console/" + to.path, to.body})
	}
	return all
}

// desk: the console, with people who type secrets into the wrong field.
func desk(o *out) {
	w := newWorld(o)
	_, person := w.registered(0)
	w.red(person)
	service, _ := w.reports()
	register := store.NewRegister(w.engine, w.registry, w.vault, clock)
	codes := store.NewBindCodes(w.engine, w.registry, w.vault.Blind, rand.Reader, clock)
	codes.Register = register
	uploads, err := intake.NewUploads(store.NewUploads(w.engine, w.vault, clock), &intake.Desk{Register: register, Random: rand.Reader}, clock, clock, o.log)
	if err != nil {
		o.Fatal(err)
	}
	h := &console.Handler{
		Access: w.officials, Trail: w.trail, Proof: whole{w.trail, w.engine, w.signer.Public()}, Keys: copied{w.vault, store.NewCollection[store.EscrowRow](w.engine, store.Escrows)},
		Disposal: graveyard{w.retention()}, Identities: w.identities(1000), Machine: clock, Office: register.Show(store.NewOffice(w.engine, w.registry)), Boards: service, Clock: clock,
		Incomplete: clock.Now, Log: o.log, Uploads: uploads,
		OldCodes: w.registry, ChatCodes: codes, Postings: register, Groups: w.registry,
		SealWebhook: func(key string) ([]byte, error) { return w.vault.Seal("webhook", []byte(key)) },
		Applying: &registry.Service{Applications: register, Book: register, Blanks: register, Random: rand.Reader, Clock: clock,
			Resolve: func(ctx context.Context, code venue.Code) (venue.VenueID, error) {
				p, err := w.registry.Resolve(ctx, code)
				return p.Venue.ID, err
			}},
	}
	o.value("handler", h)
	app := w.serve(h.Routes)
	login := func(user, pass, code string, own bool) string {
		_, body := w.ask(app, http.MethodPost, "/console/login", "", object{"user": user, "password": pass, "totp": code}, own)
		var session struct{ Token string }
		decode(o, body, &session)
		return session.Token
	}
	known, sessions := map[string]string{}, map[string]string{"nobody": token}
	enter := func(user string, role access.Role) (session, totpKey string) {
		totpKey = w.seed(user, role)
		if session = login(user, password, w.code(totpKey, 0), true); session == "" {
			o.Fatalf("%s could not log in", user)
		}
		known["session of "+user], known["TOTP secret of "+user] = session, totpKey
		return session, totpKey
	}
	var secadminKey string
	for _, role := range []access.Role{access.RoleTracer, access.RoleSystemAdmin, access.RoleSecurityAdmin, access.RoleAuditor, access.RoleChecker, access.RoleUnitAdmin} {
		var key string
		if sessions[string(role)], key = enter(string(role), role); role == access.RoleSecurityAdmin {
			secadminKey = key
		}
	}
	w.seed("secadmin2", access.RoleSecurityAdmin)
	leaver, _ := enter("leaver", access.RoleChecker)
	tracer, sysadmin, secadmin, auditor := sessions["tracer"], sessions["sysadmin"], sessions["secadmin"], sessions["auditor"]

	// What is done as it should be, so that there is something to leak.
	must200 := func(what, method, path, session string, body any, own bool) string {
		status, answer := w.ask(app, method, path, session, body, own)
		if status != http.StatusOK {
			o.Fatalf("%s: %d %.200s", what, status, answer)
		}
		return answer
	}
	var alarms struct{ Rows []struct{ Person string } }
	decode(o, must200("alarms", http.MethodGet, "/console/alarms", tracer, nil, false), &alarms)
	if len(alarms.Rows) != 1 {
		o.Fatalf("%d alarms", len(alarms.Rows))
	}
	handle := alarms.Rows[0].Person
	// An identity is shown to whoever asks for it: that answer is theirs.
	look := object{"person": handle, "purpose": reveal.Tracing, "reason": "核实红码人员去向", "case": "2022-017"}
	if shown := must200("reveal", http.MethodPost, "/console/reveals", tracer, look, true); !strings.Contains(shown, people[0].IDNumber) {
		o.Fatal("nobody was revealed")
	}
	var asks struct{ ID string }
	decode(o, must200("purge", http.MethodPost, "/console/purges", sysadmin, object{"through": "2022-09-01", "reason": "测试所需"}, false), &asks)
	must200("approval", http.MethodPost, "/console/requests/"+asks.ID+"/approve", secadmin, object{"totp": w.code(secadminKey, 30*time.Second)}, false)
	decode(o, must200("sunset", http.MethodPost, "/console/sunset", sysadmin, object{"confirm": "419981", "reason": "疫情结束"}, false), &asks)
	custodian := must[vault.PrivateKey](o)(vault.NewPrivateKey("intl", rand.Reader))
	known["custodian's key"] = custodian.Reveal()
	must200("escrow", http.MethodPost, "/console/escrows", secadmin, object{"days": 7, "custodian": custodian.Public().Fingerprint(), "reason": "异地备份"}, false)
	must200("rotation", http.MethodPost, "/console/keys/rotate", secadmin, object{"key": "session"}, false)
	line := must[[]byte](o)(vault.Certificate{Number: 1, Kind: vault.KindPurge, Order: vault.Order{RunBy: vault.RunBySystem}, Ended: noon}.Signed(w.signer))
	if err := store.NewCollection[store.CertificateRow](w.engine, store.Certificates).Insert(o.Context(), fmt.Sprintf("%012d", 1), store.CertificateRow{Line: line}); err != nil {
		o.Fatal(err)
	}
	for session, paths := range map[string][]string{
		tracer: {"units", "units/u1", "doors?unit=u1", "alarms"}, sessions["checker"]: {"board", "ledger", "units"}, sysadmin: {"requests", "purges", "certificates", "certificates/1"},
		secadmin: {"keys", "requests"}, auditor: {"audit", "audit?actor=tracer&object=account:tracer", "audit/export?from=2022-10-12&to=2022-10-12"},
	} {
		for _, path := range paths {
			must200(path, http.MethodGet, "/console/"+path, session, nil, false)
		}
	}
	must200("verification", http.MethodPost, "/console/audit/verify", auditor, nil, false)

	everything := func() {
		for _, user := range []string{"secadmin", password, people[0].Name, people[0].IDNumber, totpSecret} {
			login(user, people[0].Name+appSecret, "000000", false)
			login(user, password, totpSecret, false)
		}
		// Credentials are shown once, to whoever hands them out: that answer is theirs.
		_, body := w.ask(app, http.MethodPost, "/console/accounts", secadmin, object{"user": "new.tracer", "name": "新", "roles": []string{"township"}, "divisions": []string{"419981"}}, true)
		var made struct {
			Issued struct {
				Password string
				TOTP     string `json:"totp_secret"`
			}
		}
		decode(o, body, &made)
		if made.Issued.Password != "" {
			known["password handed out"], known["TOTP secret handed out"] = made.Issued.Password, made.Issued.TOTP
		}
		all := []asked{
			{"POST", "/console/accounts", object{"user": password, "name": people[0].Name, "roles": []string{people[0].Phone}}},
			{"POST", "/console/accounts", object{"user": "x1y", "name": people[0].Name + "\u202e", "roles": []string{"township"}, "divisions": []string{people[0].IDNumber}}},
			{"POST", "/console/accounts", `{"user":"` + password},
			{"POST", "/console/password", object{"old": appSecret, "password": people[0].Name}},
			{"POST", "/console/password", object{"old": password, "password": "short"}},
			{"POST", "/console/accounts/secadmin2/roles", object{"roles": []string{people[0].Name}}},
			{"POST", "/console/requests/" + asks.ID + "/approve", object{"totp": totpSecret}},
			{"GET", "/console", nil}, {"GET", "/console/accounts", nil}, {"GET", "/console/changes", nil}, {"GET", "/console/requests", nil},
			{"GET", "/console/audit?object=" + url.QueryEscape("person:"+people[0].Name), nil},
		}
		for _, secret := range []string{people[0].Name, people[1].IDNumber, people[1].Phone, token, password, custodian.Reveal()} {
			all = append(all, misplaced(secret, handle)...)
		}
		// A reason may hold anything but somebody's number.
		for _, number := range []string{people[0].IDNumber, people[0].Phone} {
			all = append(all, asked{"POST", "/console/purges", object{"through": "2022-09-01", "reason": "应" + number + "要求"}},
				asked{"POST", "/console/sunset", object{"confirm": "419981", "reason": "应" + number + "要求"}},
				asked{"POST", "/console/escrows", object{"days": 1, "custodian": custodian.Public().Fingerprint(), "reason": "应" + number + "要求"}},
				asked{"POST", "/console/reveals", object{"person": handle, "purpose": reveal.Tracing, "reason": "核实 " + number, "case": "1"}},
				asked{"POST", "/console/reveals", object{"person": handle, "purpose": reveal.Tracing, "reason": "核实红码", "case": number}},
				asked{"GET", "/console/audit?object=account:" + number, nil})
		}
		for _, session := range sessions {
			for _, a := range all {
				w.ask(app, a.method, a.path, session, a.body, false)
			}
		}
		w.ask(app, http.MethodPost, "/console/reveals", tracer, look, true)
		for path, form := range map[string]url.Values{
			"login": {"user": {password}, "password": {appSecret}, "totp": {totpSecret}}, "reveals": {"person": {people[0].Name}, "reason": {people[0].Phone}}, "escrows": {"custodian": {token}},
		} {
			r := must[*http.Request](o)(http.NewRequest(http.MethodPost, "/console/"+path, strings.NewReader(form.Encode())))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.AddCookie(&http.Cookie{Name: "venuecode_console", Value: tracer})
			w.do(app, r, false)
		}
		w.ask(app, http.MethodPost, "/console/logout-everywhere", leaver, object{"password": password}, false)
	}
	everything()
	w.rows()
	if err := w.engine.Close(); err != nil {
		o.Fatal(err)
	}
	everything()
	finderOf(o, known)()
	o.logged("request failed")
	o.calm()
}

// identities: a name is shown to whoever asked, and is nowhere else.
func identities(o *out) {
	w := newWorld(o)
	ctx := o.Context()
	_, person := w.registered(0)
	w.red(person)
	by, _ := w.official("tracer", access.RoleTracer)
	auditor, _ := w.official("auditor", access.RoleAuditor)
	s := w.identities(2)
	o.value("service", s)
	list := must[reveal.List](o)(s.Alarms(ctx, by, 0, 1))
	o.value("list", list)
	if len(list.Rows) != 1 {
		o.Fatalf("%d alarms", len(list.Rows))
	}
	good := reveal.Request{Handle: list.Rows[0].Person, Purpose: reveal.Tracing, Reason: "核实红码人员去向", Case: "2022-017"}
	who := must[reveal.Identity](o)(s.Reveal(ctx, by, good))
	o.value("identity", who)
	o.value("identity", &who)
	o.value("identity", struct{ i reveal.Identity }{who})
	if who.ID.Reveal() != people[0].IDNumber {
		o.Fatal("nobody was revealed")
	}
	try := func(where string, by access.Login, change func(q *reveal.Request)) {
		q := good
		change(&q)
		who, err := s.Reveal(ctx, by, q)
		o.failure(where, err)
		o.value(where, who)
	}
	for what, secret := range secrets {
		try("a handle of a "+what, by, func(q *reveal.Request) { q.Handle, q.Reason = secret, "核实 "+secret })
		try("a purpose of a "+what, by, func(q *reveal.Request) { q.Purpose, q.Reason, q.Case = reveal.Purpose(secret), secret, secret })
		try("a bad reason of a "+what, by, func(q *reveal.Request) { q.Reason = secret + "\u202e" })
		try("a bad case of a "+what, by, func(q *reveal.Request) { q.Case = secret + "\x00" })
		try("somebody else", auditor, func(q *reveal.Request) { q.Handle, q.Reason, q.Case = secret, secret, secret })
		try("nobody", access.Login{}, func(q *reveal.Request) { q.Handle, q.Reason, q.Case = secret, secret, secret })
	}
	for _, number := range []string{people[0].IDNumber, people[0].Phone} {
		try("a number as reason", by, func(q *reveal.Request) { q.Reason = "核实 " + number })
		try("a number as case", by, func(q *reveal.Request) { q.Case = number })
	}
	try("another's handle", by, func(q *reveal.Request) { q.Handle = q.Handle[1:] })
	_, err := s.Alarms(ctx, auditor, 0, 1)
	o.failure("alarms for somebody else", err)
	_, err = s.Alarms(ctx, by, 0, -1)
	o.failure("alarms", err)
	must[reveal.Identity](o)(s.Reveal(ctx, by, good))
	try("quota", by, func(*reveal.Request) {})
	w.rows()
	if err := w.engine.Close(); err != nil {
		o.Fatal(err)
	}
	s = w.identities(9)
	try("a memory that is gone", by, func(*reveal.Request) {})
	try("a refusal that is not written", by, func(q *reveal.Request) { q.Handle = token })
	_, err = s.Alarms(ctx, by, 0, 1)
	o.failure("alarms of a memory that is gone", err)
}
