package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/venuecode/venuecode/internal/city"
	"github.com/venuecode/venuecode/photo"
	"github.com/venuecode/venuecode/poster"
	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/venue"
	"github.com/venuecode/venuecode/venue/registry"
)

// demoForm is an application of the demo: everything in it is invented.
func demoForm(division venue.Division, unit, uscc, name, category, kind, address string, doors ...string) registry.Form {
	return registry.Form{
		UnitName: unit, USCC: uscc, Division: string(division), Name: name, Category: category, Type: kind, Address: address, Doors: doors,
		ApplicantName: registry.NewTyped("江远"), ApplicantPhone: registry.NewTyped("19900000011"),
		ManagerName: registry.NewTyped("舒敏"), ManagerPhone: registry.NewTyped("19900000012"),
	}
}

// settleRegister fills the demo's register with something in every state:
// applications that wait, need proof, were sent back or are not sent in yet, a
// unit that waits for proof, one that was merged and one that was closed, places
// that are suspended and closed, an old code that lacks something, codes that hang,
// as an official or the applicant says, and codes that nobody has confirmed, and
// blank ones. It is done once, at the first start.
func (a *app) settleRegister(ctx context.Context, town *city.City) error {
	here, first := demoTown(town), town.Units[0]
	by := registry.Who{Account: "township"}
	public, own := registry.Sender{Channel: "form"}, registry.Sender{Channel: "console", Account: "unit", Unit: town.UnitID(first.Name)}
	var made []registry.Application
	for i, f := range []registry.Form{ // the last three are of a unit that is there
		demoForm(here, "青禾市文昌路便利店", "", "文昌路便利店", "small_place", "小超市", "文昌路21号", "正门"),
		demoForm(here, "青禾市东街口腔诊所", "91419981MA00000K05", "东街口腔诊所", "key_place", "诊所", "东街8号院", "正门", "急诊门"),
		demoForm(here, "青禾市春晓理发店", "", "春晓理发店", "small_place", "小美容洗浴场所", "南巷3号院", "正门"),
		demoForm(here, "青禾市古塔宾馆", "91419981MA00000L08", "古塔宾馆", "transit", "宾馆旅店", "古塔街16号", "大堂"),
		demoForm(here, "青禾市望河书店", "", "望河书店", "other", "公共书坊", "滨河路9号", "正门"),
		demoForm(here, "青禾市早春豆浆铺", "", "早春豆浆铺", "small_place", "小饭店", "东街19号", "正门"),
		demoForm(here, "青禾市晚晴裁缝铺", "", "晚晴裁缝铺", "small_place", "小店", "东街23号", "正门"),
		demoForm(here, first.Name, "", "望河书屋", "other", "公共书坊", "滨河路9号", "正门"),
		demoForm(here, first.Name, "", "政务培训中心", "key_place", "教培机构", "学府路12号2层", "正门", "后门"),
		demoForm(here, first.Name, "", "南关临时采样点", "other", "核酸采样点", "南关路2号院", "入口"),
	} {
		from := public
		if i >= 7 {
			from = own
		}
		p, faults, err := a.applying.Submit(ctx, "", f, from)
		if err == nil && len(faults) > 0 {
			err = faults[0]
		}
		if err != nil {
			return fmt.Errorf("demo's application %d: %w", i, err)
		}
		made = append(made, p)
	}
	if _, err := a.applying.Reject(ctx, made[2].ID, registry.Who{Account: "township", Reason: "请补充门牌号和楼层"}); err != nil {
		return err
	}
	for i := 3; i < len(made); i++ {
		var err error
		if made[i], err = a.applying.Approve(ctx, made[i].ID, by, false); err != nil {
			return err
		}
	}
	twice, ended, shop, school, tent := made[4].Made, made[6].Made, made[7].Made, made[8].Made, made[9].Made
	because := func(reason string) registry.Who { return registry.Who{Account: by.Account, Reason: reason} }
	_, err := a.applying.Suspend(ctx, school.Venue, "", because("停课期间"))
	if err == nil {
		_, err = a.applying.Close(ctx, tent.Venue, "", because("采样点撤除"))
	}
	if err == nil { // the same shop under another name: its code goes on
		_, err = a.applying.Merge(ctx, twice.Venue, shop.Venue, because("重复登记"))
	}
	if err == nil {
		_, err = a.applying.MergeUnits(ctx, twice.Unit, shop.Unit, because("重复登记"))
	}
	if err == nil {
		_, err = a.applying.CloseUnit(ctx, ended.Unit, because("店主歇业"))
	}
	if err == nil {
		_, err = a.applying.Save(ctx, "", demoForm(here, first.Name, "", "市民中心自助服务区", "functional_unit", "", "文昌路1号"), own)
	}
	if err == nil {
		_, err = a.applying.Post(ctx, a.register, registry.Posting{Door: shop.Codes[0], Venue: shop.Venue, Finding: registry.FoundPosted, Remark: "正门右侧，高约1.5米", By: "township"})
	}
	if err == nil {
		err = a.demoPosting(ctx, made[5])
	}
	if err == nil {
		_, err = a.applying.Print(ctx, "", here, 12, by)
	}
	if err != nil {
		return err
	}
	old := registry.Entry{Venue: venue.Venue{ID: "v_demo_old", Unit: own.Unit, Name: "青禾市老年活动中心", Division: here, Status: venue.StatusIncomplete}, Doors: []string{"正门"}}
	code, err := venue.NewCode(random)
	codes := []venue.Code{code}
	if err == nil {
		_, err = a.register.KeepOld(ctx, []string{"http://old.qinghe.example/c?id=100327"}, codes)
	}
	if err == nil {
		_, err = a.register.EnterVenues(ctx, []store.VenueEntry{{Entry: old, Codes: codes}}, by)
	}
	if err == nil {
		err = a.register.Entered(ctx)
	}
	return err
}

// demoPosting has an applicant show that their code hangs: the picture is of the
// code itself.
func (a *app) demoPosting(ctx context.Context, from registry.Application) error {
	door := from.Made.Codes[0]
	var picture bytes.Buffer
	if err := poster.PNG(&picture, door.Link(a.config.Host), 8); err != nil {
		return err
	}
	look, err := a.applying.Own(ctx, a.register, from, registry.Posting{Door: door, Finding: registry.FoundPosted, Remark: "贴在门内柜台旁"})
	if err == nil {
		look.Photo, err = photo.Clean(picture.Bytes())
	}
	if err == nil {
		_, err = a.applying.Post(ctx, a.register, look)
	}
	return err
}

// demoTown is the first town that has a unit, the township official's.
func demoTown(town *city.City) venue.Division {
	for _, u := range town.Units {
		if u.Division != "" {
			return u.Division
		}
	}
	return town.Division
}
