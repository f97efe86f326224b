package console

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/access"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault/audit"
	"github.com/venuecode/venuecode/venue"
)

// whole is the proof as the program wires it.
type whole struct {
	*audit.Trail
	docs store.Documents
	key  ed25519.PublicKey
}

func (w whole) Verify(ctx context.Context) (audit.Report, error) {
	return audit.Verify(ctx, w.docs, w.key, nil, nil)
}

func TestAnAuditorVerifiesTheTrail(t *testing.T) {
	d := newDesk(t)
	token := d.login("auditor")
	got := d.call("POST", "/console/audit/verify", token, `{}`)
	var report audit.Report
	if err := json.Unmarshal([]byte(got.body), &report); err != nil || got.status != 200 || report.Rows == 0 || report.Found != 0 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if len(d.rows(audit.Filter{Actor: "auditor", Action: "audit.verify"})) != 1 {
		t.Error("the verification is not in the trail")
	}
	docs := d.h.Proof.(whole).docs
	row := d.rows(audit.Filter{Actor: "auditor", Action: "audit.verify"})[0]
	if err := docs.Delete(t.Context(), store.Audit.Name, row.ID(), 0); err != nil {
		t.Fatal(err)
	}
	session := d.login("auditor")
	page := d.browse("POST", "/console/audit/verify", session, url.Values{"csrf": {formToken(session)}})
	if page.status != 200 || !strings.Contains(page.body, findingNames[audit.Removal]) || !strings.Contains(page.body, words["verified.found"]) {
		t.Errorf("a row is gone: %d %s", page.status, page.body)
	}
}

func TestAnExportProvesItself(t *testing.T) {
	d := newDesk(t)
	token := d.login("auditor")
	d.call("GET", "/console/audit", token, ``)
	got := d.call("GET", "/console/audit/export?from=2022-05-18&to=2022-05-18", token, ``)
	if got.status != 200 || !strings.Contains(got.header.Get("Content-Disposition"), "audit-2022-05-18-2022-05-18.jsonl") {
		t.Fatalf("%d %v", got.status, got.header)
	}
	report, err := audit.VerifyExport(strings.NewReader(got.body), d.h.Proof.(whole).key)
	if err != nil || int(report.Rows) != len(d.rows(audit.Filter{})) || !strings.Contains(got.body, `"audit.export"`) {
		t.Errorf("%+v, %v, of %d rows", report, err, len(d.rows(audit.Filter{})))
	}
	rows := len(d.rows(audit.Filter{}))
	for query, field := range map[string]string{
		"": "from", "from=2022-05-18": "to", "to=2022-05-18": "from", "from=x&to=2022-05-18": "from", "from=2022-05-18&to=18.5.": "to",
		"from=2022-05-18&to=2022-05-17": "to", "from=2022-04-17&to=2022-05-18": "to",
	} {
		if got := d.call("GET", "/console/audit/export?"+query, token, ``); got.status != 422 || !strings.Contains(got.body, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	if n := len(d.rows(audit.Filter{})); n != rows {
		t.Errorf("%d rows of exports that were refused", n-rows)
	}
	if got := d.call("GET", "/console/audit/export?from=2022-04-18&to=2022-05-18", token, ``); got.status != 200 {
		t.Errorf("31 days: %d %s", got.status, got.body)
	}
}

// slow is a proof that waits to be let go.
type slow struct{ begun, goOn chan struct{} }

func (s slow) Verify(ctx context.Context) (audit.Report, error) {
	close(s.begun)
	if end, ok := ctx.Deadline(); !ok || time.Until(end) < 2*within {
		return audit.Report{}, errors.New("no more time than any other request has")
	}
	select {
	case <-s.goOn:
		return audit.Report{}, nil
	case <-ctx.Done():
		return audit.Report{}, ctx.Err()
	}
}

func (s slow) Export(context.Context, time.Time, time.Time, io.Writer) error { return nil }

func TestOneWalkOverTheTrailAtATime(t *testing.T) {
	d := newDesk(t)
	s := slow{make(chan struct{}), make(chan struct{})}
	d.h.Proof = s
	token := d.login("auditor")
	first := make(chan reply, 1)
	go func() { first <- d.call("POST", "/console/audit/verify", token, `{}`) }()
	<-s.begun
	if got := d.call("GET", "/console/audit/export?from=2022-05-18&to=2022-05-18", token, ``); got.status != 429 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "audit_busy") {
		t.Errorf("an export meanwhile: %d %s", got.status, got.body)
	}
	page := d.browse("POST", "/console/audit/verify", token, url.Values{"csrf": {formToken(token)}})
	if page.status != 429 || page.header.Get("Retry-After") == "" || !strings.Contains(page.body, errWalking.Message) {
		t.Errorf("a second verification: %d %s", page.status, page.body)
	}
	close(s.goOn)
	if got := <-first; got.status != 200 {
		t.Errorf("the first: %d %s", got.status, got.body)
	}
	if got := d.call("GET", "/console/audit/export?from=2022-05-18&to=2022-05-18", token, ``); got.status != 200 {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

// broken is a proof whose export ends in the middle.
type broken struct {
	slow
	panics bool
}

func (b broken) Export(_ context.Context, _, _ time.Time, w io.Writer) error {
	if _, err := io.WriteString(w, strings.Repeat("half of it\n", 10_000)); err != nil {
		return err
	}
	if b.panics {
		panic("the other half")
	}
	return errors.New("the other half")
}

func TestAnExportCutShortIsNoWholeAnswer(t *testing.T) {
	d := newDesk(t)
	token, address := d.login("auditor"), d.serve()
	for _, panics := range []bool{false, true} {
		d.h.Proof = broken{panics: panics}
		response := d.take(address+"/console/audit/export?from=2022-05-18&to=2022-05-18", token)
		b, err := io.ReadAll(response.Body)
		if response.StatusCode != 200 || len(b) == 0 || err == nil {
			t.Errorf("panics %v: %d, %d bytes, read to its end: %v", panics, response.StatusCode, len(b), err)
		}
	}
	d.logged(`"level":"ERROR","msg":"download cut short","route":"/console/audit/export","error":"the other half"`)
	d.logged(`"error":"making the file panicked"`)
}

// endless is a proof whose export ends when nobody takes it any more.
type endless struct{ slow }

func (endless) Export(_ context.Context, _, _ time.Time, w io.Writer) error {
	for {
		if _, err := w.Write(make([]byte, 1<<16)); err != nil {
			return err
		}
	}
}

func TestWhoTakesNoMoreOfAFileKeepsNobodyWaiting(t *testing.T) {
	d := newDesk(t)
	d.h.Proof = endless{}
	token, address := d.login("auditor"), d.serve()
	const path = "/console/audit/export?from=2022-05-18&to=2022-05-18"
	for _, reader := range []string{"leaves", "takes no more", "takes a little at a time"} {
		d.log.lines.Reset()
		switch reader {
		case "takes no more": // a piece may take a moment only
			d.h.Machine = wall{pieceWithin - 300*time.Millisecond}
		case "takes a little at a time": // a minute is over in a tenth of a second
			began := time.Now()
			d.h.Machine = venue.ClockFunc(func() time.Time { return began.Add(600 * time.Since(began)) })
		}
		response := d.take(address+path, token)
		if response.StatusCode != 200 {
			t.Fatalf("%s: %d", reader, response.StatusCode)
		}
		switch reader {
		case "leaves":
			response.Body.Close()
		case "takes a little at a time":
			go func() {
				for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
					_, err = io.CopyN(io.Discard, response.Body, 4<<10)
				}
			}()
		}
		d.logged(`"level":"INFO","msg":"download given up","route":"/console/audit/export"`)
		d.h.walking.Lock() // nobody holds it any more
		d.h.walking.Unlock()
	}
}

func TestLoggingOutEverywhereEndsEverySession(t *testing.T) {
	d := newDesk(t)
	here, there := d.login("tracer"), d.login("tracer")
	if got := d.call("POST", "/console/logout-everywhere", here, `{}`); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for _, token := range []string{here, there} {
		if got := d.call("GET", "/console", token, ``); got.status != 401 {
			t.Errorf("afterwards: %d", got.status)
		}
	}
	if rows := d.rows(audit.Filter{Actor: "tracer", Action: string(access.ActLogout)}); len(rows) != 1 {
		t.Errorf("%d rows in the trail", len(rows))
	}
}
