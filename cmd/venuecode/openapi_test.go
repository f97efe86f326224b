package main

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/venuecode/venuecode/configs"
	"github.com/venuecode/venuecode/console"
	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/internal/schedule"
	"github.com/venuecode/venuecode/internal/sim"
	"github.com/venuecode/venuecode/miniapp"
)

func readDocument(t *testing.T) (d openDocument) {
	t.Helper()
	parse(t, string(openAPI), &d)
	return d
}

// operation is one thing that the document says can be called.
type operation struct {
	method, path string
	of           object
}

func (d openDocument) operations() (all []operation) {
	paths := d["paths"].(object)
	for _, path := range sortedKeys(paths) {
		for _, method := range sortedKeys(paths[path].(object)) {
			all = append(all, operation{strings.ToUpper(method), path, paths[path].(object)[method].(object)})
		}
	}
	return all
}

var inTemplate = regexp.MustCompile(`\{(\w+)\}`)

func TestOpenAPIIsSound(t *testing.T) {
	standard, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := standard.Validate(t.Context()); err != nil {
		t.Errorf("not OpenAPI 3.1: %v", err)
	}
	d := readDocument(t)
	want(t, "version of OpenAPI", d["openapi"], any("3.1.0"))
	ids, referred := map[any]bool{}, map[string]bool{}

	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for i, inner := range v {
				walk(at+"/"+strconv.Itoa(i), inner)
			}
		case object:
			if target, ok := v["$ref"].(string); ok {
				if _, err := d.follow(v); err != nil {
					t.Errorf("%s: %v", at, err)
				}
				referred[target] = true
			}
			if schema, ok := v["schema"].(object); ok {
				d.wantExamples(t, at, schema, v)
			}
			for _, k := range sortedKeys(v) {
				walk(at+"/"+k, v[k])
			}
		}
	}
	walk("#", object(d))

	components := d["components"].(object)
	for _, kind := range []string{"headers", "parameters", "responses", "schemas"} {
		for _, name := range sortedKeys(components[kind].(object)) {
			if !referred["#/components/"+kind+"/"+name] {
				t.Errorf("nothing refers to %s/%s", kind, name)
			}
		}
	}
	for _, name := range sortedKeys(components["schemas"].(object)) {
		d.wantSchema(t, name, components["schemas"].(object)[name])
	}
	for _, o := range d.operations() {
		name := o.method + " " + o.path
		if id := o.of["operationId"]; id == nil || ids[id] {
			t.Errorf("%s: operationId %v is missing or taken", name, id)
		} else {
			ids[id] = true
		}
		if o.of["summary"] == nil || o.of["tags"] == nil {
			t.Errorf("%s has no summary or no tag", name)
		}
		responses := o.of["responses"].(object)
		if responses["200"] == nil || responses["500"] == nil || responses["default"] == nil {
			t.Errorf("%s does not say how it answers", name)
		}
		for _, status := range sortedKeys(responses) {
			if r, err := d.follow(responses[status].(object)); err != nil || r["description"] == nil {
				t.Errorf("%s: response %s has no description", name, status)
			}
		}
		var declared, named []string
		parameters, _ := o.of["parameters"].([]any)
		for _, p := range parameters {
			p, err := d.follow(p.(object))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if p["in"] == "path" {
				declared = append(declared, p["name"].(string))
			}
		}
		for _, m := range inTemplate.FindAllStringSubmatch(o.path, -1) {
			named = append(named, m[1])
		}
		want(t, name+": path parameters", fmt.Sprint(declared), fmt.Sprint(named))
		if body, ok := o.of["requestBody"].(object); ok {
			want(t, name+": body cap", body["x-max-bytes"], any(float64(cmp.Or(console.Larger(o.method, o.path), miniapp.Larger(o.method, o.path), 64<<10))))
		} else if o.method != http.MethodGet && o.method != http.MethodDelete {
			t.Errorf("%s takes no body", name)
		}
	}
}

// wantExamples checks the examples of a media type or parameter.
func (d openDocument) wantExamples(t *testing.T, at string, schema, of object) {
	t.Helper()
	examples := object{}
	if e, ok := of["example"]; ok {
		examples["example"] = object{"value": e}
	}
	if more, ok := of["examples"].(object); ok {
		examples = more
	}
	for _, name := range sortedKeys(examples) {
		for _, fault := range d.check(schema, examples[name].(object)["value"], name) {
			t.Errorf("%s: %s", at, fault)
		}
	}
}

// wantSchema checks a schema's own examples, and that its keywords are known.
func (d openDocument) wantSchema(t *testing.T, name string, v any) {
	t.Helper()
	schema, ok := v.(object)
	if !ok {
		return
	}
	for _, fault := range d.check(schema, nil, name) {
		if strings.Contains(fault, "not known") {
			t.Error(fault)
		}
	}
	examples, _ := schema["examples"].([]any)
	for _, example := range examples {
		for _, fault := range d.check(schema, example, name) {
			t.Errorf("an example of %s", fault)
		}
	}
	properties, _ := schema["properties"].(object)
	for _, p := range sortedKeys(properties) {
		d.wantSchema(t, name+"."+p, properties[p])
	}
}

var fiberParameter = regexp.MustCompile(`:(\w+)`)

func TestOpenAPINamesExactlyTheRoutes(t *testing.T) {
	served := map[string]bool{}
	a := idleApp(t)
	for _, r := range a.web.GetRoutes(true) {
		if r.Method != http.MethodHead { // fiber answers it wherever it answers GET
			served[r.Method+" "+fiberParameter.ReplaceAllString(r.Path, "{$1}")] = true
		}
	}
	for _, o := range readDocument(t).operations() {
		name := o.method + " " + o.path
		if !served[name] {
			t.Errorf("%s is documented and not served", name)
		}
		delete(served, name)
	}
	for name := range served {
		t.Errorf("%s is served and not documented", name)
	}
}

func TestOpenAPINamesTestRoutesAsSuch(t *testing.T) {
	for _, o := range readDocument(t).operations() {
		marked := o.of["x-only-with"] == "test: true"
		want(t, o.path+" is only there in a test", marked, o.path == "/api/v1/noop")
	}
}

// idleApp is the platform of a demo, wired and not serving.
func idleApp(t *testing.T) *app {
	t.Helper()
	a, err := newApp(idleConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// idleConfig is the configuration of a demo in folders of its own.
func idleConfig(t *testing.T) (*configs.Config, *schedule.Clock, *slog.Logger) {
	t.Helper()
	f := demoFlags{data: t.TempDir(), store: "embedded"}
	for _, dir := range []string{"data", "keys", "world"} {
		if err := os.Mkdir(filepath.Join(f.data, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	clock, err := schedule.NewClock(schedule.Real, time.Time{}, filepath.Join(f.data, "data", "clock"), machine)
	if err != nil {
		t.Fatal(err)
	}
	simulator, err := sim.New(sim.Options{World: filepath.Join(f.data, "world"), Civil: clock, Machine: machine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = simulator.Close() })
	config, err := demoConfig(f, city.Default(), simulator.Keys(), "127.0.0.1:1", "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	return config, clock, slog.New(slog.DiscardHandler)
}

func TestOpenAPINamesEveryErrorCode(t *testing.T) {
	declared := map[string]bool{}
	for _, dir := range []string{"../../internal/web", "../../bot", "../../miniapp", "../../console"} {
		for _, code := range errorCodes(t, dir) {
			declared[code] = true
		}
	}
	d := readDocument(t)
	components := d["components"].(object)
	given := map[string]bool{} // in an example of a response
	for _, r := range components["responses"].(object) {
		content := r.(object)["content"].(object)["application/json"].(object)
		for code := range content["examples"].(object) {
			given[code] = true
		}
	}
	documented := map[string]bool{}
	e := components["schemas"].(object)["Error"].(object)["properties"].(object)["error"].(object)
	for _, code := range e["properties"].(object)["code"].(object)["enum"].([]any) {
		documented[code.(string)] = true
	}
	for code := range declared {
		if !documented[code] || !given[code] {
			t.Errorf("code %s is not documented, or no response has it", code)
		}
	}
	for code := range documented {
		if !declared[code] {
			t.Errorf("code %s is documented and nobody answers it", code)
		}
	}
	if len(declared) < 15 {
		t.Errorf("found only %d codes in the source", len(declared))
	}
}

// errorCodes are the codes that a package's source declares: the Code of each
// web.Error and errorDetail.
func errorCodes(t *testing.T, dir string) (codes []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			position := -1 // of the code among unkeyed fields
			switch typ := lit.Type.(type) {
			case *ast.SelectorExpr:
				if typ.Sel.Name == "Error" {
					position = 1
				}
			case *ast.Ident:
				switch typ.Name {
				case "Error":
					position = 1
				case "errorDetail":
					position = 0
				}
			}
			for i, element := range lit.Elts {
				if pair, keyed := element.(*ast.KeyValueExpr); keyed {
					if key, ok := pair.Key.(*ast.Ident); !ok || key.Name != "Code" {
						continue
					}
					element = pair.Value
				} else if i != position {
					continue
				}
				if value, ok := element.(*ast.BasicLit); ok && position >= 0 {
					code, err := strconv.Unquote(value.Value)
					if err != nil {
						t.Fatal(err)
					}
					codes = append(codes, code)
				}
			}
			return true
		})
	}
	return codes
}

func TestAnswersAreAsOpenAPISays(t *testing.T) {
	d := readDocument(t)
	here := quietTown(t)
	who, other := here.view.Residents[0], here.view.Residents[1]
	at := here.view.Doors[0]
	phone := here.phone("wechat", who)
	session, _ := here.login("wechat", phone)

	scan := func(id, direction string) string {
		return fmt.Sprintf(`{"code":%q,"request_id":%q,"direction":%q}`, at.Code, id, direction)
	}
	party := fmt.Sprintf(`{"link":%q,"request_id":"r2","companions":[{"name":%q,"id_number":%q}]}`, at.Link, other.Name, other.ID)
	me := fmt.Sprintf(`{"name":%q,"id_number":%q,"phone":%q,"consent":true}`, who.Name, who.ID, who.Phone)
	login := fmt.Sprintf(`{"app":"wechat","login_code":%q}`, here.loginCode(phone))

	for _, c := range []struct {
		name                      string
		method, path, token, body string
		template                  string // "": the path itself
		status                    int
		code                      string
	}{
		{name: "a session is opened", method: "POST", path: "/api/v1/sessions", body: login, status: 200},
		{name: "a login code works once", method: "POST", path: "/api/v1/sessions", body: login, status: 422, code: "invalid_field"},
		{name: "no such app", method: "POST", path: "/api/v1/sessions", body: `{"app":"icq","login_code":"x"}`, status: 422, code: "invalid_field"},
		{name: "not JSON", method: "POST", path: "/api/v1/sessions", body: `{`, status: 400, code: "bad_json"},
		{name: "the notice", method: "GET", path: "/api/v1/consent", status: 200},
		{name: "the caller, registering again", method: "PUT", path: "/api/v1/me", token: session, body: me, status: 200},
		{name: "the caller as somebody else", method: "PUT", path: "/api/v1/me", token: session, body: strings.NewReplacer(who.Name, other.Name, who.ID, other.ID).Replace(me), status: 409, code: "conflict"},
		{name: "the caller without consent", method: "PUT", path: "/api/v1/me", token: session, body: strings.Replace(me, "true", "false", 1), status: 422, code: "invalid_field"},
		{name: "the caller", method: "GET", path: "/api/v1/me", token: session, status: 200},
		{name: "nobody", method: "GET", path: "/api/v1/me", status: 401, code: "unauthorized"},
		{name: "a scan", method: "POST", path: "/api/v1/scans", token: session, body: scan("r1", "in"), status: 200},
		{name: "the scan again", method: "POST", path: "/api/v1/scans", token: session, body: scan("r1", "in"), status: 200},
		{name: "the scan with other content", method: "POST", path: "/api/v1/scans", token: session, body: scan("r1", "out"), status: 409, code: "conflict"},
		{name: "a scan with a companion", method: "POST", path: "/api/v1/scans", token: session, body: party, status: 200},
		{name: "a scan sideways", method: "POST", path: "/api/v1/scans", token: session, body: scan("r3", "left"), status: 422, code: "invalid_field"},
		{name: "a scan of nothing", method: "POST", path: "/api/v1/scans", token: session, body: `{"request_id":"r4"}`, status: 404, code: "code_invalid"},
		{name: "what a scan costs", method: "POST", path: "/api/v1/noop", token: session, body: scan("r5", "in"), status: 200},
		{name: "the caller's visits", method: "GET", path: "/api/v1/me/scans?limit=1", template: "/api/v1/me/scans", token: session, status: 200},
		{name: "no page of visits", method: "GET", path: "/api/v1/me/scans?before=x", template: "/api/v1/me/scans", token: session, status: 422, code: "invalid_field"},
		{name: "who looked at the caller", method: "GET", path: "/api/v1/me/accesses", token: session, status: 200},
		{name: "no page of looks", method: "GET", path: "/api/v1/me/accesses?after=x", template: "/api/v1/me/accesses", token: session, status: 422, code: "invalid_field"},
		{name: "a place", method: "GET", path: "/api/v1/codes/" + at.Code, template: "/api/v1/codes/{code}", status: 200},
		{name: "no place", method: "GET", path: "/api/v1/codes/nowhere", template: "/api/v1/codes/{code}", status: 404, code: "code_invalid"},
		{name: "a link's place", method: "GET", path: "/api/v1/codes?link=" + url.QueryEscape(at.Link), template: "/api/v1/codes", token: session, status: 200},
		{name: "no link's place", method: "GET", path: "/api/v1/codes?link=nowhere", template: "/api/v1/codes", token: session, status: 404, code: "code_invalid"},
		{name: "a link's place for nobody", method: "GET", path: "/api/v1/codes?link=nowhere", template: "/api/v1/codes", status: 401, code: "unauthorized"},
		{name: "a place's page", method: "GET", path: "/v/" + at.Code, template: "/v/{code}", status: 200},
		{name: "no place's page", method: "GET", path: "/v/nowhere", template: "/v/{code}", status: 404},
		{name: "no domain check", method: "GET", path: "/nothing.txt", template: "/{file}.txt", status: 404, code: "not_found"},
		{name: "no domain check below", method: "GET", path: "/v/nothing.txt", template: "/v/{file}.txt", status: 404, code: "not_found"},
		{name: "this document", method: "GET", path: "/openapi.json", status: 200},
		{name: "a call that nobody signed", method: "POST", path: "/callbacks/wecom/robot", body: `{}`, status: 400, code: "incomplete"},
		{name: "a notification that nobody signed", method: "POST", path: "/callbacks/alipay", body: `sign=x`, status: 403, code: "forged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.template == "" {
				c.template = c.path
			}
			got := here.ask(c.method, c.path, c.token, c.body)
			code, _ := got.refusal()
			want(t, "status", got.status, c.status)
			want(t, "code", code, c.code)
			d.wantAnswer(t, c.method, c.template, got)
		})
	}

	t.Run("another method", func(t *testing.T) {
		got := here.ask(http.MethodDelete, "/api/v1/scans", session, "")
		code, _ := got.refusal()
		want(t, "code", code, "method_not_allowed")
		d.wantAnswer(t, http.MethodPost, "/api/v1/scans", got)
	})
	t.Run("a body of 65 KiB", func(t *testing.T) {
		got := announce(t, here.product, "POST /api/v1/scans HTTP/1.1\r\nHost: x\r\nContent-Length: 66560\r\n\r\n")
		code, _ := got.refusal()
		want(t, "code", code, "too_large")
		want(t, "Connection", got.header.Get("Connection"), "close")
		d.wantAnswer(t, http.MethodPost, "/api/v1/scans", got)
	})
	t.Run("headers of 9 KiB", func(t *testing.T) {
		got := announce(t, here.product, "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 9<<10)+"\r\n\r\n")
		code, _ := got.refusal()
		want(t, "code", code, "header_too_large")
		d.wantAnswer(t, http.MethodGet, "/api/v1/me", got)
	})
	t.Run("a compressed body", func(t *testing.T) {
		request := newRequest(t, http.MethodPost, here.product+"/api/v1/scans", session, "{}")
		request.Header.Set("Content-Encoding", "gzip")
		got := send(t, request)
		want(t, "status", got.status, http.StatusUnsupportedMediaType)
		d.wantAnswer(t, http.MethodPost, "/api/v1/scans", got)
	})
	t.Run("a platform that is silent", func(t *testing.T) {
		fresh := here.loginCode(phone)
		here.fault("wechat", "refuse")
		defer here.fault("wechat", "none")
		got := here.ask(http.MethodPost, "/api/v1/sessions", "", fmt.Sprintf(`{"app":"wechat","login_code":%q}`, fresh))
		want(t, "status", got.status, http.StatusServiceUnavailable)
		d.wantAnswer(t, http.MethodPost, "/api/v1/sessions", got)
	})
	t.Run("callbacks", func(t *testing.T) { d.wantCallbacks(t, here) })
	t.Run("a withdrawal", func(t *testing.T) {
		for _, status := range []int{http.StatusOK, http.StatusUnauthorized} {
			got := here.ask(http.MethodDelete, "/api/v1/me", session, "")
			want(t, "status", got.status, status)
			d.wantAnswer(t, http.MethodDelete, "/api/v1/me", got)
		}
	})
}

// wantCallbacks has each chat platform deliver a message, and then again.
func (d openDocument) wantCallbacks(t *testing.T, here *town) {
	staff := here.view.Staff[0]
	for i, build := range []func(sim.Keys, sim.Incoming) (sim.Callback, error){sim.RobotCallback, sim.AppCallback, sim.ServiceCallback} {
		in := sim.Incoming{
			MsgID: strconv.Itoa(7000 + i), From: staff.UserID, Chat: staff.Group, Text: "帮助",
			Sent: here.now(), At: machine.Now(), Nonce: "n" + strconv.Itoa(i),
		}
		call, err := build(here.keys(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, status := range []int{http.StatusOK, http.StatusForbidden} {
			request, err := call.Request(t.Context(), here.product)
			if err != nil {
				t.Fatal(err)
			}
			got := send(t, request)
			want(t, call.Path+": status", got.status, status)
			d.wantAnswer(t, call.Method, call.Path, got)
		}
	}
}

// wantAnswer checks an answer against what the document says of the operation.
func (d openDocument) wantAnswer(t *testing.T, method, path string, got reply) {
	t.Helper()
	all := d.operations()
	i := slices.IndexFunc(all, func(o operation) bool { return o.method == method && o.path == path })
	if i < 0 {
		t.Fatalf("%s %s is not documented", method, path)
	}
	responses := all[i].of["responses"].(object)
	documented, ok := responses[strconv.Itoa(got.status)].(object)
	if !ok {
		// The rest is for what does not reach an operation; an operation's own
		// refusals are named.
		if documented, ok = responses["default"].(object); !ok || got.status != http.StatusMethodNotAllowed {
			t.Fatalf("%s %s answered %d, which is not documented", method, path, got.status)
		}
	}
	response, err := d.follow(documented)
	if err != nil {
		t.Fatal(err)
	}
	headers, _ := response["headers"].(object)
	for _, name := range sortedKeys(headers) {
		header, err := d.follow(headers[name].(object))
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range d.check(header["schema"].(object), got.header.Get(name), name) {
			t.Error(fault)
		}
	}
	if got.header.Get("Retry-After") != "" && headers["Retry-After"] == nil {
		t.Errorf("%s %s answered %d with Retry-After, which is not documented", method, path, got.status)
	}
	kind, _, err := mime.ParseMediaType(got.header.Get("Content-Type"))
	if err != nil {
		t.Fatalf("content type %q: %v", got.header.Get("Content-Type"), err)
	}
	media, ok := response["content"].(object)[kind].(object)
	if !ok {
		t.Fatalf("%s %s answered %d as %s, which is not documented", method, path, got.status, kind)
	}
	var value any = got.body
	switch kind {
	case "application/json":
		got.json(t, &value)
	case "application/xml":
		value = flatXML(t, got.body)
	}
	for _, fault := range d.check(media["schema"].(object), value, "answer") {
		t.Errorf("%s %s: %s", method, path, fault)
	}
}

// announce sends the head of a request and reads what is answered to that. A
// client that also sent the body might see the connection end before it reads.
func announce(t *testing.T, base, head string) reply {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Close { // net/http takes the header away
		response.Header.Set("Connection", "close")
	}
	return reply{status: response.StatusCode, header: response.Header, body: string(body)}
}

// flatXML reads an element whose children hold texts or numbers.
func flatXML(t *testing.T, text string) object {
	t.Helper()
	out, decoder := object{}, xml.NewDecoder(strings.NewReader(text))
	var name string
	for {
		part, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatalf("not XML: %q", text)
		}
		switch part := part.(type) {
		case xml.StartElement:
			name = part.Name.Local
		case xml.CharData:
			out[name] = string(part)
			if n, err := strconv.ParseFloat(string(part), 64); err == nil && name == "TimeStamp" {
				out[name] = n
			}
		}
	}
}
