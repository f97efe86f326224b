package leak

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

func decode(o *out, body string, into any) {
	if body != "" && json.Unmarshal([]byte(body), into) != nil {
		o.Logf("no JSON: %.80q", body)
	}
}

// finderOf looks, when called, for values that were made on the way.
func finderOf(o *out, made map[string]string) func() {
	return func() {
		o.Helper()
		f := canary.NewFinder(made)
		o.leaks() // gathers logs and metrics
		for _, s := range o.seen {
			for _, what := range f.Find(s.bytes) {
				o.Errorf("%s shows the %s", s.where, what)
			}
		}
	}
}

type plainRow struct {
	Text string
	N    int
	At   time.Time
}

// collections: rows that do not decode, or can not be written.
func collections(o *out) {
	w := newWorld(o)
	ctx := o.Context()
	rows := store.NewCollection[store.MetaRow](w.engine, store.Meta)
	for what, secret := range secrets {
		for i, body := range []any{bson.M{"value": secret}, bson.M{"value": bson.M{secret: secret}}, bson.M{"text": 7, secret: secret}, bson.M{"value": bson.A{secret}}} {
			id := fmt.Sprint(what, i)
			if err := w.engine.Insert(ctx, store.Meta.Name, id, must[[]byte](o)(bson.Marshal(body))); err != nil {
				o.Fatal(err)
			}
			_, err := rows.Get(ctx, id)
			o.maybe("a row of a "+what, err)
			_, err = rows.Update(ctx, id, false, func(*store.MetaRow) error { return errors.New("no") })
			o.failure("update", err)
			o.maybe("insert twice", rows.Insert(ctx, id, store.MetaRow{Text: secret}))
			o.maybe("delete", rows.Delete(ctx, id, 99))
		}
		_, err := store.DecodeScan([]byte(secret))
		o.failure("scan row", err)
	}
	_, err := rows.All(ctx, store.Query{Index: "none", Equal: []any{people[0].Name}})
	o.failure("find", err)
	who := identity(o, 0)
	o.panics("a person in a row", func() { store.NewCollection[struct{ Who venue.Identity }](w.engine, store.Meta) })
	o.value("account", store.PersonRow{Name: []byte("sealed")})
	_, err = bson.Marshal(who)
	o.maybe("a person as a document", err)

	keeper := newWorld(o)
	codes := store.NewBindCodes(keeper.engine, keeper.registry, w.vault.Blind, rand.Reader, clock)
	code := must[string](o)(codes.Make(ctx, "u1"))
	account := venue.ChatAccount{Channel: venue.ChannelWeComApp, ID: "s001"}
	for _, try := range []string{people[0].Name, webhook, code, code} {
		_, err := codes.Bind(ctx, account, try)
		o.maybe("bind", err)
	}
	_, err = codes.Make(ctx, "nobody")
	o.failure("bind code", err)
	_, err = store.NewReplies(w.engine, clock).Once(ctx, "k", func(context.Context) (string, error) { return "", venue.ErrUnavailable })
	o.failure("reply", err)
	ended := must[*store.Revocations](o)(store.OpenRevocations(ctx, keeper.engine, clock, clock, time.Hour))
	for what, secret := range secrets {
		id := secret + "x"
		if err := keeper.engine.Insert(ctx, store.RevocationRows.Name, id, must[[]byte](o)(bson.Marshal(bson.M{"at": noon}))); err != nil {
			o.Fatal(err)
		}
		ended.LookAgain()
		_, err := ended.Revoked(ctx, 1)
		o.failure("a family of a "+what, err)
		o.maybe("delete", keeper.engine.Delete(ctx, store.RevocationRows.Name, id, 0))
	}
	o.value("revocations", ended)
	expiry := &store.Expiry{
		Kinds:  append(store.Kinds(keeper.engine, store.Keep{}), store.Kind{Name: "sessions", Forget: func(_ context.Context, _ time.Time, announce func(int) error) error { return announce(1) }}),
		Record: func(context.Context, string, time.Time, int) error { return venue.ErrUnavailable }, Clock: clock,
	}
	_, _, err = expiry.Run(ctx, noon)
	o.failure("a trail that is gone", err)
	keeper.rows()
	_ = keeper.engine.Close()
	_, err = ended.Sweep(ctx, noon)
	o.failure("closed", err)
	_, _, err = expiry.Run(ctx, noon)
	o.failure("closed", err)
	finderOf(o, map[string]string{"bind code": code})()
	_ = w.engine.Close()
	_, err = rows.Get(ctx, "x")
	o.failure("closed", err)
	_, err = w.registry.Resolve(ctx, venue.Code(people[0].IDNumber))
	o.failure("door", err)
}

// engine: documents whose ids and fields are secrets.
func engine(o *out) {
	schema := store.Schema{Name: "t", Indexes: []store.Index{{Name: "one", Fields: []string{"text"}, Unique: true}, {Name: "n", Fields: []string{"n", "at"}}}}
	dir := o.TempDir()
	options := embedded.Options{Dir: dir, Schemas: []store.Schema{schema}, Logger: o.log, Machine: clock}
	e := must[*embedded.Engine](o)(embedded.Open(options))
	_, err := embedded.Open(options)
	o.failure("in use", err)
	ctx := o.Context()
	put := func(id string, v any) error { return e.Insert(ctx, "t", id, must[[]byte](o)(bson.Marshal(v))) }
	for what, secret := range secrets {
		if err := put(secret, plainRow{Text: secret, At: noon}); err != nil {
			o.Fatal(err)
		}
		o.failure(what+" again", put(secret, plainRow{At: noon}))
		o.failure(what+" under another id", put("x", plainRow{Text: secret, At: noon}))
		o.failure(what+" without fields", put("y", bson.M{secret: secret}))
		o.failure(what+" of another type", put("z", bson.M{"text": bson.M{secret: secret}, "n": secret, "at": secret}))
		_, err := e.Replace(ctx, "t", store.Document{ID: secret, Rev: 9, Body: must[[]byte](o)(bson.Marshal(plainRow{Text: secret}))})
		o.failure(what+" stale", err)
		o.failure(what+" deleted", e.Delete(ctx, "t", secret+"x", 1))
		_, err = e.Get(ctx, "t", secret+"x")
		o.failure(what+" not there", err)
		for _, q := range []store.Query{
			{Index: "one", Equal: []any{secret, secret}}, {Index: "one", Equal: []any{[]string{secret}}}, {Index: "n", From: secret, To: 7}, {Index: "no", Equal: []any{secret}},
			{Index: "n", Equal: []any{secret}, After: &store.Document{ID: secret, Body: bson.Raw(secret)}},
		} {
			for _, err := range e.Find(ctx, "t", q) {
				o.maybe("find "+what, err)
			}
		}
		o.failure("raw", e.Insert(ctx, "t", "raw"+secret, bson.Raw(secret)))
		_, err = e.Replace(ctx, "t", store.Document{ID: secret, Rev: 1, Body: bson.Raw(secret)})
		o.failure("raw", err)
	}
	o.value("engine", e)
	o.value("stats", e.Stats())
	if err := e.Close(); err != nil {
		o.Fatal(err)
	}
	_, err = e.Get(ctx, "t", openid)
	o.failure("closed", err)
	// A folder that is damaged.
	files := must[[]string](o)(filepath.Glob(filepath.Join(dir, "*")))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && len(b) > 8 {
			_ = os.WriteFile(f, append(b[:len(b)/2], people[0].IDNumber...), 0o600)
		}
	}
	o.panics("damaged", func() {
		e, err := embedded.Open(options)
		o.maybe("damaged", err)
		if err == nil {
			for _, err := range e.Find(ctx, "t", store.Query{}) {
				o.maybe("damaged", err)
			}
			o.maybe("close", e.Close())
		}
	})
}

// persons: the vault, its keys and what it knows of people.
func persons(o *out) {
	w := newWorld(o)
	ctx := o.Context()
	account, person := w.registered(0)
	who, err := w.people.Open(ctx, person)
	if err != nil {
		o.Fatal(err)
	}
	for _, v := range []any{who, &who, person, w.vault, w.people, w.vault.Status()} {
		o.value(fmt.Sprintf("%T", v), v)
	}
	other := identity(o, 1)
	phone := must[venue.Phone](o)(venue.ParsePhone(people[1].Phone))
	mine := identity(o, 0)
	for name, r := range map[string]vault.Registration{
		"another name":   {Name: other.Name, ID: mine.ID, Phone: phone},
		"another person": {Name: other.Name, ID: other.ID, Phone: phone},
		"not proven":     {Name: mine.Name, ID: mine.ID, Phone: phone},
	} {
		_, err := w.people.Register(ctx, account, r)
		o.maybe(name, err)
		second, err := w.people.Account(ctx, "alipay", openid+name)
		o.maybe(name, err)
		o.value("account", second)
		_, err = w.people.Register(ctx, second.ID, r)
		o.maybe(name+" by a second account", err)
		_, err = w.people.Register(ctx, openid, r)
		o.failure(name+" without an account", err)
	}
	_, err = w.people.Open(ctx, venue.PersonID{9})
	o.failure("nobody", err)
	_, err = w.people.OfAccount(ctx, openid, 1)
	o.failure("account", err)
	_, err = w.people.OpenID(ctx, openid)
	o.failure("openid", err)
	_, _, err = w.people.Named(ctx, venue.Identity{Name: other.Name, ID: mine.ID})
	o.maybe("named", err)
	sealed := must[[]byte](o)(w.vault.Seal("webhook", []byte(webhook)))
	o.text("sealed", sealed)
	_, err = w.vault.Open("other", sealed)
	o.failure("another use", err)
	made := must[string](o)(w.vault.SealToken([]byte(token)))
	o.text("token", []byte(made))
	for _, t := range []string{token, made[1:], made + "A", people[0].Name} {
		_, err := w.vault.OpenToken(t)
		o.failure("token", err)
	}
	_, err = w.vault.Rotate(appSecret)
	o.failure("rotate", err)
	o.text("blind", []byte(w.vault.Blind("id", people[0].IDNumber)+w.vault.Blind("account", openid)))
	w.rows()

	// Key folders that are damaged, with key material in them.
	for _, damage := range []string{"", appSecret, "venuecode-root-1:" + base64.StdEncoding.EncodeToString([]byte(appSecret)), `{"suite":"` + appSecret + `"}`, `{"keys":{"` + appSecret + `":"` + aesKey + `"}}`} {
		dir := o.TempDir()
		must[*vault.Vault](o)(vault.Open(dir, rand.Reader))
		for _, f := range must[[]string](o)(filepath.Glob(filepath.Join(dir, "*"))) {
			whole := must[[]byte](o)(os.ReadFile(f))
			if err := os.WriteFile(f, []byte(damage), 0o600); err != nil {
				o.Fatal(err)
			}
			_, err := vault.Open(dir, rand.Reader)
			o.maybe("damaged "+filepath.Base(f), err)
			if err := os.WriteFile(f, whole, 0o600); err != nil {
				o.Fatal(err)
			}
		}
	}
	certificates(o, w)
	custody(o, w.vault)
	letting, _ := w.letting()
	_, err = letting.Withdraw(ctx, openid, person)
	o.failure("somebody else's withdrawal", err)
	_, err = letting.History.Visits(ctx, person, people[0].IDNumber+"-"+people[0].Name, 1)
	o.failure("page", err)
	files := vault.NewFiles(o.TempDir())
	o.value("files", files)
	o.failure("name", files.Put("../"+appSecret+"/1", []byte(aesKey)))
	_, err = files.Get("epoch/1")
	o.failure("no key", err)
	_ = w.engine.Close()
	_, err = letting.Withdraw(ctx, account, person)
	o.failure("closed", err)
	_, _, err = letting.Run(ctx, noon)
	o.failure("closed", err)
	_, err = w.retention().Plan(ctx, 1<<14)
	o.maybe("closed", err)
	_, err = w.people.Open(ctx, person)
	o.failure("closed", err)
	_, err = w.people.Account(ctx, "wechat", openid)
	o.failure("closed", err)
}

// certificates: what is said of what was destroyed.
func certificates(o *out, w *world) {
	ctx := o.Context()
	c := w.certificates()
	draft := must[vault.Certificate](o)(c.Draft(ctx, vault.KindPurge, w.vault, []vault.CertifiedDay{{Day: 1, Rows: 5, Key: true}}, vault.Order{RunBy: vault.RunBySystem}, noon))
	o.value("certificate", draft)
	line := must[[]byte](o)(draft.Signed(w.signer))
	for what, forged := range map[string]string{
		"a foreign line": `{"format":"` + people[0].Name + `"}`, "a cut line": string(line[:len(line)/2]), "words": people[0].IDNumber, "another": strings.Replace(string(line), `"rows":5`, `"rows":`+people[0].Phone, 1),
	} {
		_, err := vault.VerifyCertificate([]byte(forged), w.signer.Public())
		o.failure(what, err)
	}
	_, err := c.Line(ctx, 99)
	o.failure("no certificate", err)
	_, err = w.retention().Destroy(ctx, venue.DayOf(noon), vault.Order{Request: people[0].IDNumber, AskedBy: people[0].Name})
	o.failure("a day that is kept", err)
	rows := store.NewCollection[store.CertificateRow](w.engine, store.Certificates)
	if err := rows.Insert(ctx, people[0].IDNumber+"x", store.CertificateRow{Line: []byte(people[0].Name)}); err != nil {
		o.Fatal(err)
	}
	_, err = c.Draft(ctx, vault.KindPurge, w.vault, nil, vault.Order{}, noon)
	o.failure("a number that is none", err)
}

// custody: copies of the keys, and the keys of those who hold them.
func custody(o *out, v *vault.Vault) {
	known := map[string]string{}
	for _, suite := range []string{"intl", "gm"} {
		key := must[vault.PrivateKey](o)(vault.NewPrivateKey(suite, rand.Reader))
		_, text, _ := strings.Cut(key.Reveal(), ":")
		known[suite+" key of a custodian"], known["bytes of it, "+suite] = text, string(must[[]byte](o)(base64.StdEncoding.DecodeString(text)))
		for _, shown := range []any{key, &key, struct{ K vault.PrivateKey }{key}, struct{ k vault.PrivateKey }{key}, []vault.PrivateKey{key}, key.Public()} {
			o.value("custodian's key", shown)
		}
		for _, bad := range []string{key.Reveal()[1:], key.Reveal() + "A", key.Reveal()[:40], key.Public().String(), privateKey, people[0].Name} {
			_, err := vault.ParsePrivateKey(bad)
			o.failure("private key", err)
		}
		for _, bad := range []string{key.Reveal(), key.Public().String() + "A", appSecret} {
			_, err := vault.ParsePublicKey(bad)
			o.failure("public key", err)
		}
		copied, err := v.Escrow(key.Public(), 1, noon, noon.Add(time.Hour))
		if suite == "gm" {
			o.failure("another suite", err)
			continue
		}
		o.text("copy of the keys", copied)
		o.value("copy of the keys", must[vault.EscrowHead](o)(vault.ReadEscrow(copied)))
		_, err = v.Escrow(key.Public(), 1, noon, noon.Add(99*24*time.Hour))
		o.failure("a long life", err)
		other := must[vault.PrivateKey](o)(vault.NewPrivateKey(suite, rand.Reader))
		altered := append(bytes.Clone(copied), 0)
		full := o.TempDir()
		if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
			o.Fatal(err)
		}
		for name, r := range map[string]struct {
			copied []byte
			key    vault.PrivateKey
			dir    string
			now    time.Time
		}{
			"somebody else": {copied, other, o.TempDir(), noon}, "altered": {altered, key, o.TempDir(), noon}, "expired": {copied, key, o.TempDir(), noon.Add(2 * time.Hour)},
			"no copy": {[]byte(appSecret + "\n"), key, o.TempDir(), noon}, "a full folder": {copied, key, full, noon},
		} {
			_, err := vault.RestoreEscrow(r.copied, r.key, r.now, r.dir, rand.Reader)
			o.failure(name, err)
		}
	}
	// The end of all keys, where they do not go.
	dir := o.TempDir()
	must[*vault.Vault](o)(vault.Open(dir, rand.Reader))
	o.failure("a provider that is away", vault.DestroyKeys(dir, away{vault.NewFiles(dir)}, 1))
	o.failure("no folder", vault.DestroyKeys(filepath.Join(dir, "absent", "absent"), vault.NewFiles(dir), 1))
	finderOf(o, known)()
}

// away keeps keys and does not let go of them.
type away struct{ vault.KeyProvider }

func (away) Delete(string) error { return venue.ErrUnavailable }

// trail: the audit refuses what looks private, and its sinks have addresses that
// let somebody in.
func trail(o *out) {
	w := newWorld(o)
	ctx := o.Context()
	for _, text := range []string{people[0].IDNumber, people[0].Phone, "他的号码是 " + people[0].Phone, people[0].IDNumber[:6] + " " + people[0].IDNumber[6:14] + " " + people[0].IDNumber[14:]} {
		for _, e := range []audit.Event{
			event(text), {Actor: text, Action: "x"}, {Actor: "x", Action: text}, {Actor: "x", Action: "x", Object: audit.Object{Kind: "k", ID: text}},
			{Actor: "x", Action: "x", Details: map[string]string{"k": text}}, {Actor: "x", Action: "x", Details: map[string]string{text: "v"}}, {Actor: "x", Action: "x", Case: text},
		} {
			_, err := w.trail.Append(ctx, e)
			o.failure("a number in the trail", err)
		}
	}
	_, err := w.trail.Append(ctx, event("fine"))
	o.maybe("append", err)
	_, _, err = w.trail.By(ctx, audit.Filter{Actor: people[0].Name}, audit.Page{After: people[0].IDNumber})
	o.failure("page", err)
	w.rows()

	addresses := map[string]string{"nobody there": o.nowhere(), "no host": "http://no-such-host.invalid", "no address": "http://[" + sinkPath, "no scheme": "x-" + sinkPath + "://"}
	for name, answer := range hostile {
		addresses[name] = sinkAddress(o, answer)
	}
	// One that sends us on to somebody else, who must not learn the address.
	other := o.outside(func(http.ResponseWriter, *http.Request) {})
	for _, status := range []int{302, 307, 308} {
		addresses[fmt.Sprint("sent on by ", status)] = sinkAddress(o, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/elsewhere", status) })
	}
	for name, base := range addresses {
		sink := audit.WebSink{Label: "push", URL: base + "/" + sinkPath + "?key=" + appSecret, Secret: []byte(appSecret), Timeout: time.Second}
		o.printed("sink", sink)
		o.printed("sink", &sink)
		o.maybe(name, sink.Send(ctx, [][]byte{[]byte(`{}`)}))
	}
	away := audit.WebSink{Label: "push", URL: o.nowhere() + "/" + sinkPath + "?key=" + appSecret, Secret: []byte(appSecret), Timeout: time.Second}
	pushing := must[*audit.Trail](o)(audit.Open(ctx, audit.Options{
		Docs: newWorld(o).engine, Signer: must[*audit.FileSigner](o)(audit.NewFileSigner(o.TempDir(), rand.Reader)), Clock: clock, Random: rand.Reader,
		Log: o.log, Sinks: []audit.Sink{away},
	}))
	_, _, err = pushing.Run(ctx, noon.Add(2*time.Hour))
	o.maybe("checkpoint", err)
	o.logged("audit sink is away")
	file := audit.FileSink{Label: "copy", Path: filepath.Join(o.TempDir(), "absent", "copy")}
	o.failure("file sink", file.Send(ctx, nil))
	dir := o.TempDir()
	signer := must[*audit.FileSigner](o)(audit.NewFileSigner(dir, rand.Reader))
	o.value("signer", signer)
	for _, f := range []string{audit.KeyFile, audit.PublicFile} {
		whole := must[[]byte](o)(os.ReadFile(filepath.Join(dir, f)))
		if err := os.WriteFile(filepath.Join(dir, f), append(whole[:len(whole)/2], appSecret...), 0o600); err != nil {
			o.Fatal(err)
		}
		_, err := audit.NewFileSigner(dir, rand.Reader)
		o.failure("damaged "+f, err)
		if err := os.WriteFile(filepath.Join(dir, f), whole, 0o600); err != nil {
			o.Fatal(err)
		}
	}
	var b bytes.Buffer
	o.maybe("export", w.trail.Export(ctx, noon.Add(-time.Hour), noon.Add(time.Hour), &b))
	o.text("export", b.Bytes())
	_, err = audit.VerifyExport(bytes.NewReader([]byte(`{"`+people[0].Name+`":"`+people[0].IDNumber+`"`)), signer.Public())
	o.failure("a foreign export", err)
	o.value("trail", w.trail)
}

// sinkAddress is a sink that notes only what others than it would see.
func sinkAddress(o *out, answer http.HandlerFunc) string {
	s := httptest.NewServer(answer)
	o.Cleanup(s.Close)
	return s.URL
}

// officials: accounts, and what is said about them.
func officials(o *out) {
	w := newWorld(o)
	ctx := o.Context()
	issued, err := w.officials.Bootstrap(ctx, access.Founder{User: "first.admin", Name: "甲"}, access.Founder{User: "second.admin", Name: "乙"})
	if err != nil {
		o.Fatal(err)
	}
	o.value("issued", issued)
	o.value("issued", struct{ i [2]access.Issued }{issued})
	made := map[string]string{}
	for i, s := range issued {
		made[fmt.Sprint("password ", i)], made[fmt.Sprint("TOTP secret ", i)] = s.Password.Reveal(), s.TOTP.Reveal()
	}
	_, err = w.officials.Bootstrap(ctx, access.Founder{User: password, Name: people[0].Name}, access.Founder{})
	o.failure("bootstrap", err)
	for _, user := range []string{"first.admin", password, people[0].Name, people[0].IDNumber} {
		for _, code := range []string{totpSecret, "000000", people[0].Phone} {
			_, l, err := w.officials.Login(ctx, user, password, code, "127.0.0.1")
			o.failure("login", err)
			o.value("login", l)
		}
	}
	for _, t := range []string{token, token[:43], people[0].Name} {
		_, err := w.officials.Authenticate(ctx, t)
		o.failure("session", err)
	}
	seed := access.Draft{User: "third", Name: "丙", Grant: access.Grant{Roles: []access.Role{access.RoleAuditor}}}
	o.failure("TOTP secret of another kind", w.officials.Seed(ctx, seed, password, totpSecret+"!1"))
	o.maybe("seed", w.officials.Seed(ctx, seed, password, totpSecret))
	for _, d := range []access.Draft{
		{User: password, Name: people[0].Name}, {User: "fourth", Name: people[0].Name + "\u202e"}, {User: "fourth", Name: "丁", Grant: access.Grant{Roles: []access.Role{access.Role(password)}}},
		{User: "fourth", Name: "丁", Grant: access.Grant{Roles: []access.Role{access.RoleTownship}, Divisions: []venue.Division{venue.Division(people[0].IDNumber)}}},
	} {
		o.failure("seed", w.officials.Seed(ctx, d, password, totpSecret))
	}
	for _, p := range []string{"short", people[0].Phone, "third" + password[:1]} {
		o.maybe("password", access.CheckPassword("third", p))
	}
	_, err = w.officials.Accounts(ctx, access.Login{})
	o.failure("accounts", err)
	o.failure("confirm", w.officials.Confirm(ctx, access.Login{}, totpSecret))
	o.failure("change", w.officials.ChangePassword(ctx, access.Login{}, password, password))
	o.value("service", w.officials)
	sys, _ := w.official("sysadmin", access.RoleSystemAdmin)
	sec, key := w.official("secadmin", access.RoleSecurityAdmin)
	made["TOTP secret of an approver"] = key
	const because = "测试所需"
	request := must[access.Request](o)(w.officials.Ask(ctx, sys, "purge", "2022-09-01", because))
	o.value("request", request)
	for what, secret := range secrets {
		for _, by := range []access.Login{{}, sys, sec} {
			_, err = w.officials.Ask(ctx, by, secret, secret, secret)
			o.failure("an act of a "+what, err)
			_, err = w.officials.Ask(ctx, by, "purge", secret+"\x00", secret)
			o.failure("a subject of a "+what, err)
			_, err = w.officials.Ask(ctx, by, "escrow", "7 "+because, secret+"\u202e")
			o.failure("a reason of a "+what, err)
			_, err = w.officials.ApproveRequest(ctx, by, secret, secret)
			o.failure("approval of a "+what, err)
			_, err = w.officials.RejectRequest(ctx, by, secret)
			o.failure("rejection of a "+what, err)
		}
		_, err = w.officials.Take(ctx, "purge", secret)
		o.failure("taking a "+what, err)
	}
	for _, number := range []string{people[0].IDNumber, people[0].Phone} {
		_, err = w.officials.Ask(ctx, sys, "purge", "2022-09-01", "应"+number+"要求")
		o.failure("a number as reason", err)
		_, err = w.officials.Ask(ctx, sys, "sunset", number, because)
		o.failure("a number as subject", err)
	}
	_, err = w.officials.ApproveRequest(ctx, sys, request.ID, password)
	o.failure("one's own", err)
	_, err = w.officials.ApproveRequest(ctx, sec, request.ID, totpSecret)
	o.failure("a wrong code", err)
	_, err = w.officials.ApproveRequest(ctx, sec, request.ID, w.code(key, 30*time.Second))
	o.maybe("approval", err)
	o.value("taken", must[access.Request](o)(w.officials.Take(ctx, "purge", request.ID)))
	_, err = w.officials.RejectRequest(ctx, sys, request.ID)
	o.failure("too late", err)
	w.rows()
	_ = w.engine.Close()
	_, _, err = w.officials.Login(ctx, "third", password, totpSecret, "127.0.0.1")
	o.failure("closed", err)
	_, err = w.officials.Ask(ctx, sys, "purge", "2022-09-01", because)
	o.failure("closed", err)
	_, err = w.officials.Take(ctx, "purge", "")
	o.failure("closed", err)
	finderOf(o, made)()
}
