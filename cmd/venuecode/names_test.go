package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/venuecode/venuecode/intake"
)

// written is what somebody writes where a name belongs, by what it is: it is kept
// as want, or refused for a reason.
var written = map[string]struct{ text, want, reason string }{
	"a formula":           {"=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0", ""},
	"one of full width":   {"＝1+1店", "=1+1店", ""},
	"one behind a tab":    {"\t=1+2店", "=1+2店", ""},
	"one behind a return": {"\r=1+3店", "=1+3店", ""},
	"a plus":              {"+1+1店", "+1+1店", ""},
	"a minus":             {"-2+3店", "-2+3店", ""},
	"an at":               {"@SUM(A1)店", "@SUM(A1)店", ""},
	"an apostrophe":       {"'=1店", "'=1店", ""},
	"markup":              {"<script>alert('店')</script>", "<script>alert('店')</script>", ""},
	"an attribute":        {`店" onmouseover="x`, `店" onmouseover="x`, ""},
	"the end of a text":   {"]]></text><path d=\"M0 0\"/>", "]]></text><path d=\"M0 0\"/>", ""},
	"verbs":               {"%s%n%!d(x)店", "%s%n%!d(x)店", ""},
	"a template":          {"{{.Me.User}}${x}店", "{{.Me.User}}${x}店", ""},
	"signs of a PDF":      {`(((\) Tj ET (%PDF`, `(((\) Tj ET (%PDF`, ""},
	"a device":            {"CON.:*?\"<>|店.", "CON.:*?\"<>|店.", ""},
	"a path":              {`../..\店/x`, `../..\店/x`, ""},
	"beyond U+FFFF":       {"𠮷野家", "𠮷野家", ""},
	"emoji":               {"🍜🇨🇳面馆", "🍜🇨🇳面馆", ""},
	"right to left":       {"清真 مسجد שלום", "清真 مسجد שלום", ""},
	"unbroken":            {strings.Repeat("W", 100), strings.Repeat("W", 100), ""},
	"radicals":            {"⼈民⼤药房", "人民大药房", ""},
	"marks to compose":    {"cafe\u0301店", "caf\u00e9店", ""},
	"marks on marks":      {"e" + strings.Repeat("\u0301", 60), "", "character"}, // composing ends a run of thirty with a mark that can not be seen
	"look-alikes":         {"\u0410pple店", "", "mixed"},
	"bidi":                {"甲\u202e乙\u202c店", "", "character"},
	"isolates":            {"甲\u2066乙\u2069店", "", "character"},
	"tags":                {"甲店\U000E0041\U000E007F", "", "character"},
	"zero width":          {"甲\u200b\ufeff店", "", "character"},
	"joined emoji":        {"👨\u200d👩\u200d👧店", "", "character"},
	"a soft hyphen":       {"甲\u00ad店", "", "character"},
	"a filler":            {"甲\u3164店", "", "character"},
	"a line end":          {"甲\r\n=乙店", "", "character"},
	"NUL":                 {"甲\x00店", "", "character"},
	"half a pair":         {"甲\xed\xa0\xb4店", "", "character"},
	"not UTF-8":           {"甲\xff\xfe店", "", "character"},
	"10 kB":               {strings.Repeat("店", 3500), "", "length"},
	"blanks":              {"\u3000 \u2003\u00a0", "", "required"},
}

// unseen is what may come out nowhere.
func unseen(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point) || unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r)
	})
}

// signed is a venue whose name somebody wrote.
type signed struct{ id, code, name string }

// TestNamesThatMeanNoGood writes each name in every way there is, and looks at
// everything that shows one.
func TestNamesThatMeanNoGood(t *testing.T) {
	d := quietTown(t)
	town, _ := d.official("township")
	unit, _ := d.official("unit")
	checker, _ := d.official("checker")
	resident, _ := d.login("wechat", d.phone("wechat", d.view.Residents[0]))
	const division = "419981001"
	forms := 0
	form := func(name string) object {
		forms++ // the same again would be refused as such
		return object{"unit_name": fmt.Sprint("青禾市晨光早点铺", forms), "division": division, "name": name, "short_name": "晨光", "category": "small_place", "address": name + "文昌路33号", "doors": []string{"正门"},
			"applicant_name": "江远", "applicant_phone": "19900000021", "manager_name": "舒敏", "manager_phone": "19900000022"}
	}
	body := func(o object) string { // bytes as they are, where json.Marshal would mend them
		b, _ := json.Marshal(o)
		name, _ := o["name"].(string)
		if utf8.ValidString(name) {
			return string(b)
		}
		mended, _ := json.Marshal(name)
		return strings.ReplaceAll(string(b), string(mended[1:len(mended)-1]), name)
	}
	var places []signed
	approve := func(what, id, want string) {
		t.Helper()
		var made struct {
			Venue string
			Codes []string
		}
		if got := d.ask(http.MethodPost, "/console/applications/"+id+"/approve", town, `{}`); json.Unmarshal([]byte(got.body), &made) != nil || len(made.Codes) != 1 {
			t.Fatalf("%s: approved with %d %.300s", what, got.status, got.body)
		}
		places = append(places, signed{made.Venue, made.Codes[0], want})
	}
	sentence := func(reason string) string {
		for name, w := range written {
			if w.reason == reason && utf8.ValidString(w.text) {
				got := d.ask(http.MethodPost, "/console/applications", unit, body(form(w.text)))
				for _, f := range fieldsOf(t, name, got) {
					if f.Field == "name" {
						return f.Message
					}
				}
			}
		}
		t.Fatalf("nothing is said of %s", reason)
		return ""
	}
	for what, w := range written {
		page := d.ask(http.MethodGet, "/apply/new", "", "").body
		_, id, _ := strings.Cut(page, `name="id" value="`)
		id, _, _ = strings.Cut(id, `"`)
		values := url.Values{"id": {id}}
		for k, v := range form(w.text) {
			values.Set(k, fmt.Sprint(v))
		}
		values.Set("doors", "正门")
		request := newRequest(t, http.MethodPost, d.product+"/apply/new", "", values.Encode())
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		byForm := send(t, request)
		if what := what + " on the page"; w.reason == "" {
			tidyPage(t, what, byForm, w.want)
			approve(what, id, w.want)
			tidyPage(t, what, d.ask(http.MethodGet, "/apply/"+id, "", ""), w.want)
		} else if said := html.UnescapeString(byForm.body); byForm.status != http.StatusUnprocessableEntity || !strings.Contains(said, sentence(w.reason)) || strings.Contains(byForm.body, "<script") {
			t.Errorf("%s: answered %d, and not that it is %s", what, byForm.status, w.reason)
		}
		for door, ask := range map[string]func(object) reply{
			"of a resident": func(o object) reply {
				o["request_id"] = "names-" + id
				return d.ask(http.MethodPost, "/api/v1/applications", resident, body(o))
			},
			"of a unit": func(o object) reply { return d.ask(http.MethodPost, "/console/applications", unit, body(o)) },
		} {
			what, got := what+" in JSON "+door, ask(form(w.text))
			if w.reason != "" {
				if !slices.ContainsFunc(fieldsOf(t, what, got), func(f field) bool { return f.Field == "name" && f.Reason == w.reason && f.Message != "" }) {
					t.Errorf("%s: %d %.300s, want name: %s", what, got.status, got.body, w.reason)
				}
				continue
			}
			var a struct{ ID string }
			if got.json(t, &a); a.ID == "" {
				t.Fatalf("%s: %d %.300s", what, got.status, got.body)
			}
			approve(what, a.ID, w.want)
		}
	}

	// Other texts, at one place.
	at := places[0]
	for what, w := range written {
		long := utf8.RuneCountInString(w.want) > 30
		want := func(way string, got reply, field, reason string) {
			t.Helper()
			if reason == "required" { // there is no form around it
				reason = "length"
			}
			var e struct {
				Error struct{ Code, Field, Reason, Message string }
			}
			if reason == "" && got.status != http.StatusOK {
				t.Errorf("%s, %s: %d %.300s", what, way, got.status, got.body)
			} else if json.Unmarshal([]byte(got.body), &e); reason != "" && (got.status != http.StatusUnprocessableEntity || e.Error.Field != field || e.Error.Reason != reason || e.Error.Message == "") {
				t.Errorf("%s, %s: %d %.300s, want %s: %s", what, way, got.status, got.body, field, reason)
			}
		}
		doorReason := w.reason
		if long {
			doorReason = "length"
		}
		renamed := d.ask(http.MethodPost, "/console/venues/"+at.id+"/doors/rename", town, body(object{"door": at.code, "name": w.text}))
		want("a door", renamed, "doors", doorReason)
		if what == "blanks" {
			continue // nothing is remarked
		}
		want("a remark", d.ask(http.MethodPost, "/console/doors/"+at.code+"/posted", town, strings.Replace(body(object{"finding": "damaged", "name": w.text}), `"name"`, `"remark"`, 1)), "remark", w.reason)
		var a struct{ ID string }
		sent := form("退回店")
		sent["request_id"] = fmt.Sprint("sent-back-", forms)
		d.ask(http.MethodPost, "/api/v1/applications", resident, body(sent)).json(t, &a)
		want("a reason to send it back", d.ask(http.MethodPost, "/console/applications/"+a.ID+"/reject", town, strings.Replace(body(object{"name": w.text}), `"name"`, `"reason"`, 1)), "reason", w.reason)
	}

	importNames(t, d)
	everythingShows(t, d, town, checker, resident, places, division)
	namesInChat(t, d, unit)
}

type field struct{ Field, Reason, Message string }

func fieldsOf(t *testing.T, what string, got reply) []field {
	t.Helper()
	var e struct {
		Error struct{ Fields []field }
	}
	if json.Unmarshal([]byte(got.body), &e) != nil {
		t.Fatalf("%s: no JSON: %.200s", what, got.body)
	}
	return e.Error.Fields
}

// tidyPage wants a page that says a name, as text and not as markup.
func tidyPage(t *testing.T, what string, got reply, name string) {
	t.Helper()
	if got.status != http.StatusOK || unseen(got.body) {
		t.Errorf("%s: %d, or something in it can not be seen", what, got.status)
	}
	if !strings.Contains(html.UnescapeString(got.body), name) {
		t.Errorf("%s: the page lacks %.60q", what, name)
	}
	for _, raw := range []string{"<script>alert", `" onmouseover="x`, "]]></text><path"} {
		if strings.Contains(got.body, raw) {
			t.Errorf("%s: a name is markup", what)
		}
	}
}

// importNames brings the names as sheets, of either kind.
func importNames(t *testing.T, d *town) {
	dir := t.TempDir()
	for kind, heads := range map[string][]string{
		"subjects": {"名称", "地址", "所属区划", "行业"}, "legacy": {"场所名称", "详细地址", "原码内容", "单位名称"},
	} {
		rows, wants := [][]string{heads}, []string{}
		for what, w := range written {
			// A sheet has no way to say these, or ends its rows with them.
			if strings.ContainsAny(w.text, "\x00\r") || !utf8.ValidString(w.text) || w.want != "" && kind == "subjects" && utf8.RuneCountInString(w.want) > 120 {
				continue
			}
			row := []string{w.text, fmt.Sprintf("文昌路%d号", len(rows)), "419981001", "餐饮"}
			if kind == "legacy" {
				row[2], row[3] = "https://csm.example.com/q?id="+url.QueryEscape(kind+what), "青禾老店"
			}
			rows, wants = append(rows, row), append(wants, w.reason)
		}
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		_ = w.WriteAll(rows)
		book := excelize.NewFile()
		for i, row := range rows {
			if err := book.SetSheetRow("Sheet1", fmt.Sprint("A", i+1), &row); err != nil {
				t.Fatal(err)
			}
		}
		var packed bytes.Buffer
		if err := book.Write(&packed); err != nil {
			t.Fatal(err)
		}
		for ending, b := range map[string][]byte{"csv": text.Bytes(), "xlsx": packed.Bytes()} {
			file, problems := filepath.Join(dir, kind+"."+ending), filepath.Join(dir, kind+"-"+ending+"-problems.xlsx")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"import", kind, file, "--data", d.data, "--json"}
			if kind == "subjects" {
				args = append(args, "--partial")
			} else {
				args = append(args, "--partial", "--errors", problems)
			}
			out, stderr, _ := runs(t, args...)
			var r intake.Result
			parse(t, out, &r)
			for i, reason := range wants {
				faulty := slices.ContainsFunc(r.Errors, func(p intake.Problem) bool { return p.Row == i+2 && p.Field == heads[0] && p.Message != "" })
				if faulty != (reason != "") {
					t.Errorf("%s of %s, row %d: %.40q refused %v, want %q; %s", ending, kind, i+2, rows[i+1][0], faulty, reason, stderr)
				}
			}
			if unseen(out) {
				t.Errorf("%s of %s: the answer has what can not be seen", ending, kind)
			}
			if kind == "legacy" {
				b, err := os.ReadFile(problems)
				if err != nil {
					t.Fatal(err)
				}
				tidyBook(t, "the problems of a "+ending, b)
			}
		}
	}
}

// tidyBook opens a workbook by other means than ours, and gives its texts.
func tidyBook(t *testing.T, what string, b []byte) (texts []string) {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer f.Close()
	for _, name := range f.GetSheetList() {
		rows, err := f.GetRows(name)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for y, row := range rows {
			for x, text := range row {
				at, _ := excelize.CoordinatesToCellName(x+1, y+1)
				if formula, err := f.GetCellFormula(name, at); formula != "" || err != nil {
					t.Errorf("%s: %s runs %q", what, at, formula)
				}
				if text != "" && strings.ContainsAny(text[:1], "=+-@\t\r") || unseen(text) {
					t.Errorf("%s: %s holds %.60q", what, at, text)
				}
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// everythingShows looks at each page, answer and file that shows a place.
func everythingShows(t *testing.T, d *town, town, checker, resident string, places []signed, division string) {
	browse := func(path, token string) reply {
		request := newRequest(t, http.MethodGet, d.product+path, "", "")
		request.Header = http.Header{"Accept": {"text/html"}}
		request.Header.Set("Cookie", "venuecode_console="+token)
		return send(t, request)
	}
	for i, p := range places {
		what := fmt.Sprintf("%.40q", p.name)
		var v struct {
			Name, Address string
			Doors         []struct{ Name string }
		}
		d.ask(http.MethodGet, "/console/venues/"+p.id, town, "").json(t, &v)
		want(t, what, v.Name, p.name)
		tidyPage(t, what+" at the console", browse("/console/venues/"+p.id, town), p.name)
		tidyPage(t, what+" at the door", d.ask(http.MethodGet, "/v/"+p.code, "", ""), p.name)
		var c struct{ Venue, Door string }
		d.ask(http.MethodGet, "/api/v1/codes/"+p.code, resident, "").json(t, &c)
		want(t, what+" on the phone", c.Venue, p.name)
		if i%3 > 0 { // each name came in three ways
			continue
		}
		poster := "/console/posters?door=" + p.code + "&as="
		clipped := []rune(p.name)
		tidyPage(t, what+" printed", d.ask(http.MethodGet, poster+"html", town, ""), string(clipped[:min(len(clipped), 1)]))
		wellFormedSVG(t, what, d.ask(http.MethodGet, poster+"svg", town, ""))
		soundPDF(t, what, d.ask(http.MethodGet, poster+"pdf", town, "").body)
		img, err := png.Decode(strings.NewReader(d.ask(http.MethodGet, poster+"png", town, "").body))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if link, err := decoded(img); err != nil || !strings.HasSuffix(link, "/v/"+p.code) {
			t.Errorf("%s: its code is read as %s, %v", what, link, err)
		}
	}
	for _, as := range []string{"zip", "svg", "png"} {
		tidyArchive(t, as, d.ask(http.MethodGet, "/console/posters?division="+division+"&as="+as, town, "").body, len(places))
	}
	soundPDF(t, "all", d.ask(http.MethodGet, "/console/posters?division="+division+"&as=pdf", town, "").body)

	for _, path := range []string{"/console/applications?state=approved", "/console/applications?state=rejected", "/console/incomplete", "/console/codes/silent?days=1", "/console/coverage", "/console/coverage/missing", "/console/coverage/deadline",
		"/console/units", "/console/venues/" + places[0].id, "/console/subjects"} {
		for _, token := range []string{town, checker} {
			if page := browse(path, token); page.status == http.StatusOK {
				tidyPage(t, path, page, "")
			}
			if got := d.ask(http.MethodGet, path, token, ""); unseen(got.body) || got.status == http.StatusOK && !json.Valid([]byte(got.body)) {
				t.Errorf("%s: %d, or something in it can not be seen", path, got.status)
			}
		}
	}
	for path, name := range map[string]string{
		"/console/coverage/missing.xlsx": "'=cmd|' /C calc'!A0", "/console/coverage/deadline.xlsx?list=without_code": "", "/console/coverage/deadline.xlsx?list=unposted": "",
		"/console/incomplete.xlsx": "'=cmd|' /C calc'!A0", "/console/codes/silent.xlsx?days=1": "",
	} {
		got := d.ask(http.MethodGet, path, checker, "")
		if texts := tidyBook(t, path, []byte(got.body)); name != "" && !slices.Contains(texts, name) {
			t.Errorf("%s: lacks %s", path, name)
		}
	}
}

// namesInChat has a message name a door: word of somebody red goes to who manages
// it.
func namesInChat(t *testing.T, d *town, unit string) {
	hall := d.doorOf("青禾市民中心")
	var own struct {
		Doors []struct {
			Code  string
			Venue struct{ ID string }
		}
	}
	d.ask(http.MethodGet, "/console/doors", unit, "").json(t, &own)
	i := slices.IndexFunc(own.Doors, func(o struct {
		Code  string
		Venue struct{ ID string }
	}) bool {
		return o.Code == hall.Code
	})
	red := d.view.Residents[1]
	phone := d.phone("wechat", red)
	d.colour(red.ID, "red")
	for _, what := range []string{"a formula", "markup", "verbs", "right to left", "beyond U+FFFF"} {
		name := written[what].want
		rename, _ := json.Marshal(object{"door": hall.Code, "name": name})
		want(t, what+", a door", d.ask(http.MethodPost, "/console/venues/"+own.Doors[i].Venue.ID+"/doors/rename", unit, string(rename)).status, http.StatusOK)
		before := len(d.told("s001", "【预警】"))
		d.pass("1m")
		d.scan(phone, hall, nil)
		for _, text := range soon(t, what+" in chat", func() []string { return d.told("s001", "【预警】")[before:] }) {
			if !strings.Contains(text, name) || unseen(text) {
				t.Errorf("%s: the message says %q", what, text)
			}
		}
	}
}

func wellFormedSVG(t *testing.T, what string, got reply) {
	t.Helper()
	r := xml.NewDecoder(strings.NewReader(got.body))
	for {
		token, err := r.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("%s: an SVG that is none: %v", what, err)
			return
		}
		if e, ok := token.(xml.StartElement); ok && !slices.Contains([]string{"svg", "title", "text", "rect", "path"}, e.Name.Local) {
			t.Errorf("%s: the SVG has an element %s", what, e.Name.Local)
		}
	}
}

var (
	xrefAt  = regexp.MustCompile(`startxref\n(\d+)\n%%EOF\s*$`)
	xrefRow = regexp.MustCompile(`(?m)^(\d{10}) \d{5} n`)
)

// soundPDF follows the table at a PDF's end to each of its objects.
func soundPDF(t *testing.T, what, pdf string) {
	t.Helper()
	m := xrefAt.FindStringSubmatch(pdf)
	if !strings.HasPrefix(pdf, "%PDF-") || m == nil {
		t.Errorf("%s: no PDF: %.60q", what, pdf)
		return
	}
	at, _ := strconv.Atoi(m[1])
	table := pdf[at:]
	for i, row := range xrefRow.FindAllStringSubmatch(table, -1) {
		at, _ := strconv.Atoi(row[1])
		if at >= len(pdf) || !strings.HasPrefix(pdf[at:], fmt.Sprintf("%d 0 obj", i+1)) {
			t.Errorf("%s: object %d of the PDF is not where it is said to be", what, i+1)
		}
	}
}

// tidyArchive wants files that any system can unpack beside each other.
func tidyArchive(t *testing.T, as, b string, least int) {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(b), int64(len(b)))
	if err != nil || len(z.File) <= least {
		t.Fatalf("an archive of %s: %v, %d files", as, err, len(z.File))
	}
	names := map[string]bool{}
	for _, f := range z.File {
		stem, _, _ := strings.Cut(f.Name, ".")
		folded := strings.ToLower(f.Name)
		switch {
		case f.Modified.Year() < 2022: // the demo's day
			t.Errorf("an archive of %s has a file of %s", as, f.Modified)
		case names[folded], strings.ContainsAny(f.Name, `/\:*?"<>|`), strings.TrimRight(stem, ". ") != stem, len(f.Name) > 255, unseen(f.Name),
			slices.Contains([]string{"con", "prn", "aux", "nul"}, strings.ToLower(stem)), strings.Count(f.Name, ".") != 1:
			t.Errorf("an archive of %s has a file %q", as, f.Name)
		}
		names[folded] = true
	}
}
