package leak

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/pquerna/otp/totp"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/internal/web"
	"github.com/venuecode/venuecode/miniapp"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/store/embedded"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/vault/reveal"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/daily"
)

// world is the memory with everything that keeps something in it.
type world struct {
	*out
	engine    *embedded.Engine
	vault     *vault.Vault
	people    *vault.People
	registry  *store.Registry
	signer    *audit.FileSigner
	trail     *audit.Trail
	officials *access.Service
	door      venue.Code
}

func newWorld(o *out) *world {
	o.Helper()
	w := &world{out: o}
	w.engine = must[*embedded.Engine](o)(embedded.Open(embedded.Options{Dir: o.TempDir(), Schemas: store.Schemas, Logger: o.log, Machine: clock}))
	o.Cleanup(func() { _ = w.engine.Close() }) // some tests have closed it
	keys := o.TempDir()
	w.vault = must[*vault.Vault](o)(vault.Open(keys, rand.Reader))
	w.people = vault.NewPeople(w.vault, w.engine, clock, "419981")
	w.registry = store.NewRegistry(w.engine, clock)
	w.door = must[venue.Code](o)(venue.NewCode(rand.Reader))
	if err := w.registry.Put(o.Context(), store.Registered{
		Since:  noon,
		Units:  []venue.Unit{{ID: "u1", Name: "青禾市民中心", Division: "419981001", Group: "g1", Duty: venue.DutyReports}},
		Venues: []venue.Venue{{ID: "v1", Unit: "u1", Name: "青禾市民中心", Division: "419981001", Status: venue.StatusActive}},
		Doors:  []venue.Door{{Code: w.door, Venue: "v1", Unit: "u1", Name: "南门", Status: venue.StatusActive}},
	}); err != nil {
		o.Fatal(err)
	}
	w.signer = must[*audit.FileSigner](o)(audit.NewFileSigner(keys, rand.Reader))
	w.trail = must[*audit.Trail](o)(audit.Open(o.Context(), audit.Options{Docs: w.engine, Signer: w.signer, Clock: clock, Random: rand.Reader, Log: o.log}))
	o.Cleanup(func() { _ = w.trail.Close(context.Background()) })
	w.officials = must[*access.Service](o)(access.New(access.Options{
		Docs: w.engine, Sealer: w.vault, Blinder: w.vault, Auditor: w, Random: rand.Reader, Civil: clock, Machine: clock,
	}))
	return w
}

// Record writes acts of officials into the trail, as the program does.
func (w *world) Record(ctx context.Context, e access.Event) error {
	object := audit.Object{Kind: "account", ID: e.Subject}
	if e.Request != "" {
		object = audit.Object{Kind: "request", ID: e.Request}
	}
	_, err := w.trail.Append(ctx, audit.Event{
		Actor: "x" + e.Actor, Action: string(e.Act), Object: object,
		Outcome: string(e.Outcome), Reason: e.Reason, Details: map[string]string{"asked": e.Detail, "from": e.From},
	})
	if !errors.Is(err, venue.ErrInvalid) { // what the trail refuses goes nowhere
		w.value("event", e)
	}
	return err
}

func event(reason string) audit.Event {
	return audit.Event{Actor: "tester", Action: "test", Reason: reason}
}

// rows notes every document, audit rows among them.
func (w *world) rows() {
	w.Helper()
	for _, s := range store.Schemas {
		for d, err := range w.engine.Find(w.Context(), s.Name, store.Query{}) {
			if err != nil {
				w.Fatal(err)
			}
			w.text("row of "+s.Name, append([]byte(d.ID+"\x00"), d.Body...))
		}
	}
}

// serve is an app with the routes of a door.
func (w *world) serve(routes func(fiber.Router)) *fiber.App {
	app := web.New(web.Options{Name: "test", BodyLimit: 64 << 10, Machine: clock, Log: w.log, Metrics: w.metrics})
	routes(app)
	return app
}

type object = map[string]any

// ask calls an app and gives the answer, which is noted unless it has told the
// asker a secret of their own.
func (w *world) ask(app *fiber.App, method, path, bearer string, body any, own bool) (int, string) {
	w.Helper()
	var in io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		in = bytes.NewReader(must[[]byte](w.out)(json.Marshal(b)))
	}
	r := must[*http.Request](w.out)(http.NewRequest(method, path, in))
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return w.do(app, r, own)
}

func (w *world) do(app *fiber.App, r *http.Request, own bool) (int, string) {
	w.Helper()
	response := must[*http.Response](w.out)(app.Test(r, 20_000))
	b := must[[]byte](w.out)(io.ReadAll(response.Body))
	var head bytes.Buffer
	_ = response.Header.Write(&head)
	w.text("headers of the answer to "+r.Method, head.Bytes())
	if !own {
		w.text("answer of "+r.Method+" "+r.URL.Path[:min(len(r.URL.Path), 12)], b)
	}
	return response.StatusCode, string(b)
}

// identity is a person as the domain knows them.
func identity(o *out, i int) venue.Identity {
	name, err1 := venue.ParsePersonName(people[i].Name)
	id, err2 := venue.ParseIDNumber(people[i].IDNumber, venue.DayOf(noon))
	if err := errors.Join(err1, err2); err != nil {
		o.Fatal(err)
	}
	return venue.Identity{Name: name, ID: id}
}

// registered puts somebody into the vault.
func (w *world) registered(i int) (account string, person venue.PersonID) {
	w.Helper()
	who := identity(w.out, i)
	phone := must[venue.Phone](w.out)(venue.ParsePhone(people[i].Phone))
	own, err := w.people.Account(w.Context(), "wechat", openid)
	if err != nil {
		w.Fatal(err)
	}
	r := vault.Registration{Name: who.Name, ID: who.ID, Phone: phone, Proven: true, Consent: "1"}
	w.value("registration", r)
	return own.ID, must[venue.PersonID](w.out)(w.people.Register(w.Context(), own.ID, r))
}

// red is a scan of somebody whose code is red.
func (w *world) red(who venue.PersonID) {
	w.Helper()
	key, _, err := w.vault.ScanKey(who, who, noon, "red", 0)
	if err != nil {
		w.Fatal(err)
	}
	scan := venue.Scan{Key: key, At: noon, Received: noon, Door: w.door, Unit: "u1", Health: venue.HealthRed, Decision: venue.Refuse}
	scan.Person = must[[]byte](w.out)(w.vault.SealPerson(venue.DayOf(noon), key, who))
	if _, err := w.engine.Append(w.Context(), []venue.Scan{scan}); err != nil {
		w.Fatal(err)
	}
}

// seed makes an official of the whole city, whose password is password.
func (w *world) seed(user string, role access.Role) (totpKey string) {
	w.Helper()
	totpKey = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(rand.Text())[:20])
	grant := access.Grant{Roles: []access.Role{role}}
	switch role.View() {
	case venue.ScopeUnit:
		grant.Unit = "u1"
	case venue.ScopeTerritory:
		grant.Divisions = []venue.Division{"419981"}
	}
	if err := w.officials.Seed(w.Context(), access.Draft{User: user, Name: "官员", Grant: grant}, password, totpKey); err != nil {
		w.Fatal(err)
	}
	return totpKey
}

// code is what an authenticator shows; each is good once.
func (w *world) code(key string, later time.Duration) string {
	w.Helper()
	return must[string](w.out)(totp.GenerateCode(key, noon.Add(later)))
}

// official is somebody new who has logged in.
func (w *world) official(user string, role access.Role) (by access.Login, totpKey string) {
	w.Helper()
	totpKey = w.seed(user, role)
	_, by, err := w.officials.Login(w.Context(), user, password, w.code(totpKey, 0), "127.0.0.1")
	if err != nil {
		w.Fatal(err)
	}
	return by, totpKey
}

// identities is the way from a pseudonym to a name, open quota times.
func (w *world) identities(quota int) *reveal.Service {
	return &reveal.Service{Office: store.NewOffice(w.engine, w.registry), Vault: w.vault, People: w.people,
		Quota: access.NewQuota(w.engine, quota, clock), Trail: w.trail, Clock: clock}
}

func (w *world) certificates() *vault.Certificates {
	return vault.NewCertificates(w.engine, w.signer, "419981")
}

// retention destroys visits; what it writes to the trail is Record's.
func (w *world) retention() *vault.Retention {
	return &vault.Retention{
		Vault: w.vault, Scans: w.engine, Meta: store.NewCollection[store.MetaRow](w.engine, store.Meta), Certificates: w.certificates(), VisitDays: 30, Clock: clock,
		Record: func(ctx context.Context, actor, action string, details map[string]string) error {
			_, err := w.trail.Append(ctx, audit.Event{Actor: actor, Action: action, Details: details})
			return err
		},
	}
}

// letting lets go of people, and ends their sessions.
func (w *world) letting() (*vault.PersonRetention, *store.Revocations) {
	w.Helper()
	ended := must[*store.Revocations](w.out)(store.OpenRevocations(w.Context(), w.engine, clock, clock, miniapp.SessionLife))
	return &vault.PersonRetention{History: vault.History{People: w.people, Scans: w.engine}, Sessions: ended, VisitDays: 30, VaultDays: 30}, ended
}

func (w *world) reports() (*daily.Service, *store.Reporting) {
	reporting := store.NewReporting(w.engine, w.vault)
	return &daily.Service{Policy: daily.DefaultPolicy(), Registry: w.registry, Counter: reporting, Sources: arrived{}, Reports: reporting, Outbox: silent{}, Clock: clock}, reporting
}
