package leak

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/venuecode/venuecode/intake"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// filledIn is a form with somebody in every field where somebody belongs.
func filledIn() registry.Form {
	return registry.Form{
		UnitName: "青禾市商贸有限公司", USCC: "91350100M000100Y43", Division: "419981001",
		Name: "青禾商场", Category: "一", Address: "文昌路1号一层", Doors: []string{"南门"},
		ApplicantName: registry.NewTyped(people[0].Name), ApplicantPhone: registry.NewTyped(people[0].Phone), ManagerName: registry.NewTyped(people[1].Name), ManagerPhone: registry.NewTyped(people[1].Phone),
	}
}

// applications: people apply, in every state, and with a memory that is gone.
func applications(o *out) {
	w := newWorld(o)
	register := store.NewRegister(w.engine, w.registry, w.vault, clock)
	desk := &registry.Service{Applications: register, Book: register, Blanks: register, Random: rand.Reader, Clock: clock}
	ctx := context.Background()
	by := registry.Who{Account: "township", Reason: "材料不全"}
	for what, secret := range secrets {
		f := filledIn()
		f.USCC, f.Plate, f.Division, f.Category, f.Headcount = secret, secret, secret, "（"+secret, secret
		f.ApplicantName, f.ApplicantPhone = registry.NewTyped(secret+"\x00"), registry.NewTyped(secret+"9")
		a, faults, err := desk.Submit(ctx, "", f, registry.Sender{})
		o.maybe("a form of "+what, err)
		o.value("faults", faults)
		for _, f := range faults {
			o.failure("fault", f)
		}
		o.value("not sent in", a)
		_, err = desk.Save(ctx, secret[:1]+"draft", f, registry.Sender{})
		o.maybe("draft", err)
		_, err = desk.Approve(ctx, secret, by, false)
		o.failure("of another name", err)
	}
	form := filledIn()
	a, _, err := desk.Submit(ctx, "one", form, registry.Sender{Channel: "form"})
	o.maybe("submit", err)
	o.value("sent in", a)
	o.value("form", form)
	o.printed("form", form)
	a, err = desk.Reject(ctx, "one", by)
	o.maybe("reject", err)
	o.value("sent back", a)
	_, _, err = desk.Submit(ctx, "one", form, registry.Sender{Channel: "form"})
	o.maybe("again", err)
	a, err = desk.Approve(ctx, "one", by, false)
	o.maybe("approve", err)
	o.value("approved", a)
	e, _ := form.Check()
	o.value("entry", e)
	row := must[store.Row[store.ApplicationRow]](o)(store.NewCollection[store.ApplicationRow](w.engine, store.Applications).Get(ctx, "one"))
	o.value("row", row)
	w.rows()
	_ = w.engine.Close()
	_, _, err = desk.Submit(ctx, "", form, registry.Sender{})
	o.failure("closed", err)
	_, _, err = register.Reached(ctx, a.Made.Venue)
	o.failure("closed", err)
}

// intakes: files with somebody in every cell, good and bad.
func intakes(o *out) {
	w := newWorld(o)
	desk := &intake.Desk{Register: store.NewRegister(w.engine, w.registry, w.vault, clock), Census: store.NewCensus(w.engine, clock), Division: "419981", Blind: w.vault.Blind, Random: rand.Reader}
	p := people[0]
	for kind, text := range map[string]string{
		"units":  "单位名称,统一社会信用代码,所属区划,联系人,联系电话\n青禾商贸,91350100M000100Y43,419981001," + p.Name + "," + p.Phone + "\n青禾," + p.IDNumber + "," + p.Phone + "," + p.Name + "\x01," + p.IDNumber + "\n",
		"venues": "单位统一社会信用代码,场所名称,类别,详细地址,管理人员,管理人员电话\n91350100M000100Y43,商场,一,文昌路1号一层," + p.Name + "," + p.Phone + "\n" + p.IDNumber + ",商场,（" + p.Name + ",x,1," + p.IDNumber + "\n",
		"legacy": "原码内容,场所名称\nhttps://old.example/1,旧店\n" + strings.Repeat(p.IDNumber, 40) + ",\n",
		"roster": "单位统一社会信用代码,姓名,证件号码\n91350100M000100Y43," + p.Name + "," + p.IDNumber + "\n" + p.Phone + "," + p.Phone + "," + p.IDNumber[:17] + "\n",
	} {
		k, _ := intake.KindOf(kind)
		for _, partial := range []bool{false, true} {
			r, err := intake.Take(context.Background(), k, strings.NewReader(text), int64(len(text)), desk, intake.Options{Today: venue.DayOf(noon), Partial: partial})
			o.maybe(kind, err)
			o.value(kind, r)
		}
	}
	w.rows()
	_ = w.engine.Close()
	for _, k := range intake.Kinds {
		var head, row []string
		for _, c := range k.Layout.Columns {
			head, row = append(head, c.Heading), append(row, p.Name)
		}
		text := strings.Join(head, ",") + "\n" + strings.Join(row, ",") + "\n"
		_, err := intake.Take(context.Background(), k, strings.NewReader(text), int64(len(text)), desk, intake.Options{})
		o.maybe("closed", err)
	}
}
