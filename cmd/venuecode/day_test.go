package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/venuecode/venuecode/internal/mongotest"
)

// TestADay is the afternoon of 18 May as residents, staff and officials live it.
func TestADay(t *testing.T) { aDay(t, quietTown(t)) }

// TestADayOnMongoDB is the same day in the other memory.
func TestADayOnMongoDB(t *testing.T) {
	t.Run("development server", func(t *testing.T) {
		aDay(t, startTown(t, demoFlags{clock: halfPastTwo, quiet: true, store: mongotest.Start(t).URI()}))
	})
	if uri := os.Getenv("VENUECODE_MONGO"); uri != "" {
		t.Run("real server", func(t *testing.T) {
			aDay(t, startTown(t, demoFlags{clock: halfPastTwo, quiet: true, store: scratch(t, uri)}))
		})
	}
}

// scratch is the URI of a database of its own on a server, dropped with the test.
func scratch(t *testing.T, uri string) string {
	t.Helper()
	client, err := driver.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal("VENUECODE_MONGO names no server") // err may quote it
	}
	name := "venuecode_test_" + rand.Text()
	t.Cleanup(func() {
		if err := errors.Join(client.Database(name).Drop(context.Background()), client.Disconnect(context.Background())); err != nil {
			t.Errorf("drop %s: %T", name, err)
		}
	})
	return withDatabase(uri, name)
}

func aDay(t *testing.T, d *town) {
	people := d.view.Residents
	wang, li, zhao, qian, sun, zhou, old, guest := people[0], people[1], people[2], people[3], people[4], people[5], people[6], people[7]
	hall, station := d.doorOf("青禾市民中心"), d.doorOf("青禾汽车客运站") // s001's, and s007's sentinel

	// Residents register with either app, once, and scan.
	wangPhone, liPhone := d.phone("wechat", wang), d.phone("alipay", li)
	for _, phone := range []string{wangPhone, liPhone} {
		p := d.scan(phone, hall, nil)
		want(t, "green", p.Health+" "+p.Decision+" "+p.Title, "green admit 请通行")
		want(t, "where", p.Venue+" "+p.Door, hall.Venue+" "+hall.Name)
		if len(p.Advice) == 0 || !strings.HasSuffix(p.At, "+08:00") {
			t.Errorf("the prompt lacks advice or a time: %+v", p)
		}
	}

	// A red code is refused, and those who answer for the place know at once, but
	// not who it is.
	d.colour(zhao.ID, "red")
	p := d.scan(d.phone("wechat", zhao), hall, nil)
	want(t, "red", p.Health+" "+p.Decision, "red refuse")
	for _, who := range []string{"s001", "shenlan"} { // the manager, and the township's officer
		alarms := soon(t, "alarm to "+who, func() []string { return d.told(who, "【预警】") })
		want(t, "alarms to "+who, len(alarms), 1)
		wantText(t, "alarm", alarms[0], hall.Venue, hall.Name, "红码")
		wantNo(t, "alarm", alarms[0], zhao.Name, zhao.ID, zhao.Phone)
	}

	// Yellow is restricted, and refused where patients go.
	d.colour(qian.ID, "yellow")
	qianPhone := d.phone("alipay", qian)
	want(t, "yellow at a hall", d.scan(qianPhone, hall, nil).Decision, "restrict")
	want(t, "yellow at a sentinel", d.scan(qianPhone, station, nil).Decision, "refuse")

	// Of a party the strictest decides, and the phone says whose code it is.
	d.colour(old.ID, "yellow")
	p = d.scan(wangPhone, hall, object{"companions": []resident{
		{Name: old.Name, ID: old.ID}, {Name: guest.Name, ID: guest.ID},
	}})
	want(t, "own colour", p.Health, "green")
	want(t, "party", p.Decision, "restrict")
	want(t, "companions", len(p.Companions), 2)
	want(t, "the yellow one", p.Companions[0].Health+" "+p.Companions[0].Decision, "yellow restrict")
	wantText(t, "title", p.Title, p.Companions[0].Name, "限制通行")
	wantNo(t, "prompt", p.Title+p.Companions[0].Name, old.Name)

	// The health-code service falls silent: quickly on hold, never green.
	sunPhone, zhouPhone := d.phone("wechat", sun), d.phone("alipay", zhou)
	d.fault("health", "hang")
	for _, phone := range []string{sunPhone, zhouPhone} {
		r := d.tryScan(phone, hall, nil)
		var p prompt
		r.json(t, &p)
		want(t, "silence", p.Health+" "+p.Decision, "unknown hold")
		if r.took > promptly {
			t.Errorf("the answer took %s", r.took)
		}
	}
	d.pass("5m") // asked again and again, in vain
	want(t, "word to a waiting resident", len(d.heard("/sim/phones/"+sunPhone)), 0)

	// It is back: within a minute both know, and the red one's venue too.
	d.colour(sun.ID, "red")
	d.fault("health", "none")
	d.pass("60s")
	for _, phone := range []string{sunPhone, zhouPhone} {
		word := d.heard("/sim/phones/" + phone)
		if len(word) != 1 {
			t.Fatalf("%d messages to a resident, want 1", len(word))
		}
		wantText(t, "word to a resident", word[0].Text, "核验", hall.Venue)
		wantNo(t, "word to a resident", word[0].Text, "红", "绿")
	}
	alarms := d.told("s001", "【预警】")
	want(t, "alarms after recovery", len(alarms), 2)
	wantText(t, "late alarm", alarms[len(alarms)-1], "待核验", "已查明为红码")

	// Staff report. 教体局 is first, with far too much: the group sees a receipt
	// only, the difference goes to the reporter alone.
	d.at("14:50:00")
	reply := d.inGroup("g-gov", "s003", "上报 300")
	wantText(t, "receipt", reply, "教育体育局", "300 次", "5月17日16:00", "14:50")
	wantNo(t, "receipt", reply, "偏", "一致", "平台", "差", "迟报")
	difference := soon(t, "difference", func() []string { return d.told("s003", "【核查】") })
	wantText(t, "difference", difference[0], "300 次", "比平台记录多 300 次")
	for _, m := range d.heard("/sim/groups/g-gov") {
		wantNo(t, "group", m.Text, "【核查】", "比平台记录")
	}

	// What is not one number is asked back and stores nothing.
	wantText(t, "ask back", d.inGroup("g-gov", "s005", "326 或 330"), "没有登记")
	wantText(t, "查", d.alone("s005", wecomChat, "查"), "尚未上报")

	// Reminders name those who are missing, and nobody else.
	reminded := func(at string, reported, missing []string) {
		t.Helper()
		d.at(at + ":00")
		all := d.pushed("g-gov", "reminder")
		last := all[len(all)-1]
		wantNo(t, at+" reminder", last, append(reported, "药品监管科", "档案馆", "迟发")...)
		wantText(t, at+" reminder", last, missing...)
	}
	edu, health, hq, transport := "教育体育局", "卫生健康委员会", "人民政府办公室", "交通运输局"
	reminded("15:00", []string{edu}, []string{"以下 10 个单位", health, hq, transport})
	want(t, "report in words", strings.Contains(d.inGroup("g-gov", "s017", "今日扫码０次"), "0 次"), true)
	reminded("15:30", []string{edu, "商务发展局"}, []string{"以下 9 个单位", health})

	// One tap: the platform's number is offered, and confirmed with a word.
	d.at("15:40:00")
	taps := d.pushed("g-gov", "onetap")
	want(t, "one taps", len(taps), 1)
	wantText(t, "one tap", taps[0], "青禾市"+hq+"：平台统计 9 次", "青禾市"+transport+"：平台统计 1 次")
	wantNo(t, "one tap", taps[0], edu)
	wantText(t, "确认", d.inGroup("g-gov", "s001", "确认"), "已确认", "9 次")
	wantText(t, "查", d.alone("s001", wecomChat, "查"), "扫码 9 次，其中有效 9 次，共 8 人")

	// A newcomer is bound by a one-time code, which serves once.
	var unit string
	for _, u := range d.view.Units {
		if strings.HasSuffix(u.Name, "文化广电和旅游局") {
			unit = u.ID
		}
	}
	wantText(t, "a stranger", d.alone("newcomer", wecomChat, "上报 3"), "还没有绑定单位")
	var made struct{ Code string }
	d.control(http.MethodPost, "/sim/bind-codes", object{"unit": unit}, &made)
	wantText(t, "绑定", d.alone("newcomer", wecomChat, "绑定 "+made.Code), "绑定成功", "文化广电和旅游局")
	wantText(t, "a code used twice", d.alone("another", wecomChat, "绑定 "+made.Code), "绑定码不正确")
	wantText(t, "the newcomer's report", d.inGroup("g-gov", "newcomer", "上报 0"), "文化广电和旅游局", "0 次")

	// One to one, through the service account and through the app.
	wantText(t, "service account", d.alone("s011", serviceChat, "上报 7"), "水务中心", "7 次")
	soon(t, "difference through the service account", func() []string { return d.told("s011", "【核查】") })
	wantText(t, "app", d.alone("s013", wecomChat, "上报 2"), "民政服务局", "2 次")
	reminded("15:50", []string{edu, hq, "水务中心", "民政服务局", "文化广电", "商务"}, []string{"以下 5 个单位", health, transport})

	// Two report at 15:58 and take it back: 120.000 s is in time, even across the
	// deadline, and a millisecond more is not.
	d.at("15:58:00")
	d.inGroup("g-gov", "s019", "上报 5")
	d.inGroup("g-gov", "s021", "上报 6")

	// 16:00 is strict.
	d.at("15:59:59.999")
	onTime := d.inGroup("g-gov", "s009", "上报 0")
	wantText(t, "15:59:59.999", onTime, "住房和城乡建设局", "0 次")
	d.at("16:00:00.000")
	tooLate := d.inGroup("g-gov", "s007", "上报 1")
	wantText(t, "16:00:00.000", tooLate, "交通运输局", "1 次", "迟报")
	for _, m := range d.heard("/sim/groups/g-gov") {
		if m.Kind == "reply" && m.Text != tooLate {
			wantNo(t, "a reply to somebody in time", m.Text, "迟报")
		}
	}
	wantText(t, "撤回 after 120.000 s", d.inGroup("g-gov", "s019", "撤回"), "已撤回", "5 次")
	d.at("16:00:00.001")
	wantText(t, "撤回 after 120.001 s", d.inGroup("g-gov", "s021", "撤回"), "不能撤回")

	// A correction now waits for approval; the former number stands.
	correction := d.inGroup("g-gov", "s003", "更正 3")
	wantText(t, "correction", correction, "更正待批", "300 次")
	wantText(t, "查", d.alone("s003", wecomChat, "查"), "扫码 300 次", "更正待批：3 次")
	wantText(t, "未报", d.inGroup("g-gov", "s001", "未报"), "2 个单位未报", health, "市场监督管理局")

	// 16:10: the day in numbers. 300+0+9+0+7+2+0+1+6.
	d.at("16:10:00")
	digests := d.pushed("g-gov", "digest")
	want(t, "digests", len(digests), 1)
	wantText(t, "digest", digests[0], "应报 11，已报 8，迟报 1，未报 2，免报 1", "上报合计 325 次", "另有 1 个单位由上级单位", "另有 1 条更正待批", health, "市场监督管理局")
	wantNo(t, "digest", digests[0], edu, hq, "偏", "迟发")
	d.pass("30m")
	want(t, "digests half an hour later", len(d.pushed("g-gov", "digest")), 1)
}

// TestTheDefaultDemoLives: nobody does anything, and the groups fill up.
func TestTheDefaultDemoLives(t *testing.T) {
	// The last reminder has ten minutes to go out: on a busy machine, two and a
	// half real seconds.
	d := startTown(t, demoFlags{clock: "2022-05-18T15:28:00+08:00", speed: 240})
	deadline := machine.Now().Add(time.Minute)
	for len(d.pushed("g-biz", "digest")) == 0 && machine.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
	}
	reminders := 0
	for _, group := range []string{"g-gov", "g-town", "g-edu", "g-biz"} {
		reminders += len(d.pushed(group, "reminder"))
		for _, kind := range []string{"reply", "digest"} {
			if len(d.pushed(group, kind)) == 0 {
				t.Errorf("no %s in %s", kind, group)
			}
		}
	}
	if reminders == 0 {
		t.Error("nobody was reminded")
	}
	wantText(t, "metrics", d.metrics(), `venuecode_http_seconds_count{class="2xx",route="/api/v1/scans"}`)
}
