package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/internal/canary"
	"github.com/venuecode/venuecode/internal/city"
)

func TestATracerLearnsWhoWasRed(t *testing.T) {
	here, spec := quietTown(t), readDocument(t)
	red, green := here.view.Residents[0], here.view.Residents[1]
	here.colour(red.ID, "red")
	at := here.view.Doors[0]
	phone := here.phone("wechat", red)
	want(t, "the red one", here.scan(phone, at, nil).Decision, "refuse")
	want(t, "the green one", here.scan(here.phone("alipay", green), at, nil).Decision, "admit")
	tracer, _ := here.official("tracer")
	auditor, _ := here.official("auditor")

	alarms := here.ask(http.MethodGet, "/console/alarms?day=2022-05-18", tracer, "")
	spec.wantAnswer(t, http.MethodGet, "/console/alarms", alarms)
	var list struct {
		Total int
		Rows  []struct{ Venue, Door, Unit, Health, Decision, Person string }
	}
	alarms.json(t, &list)
	if list.Total != 1 || len(list.Rows) != 1 {
		t.Fatalf("alarms: %s", alarms.body)
	}
	row := list.Rows[0]
	want(t, "where", row.Venue+" "+row.Door+" "+row.Unit+" "+row.Health+" "+row.Decision, at.Venue+" "+at.Name+" "+at.Unit+" red refuse")

	const reason, number = "核实红码人员去向", "汝流调〔2022〕17号"
	reveal := func(token, purpose, reason string) reply {
		t.Helper()
		body, err := json.Marshal(object{"person": row.Person, "purpose": purpose, "reason": reason, "case": number})
		if err != nil {
			t.Fatal(err)
		}
		got := here.ask(http.MethodPost, "/console/reveals", token, string(body))
		spec.wantAnswer(t, http.MethodPost, "/console/reveals", got)
		return got
	}
	refused := func(what string, got reply, status int, code string) {
		t.Helper()
		said, _ := got.refusal()
		want(t, what, fmt.Sprint(got.status, said), fmt.Sprint(status, code))
	}
	refused("the police", reveal(tracer, "law_enforcement", reason), 422, "purpose_refused")
	refused("a number in the reason", reveal(tracer, "tracing", "联系"+red.Phone+"核实"), 422, "invalid_field")
	refused("the auditor", reveal(auditor, "tracing", reason), 404, "not_found")
	refused("nobody", reveal("", "tracing", reason), 401, "unauthorized")
	refused("a second tracer", reveal(here.secondTracer(), "tracing", reason), 404, "not_found")

	shown := reveal(tracer, "tracing", reason)
	var who struct {
		Name, Phone, Until string
		ID                 string `json:"id_number"`
	}
	shown.json(t, &who)
	want(t, "status", shown.status, http.StatusOK)
	want(t, "who", who.Name+who.ID+who.Phone, red.Name+red.ID+red.Phone)
	want(t, "until", who.Until, "2022-05-18T14:32:00.000+08:00")
	want(t, "kept by caches", shown.header.Get("Cache-Control"), "no-store")

	trail := here.ask(http.MethodGet, "/console/audit", auditor, "").body
	var audit struct {
		Rows []struct {
			Event struct {
				Actor, Action, Purpose, Reason, Case, Outcome string
				Object                                        struct{ Kind, ID string }
			}
		}
	}
	parse(t, trail, &audit)
	var reveals []string
	for _, r := range audit.Rows {
		if e := r.Event; e.Action == "identity.reveal" {
			reveals = append(reveals, strings.TrimSpace(fmt.Sprintln(e.Actor, e.Outcome, e.Purpose, e.Reason, e.Case, e.Object.Kind)))
		}
	}
	want(t, "the audit", strings.Join(reveals, "\n"), "tracer allowed tracing "+reason+" "+number+" person\n"+
		"tracer2 refused tracing handle\ntracer refused law_enforcement purpose")
	own, _ := here.login("wechat", phone)
	looks := here.ask(http.MethodGet, "/api/v1/me/accesses", own, "")
	spec.wantAnswer(t, http.MethodGet, "/api/v1/me/accesses", looks)
	want(t, "who looked at me", looks.body, `{"accesses":[{"at":"2022-05-18T14:30:00.000+08:00","role":"tracer","role_name":"流调人员","purpose":"tracing","purpose_name":"流行病学调查"}]}`)
	finder := canary.NewFinder(map[string]string{"name": red.Name, "ID number": red.ID, "phone": red.Phone})
	if found := finder.Find([]byte(trail + alarms.body + here.log.String() + here.metrics())); len(found) > 0 {
		t.Errorf("audit, list, log or metrics hold %v", found)
	}
}

// secondTracer has both security admins make another account, whose owner then
// chooses a password.
func (d *town) secondTracer() (token string) {
	d.t.Helper()
	one, _ := d.official("secadmin")
	two, second := d.official("secadmin2")
	var asked struct{ Change string }
	d.ask(http.MethodPost, "/console/accounts", one, fmt.Sprintf(`{"user":"tracer2","name":"流调二","roles":["tracer"],"divisions":[%q]}`, city.Default().Division)).json(d.t, &asked)
	var made struct {
		Issued struct {
			Password string
			TOTP     string `json:"totp_secret"`
		}
	}
	d.ask(http.MethodPost, "/console/changes/"+asked.Change+"/approve", two, fmt.Sprintf(`{"totp":%q}`, codeOf(d.t, second.TOTP, 1))).json(d.t, &made)
	const password = "a long fresh sentence 42"
	first := d.logIn("tracer2", made.Issued.Password, codeOf(d.t, made.Issued.TOTP, 0))
	d.ask(http.MethodPost, "/console/password", first, fmt.Sprintf(`{"old":%q,"password":%q}`, made.Issued.Password, password))
	return d.logIn("tracer2", password, codeOf(d.t, made.Issued.TOTP, 1))
}
