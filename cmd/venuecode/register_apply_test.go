package main

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"fmt"
	"html"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"math"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// gym is a subject of the demo's register that has no unit: what its owner fills in.
func gym() url.Values {
	return url.Values{
		"unit_name": {"青禾飞跃健身有限公司"}, "uscc": {"91419981MA00770056"}, "unit_kind": {"company"}, "division": {"419981001"}, "sectors": {"体育"}, "headcount": {"12"},
		"name": {"飞跃健身万汇城店"}, "category": {"other"}, "type": {"健身房"}, "address": {"文昌路100号四楼"}, "doors": {"正门\n消防门"},
		"applicant_name": {"江远"}, "applicant_phone": {"19900000021"}, "manager_name": {"舒敏"}, "manager_phone": {"19900000022"},
	}
}

// applyID is the id that the page draws for an application.
func (d *town) applyID() string {
	d.t.Helper()
	_, id, _ := strings.Cut(d.ask(http.MethodGet, "/apply/new", "", "").body, `name="id" value="`)
	id, _, _ = strings.Cut(id, `"`)
	return id
}

var asked = regexp.MustCompile(`(?s)<label[^>]*>.*?</label>`)

// faultsOf are the faults that a page shows, by the field beside which they stand.
func faultsOf(page string) map[string]string {
	faults := map[string]string{}
	for _, label := range asked.FindAllString(page, -1) {
		_, field, _ := strings.Cut(label, ` name="`)
		field, _, _ = strings.Cut(field, `"`)
		if _, fault, found := strings.Cut(label, `<span class="fault">`); found {
			fault, _, _ = strings.Cut(fault, "<")
			faults[field] = html.UnescapeString(fault)
		}
	}
	return faults
}

func aShopApplies(t *testing.T, d *town) {
	before := d.covers("the demo's coverage", func(c covered) bool { return c.Must > 0 })

	// Whatever can be wrong is wrong, and all of it is said at once.
	id := d.applyID()
	wrong := url.Values{
		"id": {id}, "unit_name": {"青\u202e禾"}, "uscc": {"91419981MA0077005I"}, "unit_kind": {"马戏团"}, "parent_uscc": {"9141"}, "division": {"41"}, "headcount": {"许多"},
		"sectors": {"一、二、三、四、五、六、七、八、九、十、十一"}, "name": {"店"}, "short_name": {"飞跃健身万汇城四楼店"}, "category": {"七"}, "type": {strings.Repeat("健", 31)}, "place": {"青禾"},
		"address": {"四楼"}, "inside": {"7K3M9QX2ABCDEFGH"}, "zone": {strings.Repeat("区", 31)}, "plate": {"豫A1"}, "doors": {"正门\n正门"},
		"applicant_name": {"3"}, "applicant_phone": {"110"}, "manager_name": {""}, "manager_phone": {"1990000002"},
	}
	answer := d.fills("/apply/new", wrong)
	want(t, "a form with every field wrong", answer.status, http.StatusUnprocessableEntity)
	faults := faultsOf(answer.body)
	for field := range wrong {
		if field != "id" && faults[field] == "" {
			t.Errorf("nothing is said of %s", field)
		}
	}
	wantText(t, "the page", answer.body, "有 21 处需要修改", "已填写的内容都还在", "许多", "豫A1")
	for field, sentence := range map[string]string{
		"uscc": "应为 18 位，由数字和大写字母组成，不含 I、O、Z、S、V。", "short_name": "应为 2–8 个字。", "doors": "同一场所的出入口不能重名。", "manager_name": "未填写。",
		"address": "应为 5–200 个字，精确到门牌号或楼层。", "plate": "不是有效的车牌号。", "applicant_phone": "应为 11 位手机号码。", "inside": "未找到所在的大型场所，请核对。",
	} {
		want(t, "what is said of "+field, faults[field], sentence)
	}

	// Mended, it waits; the township sees it and approves.
	form := gym()
	form.Set("id", id)
	for range 2 { // whoever sends it twice has sent it once
		wantText(t, "the application's page", d.fills("/apply/new", form).body, "等待审核", "飞跃健身万汇城店", id)
	}
	wantText(t, "what waits", d.page("township", "/console/applications"), "飞跃健身万汇城店", "网页")
	var made applied
	d.does("township", "/console/applications/"+id+"/approve", object{}).json(t, &made)
	if made.State != "approved" || len(made.Codes) != 2 {
		t.Fatalf("approved: %+v", made)
	}
	mine := d.ask(http.MethodGet, "/apply/"+id, "", "").body
	wantText(t, "the application's page", mine, "已通过", made.Codes[0], made.Codes[1], "打印码牌")
	wantNo(t, "the application's page", mine, "江远", "19900000021")
	wantText(t, "the audit", strings.Join(d.acted("application:"+made.AuditID), ", "), "township application.approve")

	// Its posters, and what a phone reads on one of them.
	main := made.Codes[0]
	link := d.posters(made.Unit, main)
	if sheets := d.ask(http.MethodGet, "/apply/"+id+"/posters", "", "").body; strings.Count(sheets, "<svg") != 2 || !strings.Contains(sheets, "飞跃健身万汇城店") {
		t.Error("the applicant does not have both posters")
	}
	p := d.scan(d.phone("wechat", d.view.Residents[20]), door{Link: link}, nil)
	want(t, "the prompt", p.Venue+" "+p.Door+" "+p.Decision, "飞跃健身万汇城店 正门 admit")
	want(t, "have, while nobody has seen it hang", d.covers("the new unit", func(c covered) bool { return c.Lack["unit"] == before.Lack["unit"]-1 }).Have, before.Have)

	// Whoever applied shows that it hangs, with a photo. An inspector does not find
	// it; later it is there again.
	own := func(finding string, photo []byte) reply {
		t.Helper()
		return d.sendForm("", "/apply/"+id+"/posted", url.Values{"door": {main}, "finding": {finding}}, "photo", photo)
	}
	want(t, "without a photo", own("posted", nil).status, http.StatusUnprocessableEntity)
	want(t, "what an inspector says", own("missing", photographed(t)).status, http.StatusUnprocessableEntity)
	want(t, "have, after what was refused", d.covers("coverage", func(covered) bool { return true }).Have, before.Have)
	wantText(t, "the application's page", own("posted", photographed(t)).body, "已确认张贴")
	want(t, "must", d.covers("what the applicant shows", func(c covered) bool { return c.Have == before.Have+1 }).Must, before.Must)
	wantText(t, "what officers read", d.page("township", "/console/venues/"+made.Venue), "申请人自报")
	d.pass("1s")
	d.looks("checker", main, "missing", nil)
	d.covers("the missing code", func(c covered) bool { return c.Have == before.Have && c.Lack["posting"] == before.Lack["posting"]+1 })
	wantText(t, "the list of the missing", d.page("checker", "/console/coverage/missing?gap=posting"), "青禾飞跃健身有限公司", "未确认张贴")
	d.pass("1s")
	d.looks("township", main, "posted", photographed(t))
	d.covers("the code that is there again", func(c covered) bool { return c.Have == before.Have+1 })

	shop := d.place(made.Venue)
	said := ""
	for _, look := range shop.Postings {
		said += say(look.Finding, look.By, look.Photo) + "; "
		if !look.Photo {
			continue
		}
		kept := d.as("township", http.MethodGet, "/console/postings/"+look.ID+"/photo", nil)
		if picture, err := jpeg.Decode(strings.NewReader(kept.body)); err != nil || picture.Bounds().Dx() != 800 {
			t.Errorf("the photo of %s: %v", look.By, err)
		}
		wantNo(t, "the photo of "+look.By, kept.body, "Exif", "33.19755", "112.87705")
	}
	want(t, "looks at the door", said, "posted township true; missing checker false; posted applicant true; ")
	want(t, "history", fmt.Sprint(acts(shop.History)), "[enter post post post]")
	want(t, "audit", fmt.Sprint(d.acted("venue:"+made.Venue)), "[checker door.posted township door.posted]")
}

// posters asks for the posters of a unit with two doors in every form, and gives
// what an independent decoder reads in the picture of one.
func (d *town) posters(unit, code string) (link string) {
	d.t.Helper()
	get := func(query, kind string) string {
		d.t.Helper()
		r := d.as("township", http.MethodGet, "/console/posters?"+query, nil)
		if r.status != http.StatusOK || !strings.HasPrefix(r.header.Get("Content-Type"), kind) {
			d.t.Fatalf("posters %s: %d %s", query, r.status, r.header.Get("Content-Type"))
		}
		return r.body
	}
	want(d.t, "posters of the unit on a page", strings.Count(get("unit="+unit, "text/html"), "<svg"), 2)
	for _, sheet := range []string{"a4", "a5"} {
		pdf := get("as=pdf&sheet="+sheet+"&unit="+unit, "application/pdf")
		wantText(d.t, "PDF", pdf, "%PDF-", "%%EOF")
		codes := inPDF(d.t, pdf)
		want(d.t, "posters in the PDF", len(codes), 2)
		if d.read(codes[0]) != d.hung(code).Link && d.read(codes[1]) != d.hung(code).Link {
			d.t.Errorf("the PDF lacks the code %s", code)
		}
	}
	svg := get("as=svg&door="+code, "image/svg+xml")
	wantText(d.t, "SVG", svg, "飞跃健身万汇城店", "正门", "洗月街道", "0000-12345")
	want(d.t, "the SVG", d.read(inSVG(svg)), d.hung(code).Link)
	archive := get("as=zip&unit="+unit, "application/zip")
	files, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		d.t.Fatal(err)
	}
	pdfs := 0
	for _, f := range files.File {
		if strings.HasSuffix(f.Name, ".pdf") {
			pdfs++
		}
	}
	want(d.t, "PDFs in the ZIP", pdfs, 2)
	picture, err := png.Decode(strings.NewReader(get("as=png&door="+code, "image/png")))
	if err != nil {
		d.t.Fatal(err)
	}
	return d.read(picture)
}

func (d *town) read(picture image.Image) string {
	d.t.Helper()
	text, err := decoded(picture)
	if err != nil {
		d.t.Fatalf("the code can not be read: %v", err)
	}
	return text
}

// decoded is what an independent decoder reads. It misses the corners of a code now
// and then, and is told then that the picture is nothing else.
func decoded(picture image.Image) (text string, err error) {
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		return "", err
	}
	for _, hint := range []gozxing.DecodeHintType{gozxing.DecodeHintType_TRY_HARDER, gozxing.DecodeHintType_PURE_BARCODE} {
		var result *gozxing.Result
		if result, err = qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{hint: true}); err == nil {
			return result.GetText(), nil
		}
	}
	return "", err
}

// A stroke is some modules of a code side by side, in modules.
type stroke struct{ x, y, length int }

// picture paints a code as whoever prints the file does.
func picture(runs []stroke) image.Image {
	const module, quiet = 4, 4
	side := 0
	for _, r := range runs {
		side = max(side, r.x+r.length, r.y+1)
	}
	side = (side + 2*quiet) * module
	img := image.NewGray(image.Rect(0, 0, side, side))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for _, r := range runs {
		dark := image.Rect(r.x, r.y, r.x+r.length, r.y+1).Add(image.Pt(quiet, quiet))
		draw.Draw(img, image.Rect(dark.Min.X*module, dark.Min.Y*module, dark.Max.X*module, dark.Max.Y*module), image.Black, image.Point{}, draw.Src)
	}
	return img
}

var (
	svgRun    = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1`)
	pdfStream = regexp.MustCompile(`(?s)stream\r?\n(.*?)\r?\nendstream`)
	pdfCode   = regexp.MustCompile(`0 g(?: [-\d.]+ [-\d.]+ [-\d.]+ [-\d.]+ re){9,} f`)
	pdfRun    = regexp.MustCompile(`([-\d.]+) ([-\d.]+) ([-\d.]+) ([-\d.]+) re`)
)

// inSVG is the code of a poster.
func inSVG(svg string) image.Image {
	var runs []stroke
	for _, m := range svgRun.FindAllStringSubmatch(drawnCode.FindString(svg), -1) {
		var r stroke
		_, _ = fmt.Sscan(strings.Join(m[1:], " "), &r.x, &r.y, &r.length)
		runs = append(runs, r)
	}
	return picture(runs)
}

// inPDF are the codes of posters, sheet after sheet.
func inPDF(t *testing.T, pdf string) (codes []image.Image) {
	t.Helper()
	for _, m := range pdfStream.FindAllStringSubmatch(pdf, -1) {
		unpacked, err := zlib.NewReader(strings.NewReader(m[1]))
		if err != nil {
			continue // a picture or a font
		}
		page, _ := io.ReadAll(unpacked)
		drawn := pdfCode.Find(page)
		if drawn == nil {
			continue
		}
		var runs []stroke
		var left, top float64
		for i, m := range pdfRun.FindAllStringSubmatch(string(drawn), -1) {
			var x, y, length, module float64
			_, _ = fmt.Sscan(strings.Join(m[1:], " "), &x, &y, &length, &module)
			if i == 0 { // the corner of a code is dark
				left, top = x, y
			}
			whole := func(points float64) int { return int(math.Round(points / module)) }
			runs = append(runs, stroke{whole(x - left), whole(top - y), whole(length)})
		}
		codes = append(codes, picture(runs))
	}
	if len(codes) == 0 {
		t.Fatal("no code in the PDF")
	}
	return codes
}

// looks notes what an official finds at a door, with a photo if there is one.
func (d *town) looks(user, code, finding string, photo []byte) {
	d.t.Helper()
	r := d.sendForm(d.session(user), "/console/doors/"+code+"/posted", url.Values{"finding": {finding}}, "photo", photo)
	if r.status != http.StatusOK {
		d.t.Fatalf("a look at a door: %d %s", r.status, r.body)
	}
}

// sendForm sends a form of several parts, one of them a file if there is one.
func (d *town) sendForm(token, path string, fields url.Values, part string, file []byte) reply {
	d.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name := range fields {
		_ = w.WriteField(name, fields.Get(name))
	}
	if file != nil {
		p, err := w.CreateFormFile(part, "随手拍")
		if err != nil {
			d.t.Fatal(err)
		}
		_, _ = p.Write(file)
	}
	_ = w.Close()
	request := newRequest(d.t, http.MethodPost, d.product+path, token, b.String())
	request.Header.Set("Content-Type", w.FormDataContentType())
	return send(d.t, request)
}

// photographed is a JPEG as a phone takes it, which says where it was.
func photographed(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 800, 600)), nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00GPS 33.19755N 112.87705E"
	return slices.Concat([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(exif) + 2)}, []byte(exif), b.Bytes()[2:])
}

// fill is what somebody fills in without persons of their own.
func fill(more object) object {
	form := object{"applicant_name": "江远", "applicant_phone": "19900000031", "manager_name": "舒敏", "manager_phone": "19900000032", "doors": []string{"正门"}, "division": "419981001"}
	maps.Copy(form, more)
	return form
}

func unitsAndResidentsApply(t *testing.T, d *town) {
	unit := d.view.Units[0]
	sent := func(more object) (a applied) {
		t.Helper()
		d.does("unit", "/console/applications", fill(more)).json(t, &a)
		return a
	}
	// A unit that is registered has a small place at once, another one not.
	small := sent(object{"unit_name": unit.Name, "name": "市民中心打印社", "category": "small_place", "address": "文昌路1号负一层"})
	want(t, "a small place of a registered unit", say(small.State, len(small.Codes), small.Unit == unit.ID), "approved 1 true")
	people := d.view.Residents
	want(t, "where a phone is", d.scan(d.phone("wechat", people[21]), d.hung(small.Codes[0]), nil).Venue, "市民中心打印社")
	want(t, "who approved it", d.place(small.Venue).History[0].By, "")
	want(t, "a key place", sent(object{"unit_name": unit.Name, "name": "市民中心药房", "category": "key_place", "type": "药店", "address": "文昌路1号二层"}).State, "pending")

	// A resident applies from the mini-program and is told what is missing.
	phone := d.phone("wechat", people[22])
	d.scan(phone, d.doorOf("青禾市民中心"), nil) // registers
	token, _ := d.login("wechat", phone)
	apply := func(more object) (a applied) {
		t.Helper()
		r := d.by(token, http.MethodPost, "/api/v1/applications", fill(more))
		if r.status != http.StatusOK {
			t.Fatalf("apply: %d %s", r.status, r.body)
		}
		r.json(t, &a)
		return a
	}
	stall := object{"unit_name": "青禾市南巷修鞋铺", "name": "南巷修鞋铺", "category": "small_place", "address": "南巷口修鞋摊", "request_id": "stall-0001"}
	first := apply(stall)
	want(t, "sent in", first.State, "pending")
	want(t, "sent in twice", apply(stall).ID, first.ID)
	d.does("township", "/console/applications/"+first.ID+"/reject", object{"reason": "请补充门牌号"})
	own := func() (list struct {
		Applications []struct{ ID, State, Reason string }
	}) {
		t.Helper()
		d.ask(http.MethodGet, "/api/v1/applications", token, "").json(t, &list)
		return list
	}
	want(t, "what the resident sees", fmt.Sprint(own().Applications), say([]struct{ ID, State, Reason string }{{first.ID, "rejected", "请补充门牌号"}}))
	if r := d.as("township", http.MethodPost, "/console/applications/"+first.ID+"/approve", object{}); r.status != http.StatusConflict {
		t.Errorf("approved as it is: %d %s", r.status, r.body)
	}
	delete(stall, "request_id")
	stall["id"], stall["address"] = first.ID, "南巷7号门口"
	again := apply(stall)
	want(t, "sent again", again.State+again.ID, "pending"+first.ID)
	var made applied
	d.does("township", "/console/applications/"+first.ID+"/approve", object{}).json(t, &made)
	want(t, "what the resident sees", own().Applications[0].State, "approved")
	want(t, "where a phone is", d.scan(phone, d.hung(made.Codes[0]), nil).Venue, "南巷修鞋铺")
	want(t, "the application in the audit", fmt.Sprint(d.acted("application:"+made.AuditID)),
		"[township application.reject 请补充门牌号 township application.approve township application.approve]")

	// They show that another one hangs, which the register asks for.
	before := d.covers("the demo's coverage", func(c covered) bool { return c.Must > 0 })
	cafe := apply(object{"unit_name": "青禾鸿运网吧", "uscc": "91419981MA0077001R", "name": "鸿运网吧", "category": "small_place", "type": "网吧", "address": "环城北路19号二层", "division": "419981002", "request_id": "cafe-00001"})
	d.does("checker", "/console/applications/"+cafe.ID+"/approve", object{}).json(t, &made)
	d.covers("the unit without a code that hangs", func(c covered) bool { return c.Lack["unit"] == before.Lack["unit"]-1 })
	shows := func(token string) reply {
		t.Helper()
		return d.sendForm(token, "/api/v1/applications/"+cafe.ID+"/posted", url.Values{"door": {made.Codes[0]}}, "photo", photographed(t))
	}
	other := d.phone("alipay", people[25])
	d.scan(other, d.doorOf("青禾市民中心"), nil)
	stranger, _ := d.login("alipay", other)
	want(t, "by somebody else", shows(stranger).status, http.StatusNotFound)
	var shown struct {
		Codes []struct{ Code, Status, Posted string }
	}
	shows(token).json(t, &shown)
	if len(shown.Codes) != 1 || shown.Codes[0].Status != "active" || shown.Codes[0].Posted == "" {
		t.Errorf("what the resident is told: %+v", shown)
	}
	d.covers("what the resident shows", func(c covered) bool { return c.Have == before.Have+1 })
	want(t, "who says so", d.place(made.Venue).Postings[0].By, "applicant")
	d.pass("1s")
	d.looks("checker", made.Codes[0], "missing", nil)
	d.covers("what an inspector does not find", func(c covered) bool { return c.Have == before.Have })
}

// theTrailOpensNothing looks for the ids of applications, which are the right to see
// them, in what auditors take away.
func theTrailOpensNothing(t *testing.T, d *town) {
	r := d.as("auditor", http.MethodGet, "/console/audit/export?from=2022-05-18&to=2022-06-17", nil)
	want(t, "the trail", r.status, http.StatusOK)
	named := 0
	for _, state := range []string{"pending", "approved", "rejected"} {
		list := shown[struct{ Applications []applied }](d, "checker", "/console/applications?state="+state).Applications
		if len(list) == 0 {
			t.Errorf("no application is %s", state)
		}
		for _, a := range list {
			wantNo(t, "the trail", r.body, a.ID)
			named += strings.Count(r.body, a.AuditID)
		}
	}
	if named < 4 {
		t.Errorf("the trail names applications %d times", named)
	}
}

func needsProof(t *testing.T, d *town) {
	sent := func(uscc string) (string, reply) {
		t.Helper()
		form, id := gym(), d.applyID()
		for field, value := range map[string]string{"id": id, "unit_name": "青禾市古桥茶社", "uscc": uscc, "name": "古桥茶社", "category": "organisation", "type": "茶楼", "address": "古桥路3号院", "doors": "正门"} {
			form.Set(field, value)
		}
		return id, d.fills("/apply/new", form)
	}
	// A shape that no USCC has is refused, and so is a person's number.
	for uscc, sentence := range map[string]string{
		"91419981MA0088001":     "应为 18 位，由数字和大写字母组成，不含 I、O、Z、S、V。",
		d.view.Residents[23].ID: "这是身份证号码。请填写营业执照或登记证书上的统一社会信用代码。",
		"９１４１９９８１ＭＡ００８８００１Ｏ": "应为 18 位，由数字和大写字母组成，不含 I、O、Z、S、V。",
	} {
		_, r := sent(uscc)
		want(t, "its answer", say(r.status, faultsOf(r.body)), say(422, map[string]string{"uscc": sentence}))
	}

	// A wrong check character alone is taken, and not believed.
	id, r := sent(unproved(88001))
	wantText(t, "the application", r.body, "等待审核")
	waiting := shown[applied](d, "township", "/console/applications/"+id)
	want(t, "it needs proof", waiting.Proof, true)
	wantText(t, "what the officer reads", d.page("township", "/console/applications/"+id), "统一社会信用代码的校验位不符", "已核对证件，通过", "通过（证件待核）")
	var made applied
	d.does("township", "/console/applications/"+id+"/approve", object{}).json(t, &made)
	want(t, "approved unseen", say(made.State, made.Proof), "approved true")
	phone, house := d.phone("alipay", d.view.Residents[24]), d.hung(made.Codes[0])
	want(t, "a scan before anybody has seen the register", d.tryScan(phone, house, nil).status, http.StatusNotFound)
	want(t, "its poster", d.as("township", http.MethodGet, "/console/posters?door="+made.Codes[0], nil).status, http.StatusConflict)
	wantText(t, "what the applicant reads", d.ask(http.MethodGet, "/apply/"+id, "", "").body, "单位的登记证件尚待核对")
	wantText(t, "the unit's page", d.page("township", "/console/units/"+made.Unit), "证件待核", "请核对营业执照", "已核对")

	if r := d.as("township", http.MethodPost, "/console/units/"+made.Unit+"/prove", object{"reason": ""}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("proved without a word: %d", r.status)
	}
	d.does("township", "/console/units/"+made.Unit+"/prove", object{"reason": "已见营业执照原件"})
	want(t, "where a phone is", d.scanned(phone, house, http.StatusOK).Venue, "古桥茶社")
	want(t, "the unit in the audit", fmt.Sprint(d.acted("unit:"+made.Unit)), "[township unit.prove 已见营业执照原件]")
	history := shown[struct{ Changes []change }](d, "township", "/console/units/"+made.Unit+"/history").Changes
	want(t, "its history", history[0], change{"prove", "township", "已见营业执照原件"})
}
