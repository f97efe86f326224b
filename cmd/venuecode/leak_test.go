package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/venuecode/venuecode/internal/canary"
)

// TestToolsRepeatNoSecret: what operators hand to a tool by mistake, in a file
// or through the socket, is not in its answer, in the log or in the trail. What
// they type themselves may be repeated to them, and to nobody else.
func TestToolsRepeatNoSecret(t *testing.T) {
	d := quietTown(t)
	keys := d.keys()
	secrets := map[string]string{
		"a name": d.view.Residents[0].Name + "丹砂", "an ID number": d.view.Residents[0].ID, "a phone": d.view.Residents[0].Phone, "a webhook's key": keys.Webhooks["g-gov"],
		"an AppSecret": keys.Wechat.Secret, "a key of callbacks": keys.Robot.AESKey, "a private key": keys.Alipay.AppPrivate[:80], "a password": demoOnes(t, d.data)[0].Password,
		"a TOTP secret": demoOnes(t, d.data)[0].TOTP,
	}
	finder := canary.NewFinder(secrets)
	kept := func(where, text string) {
		t.Helper()
		for _, found := range finder.Find([]byte(text)) {
			t.Errorf("%s shows %s", where, found)
		}
	}
	folder := t.TempDir()
	given := filepath.Join(folder, "webhooks")
	data := filepath.Join(d.data, "data")
	town := filepath.Join("..", "..", "internal", "city", "city.yaml")
	for what, secret := range secrets {
		for _, content := range []string{secret, "g-gov: [" + secret, "g-gov: {" + secret + ": x}", "- " + secret, `"` + secret, "*" + secret, "units: " + secret} {
			if err := os.WriteFile(given, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			c := loadCommand()
			c.SilenceErrors, c.SilenceUsage = true, true
			c.SetArgs([]string{town, "--webhooks", given, "--data", folder})
			if err := c.ExecuteContext(t.Context()); err == nil {
				t.Errorf("%q is taken for webhooks", content)
			} else {
				kept("load with "+what, err.Error())
			}
		}
		for name := range tools {
			if name == "backup" || name == "audit-export" || name == "audit-verify" { // they take paths, and quote them
				continue
			}
			for _, question := range []string{
				fmt.Sprintf("%q", secret), `{"` + secret, `{"` + secret + `":7}`, fmt.Sprintf(`{"city":%q}`, secret), fmt.Sprintf(`{"webhooks":%q}`, secret),
				fmt.Sprintf(`[{"User":%q,"Name":%q},{"User":"x","Name":"y"}]`, secret, secret), fmt.Sprintf(`{"days":%q,"accept":%q}`, secret, secret),
			} {
				answer, err := askServer(t.Context(), data, name, json.RawMessage(question), func(p progress) { kept(name+"'s progress", p.Doing) })
				kept(name, string(answer))
				if err != nil {
					kept(name+"'s error", err.Error())
				}
			}
		}
		// The words of the command line come back to who typed them, once.
		for _, c := range []struct{ tool, question string }{
			{"keys-rotate", `{"key":%q}`}, {"bind-code", `{"unit":%q}`}, {"decide", `{"unit":%q,"accept":true}`}, {"audit-export", `{"to_file":"/nowhere/x","from":%q}`},
		} {
			if _, err := askServer(t.Context(), data, c.tool, json.RawMessage(fmt.Sprintf(c.question, secret)), func(progress) {}); err == nil {
				t.Errorf("%s takes %s", c.tool, what)
			}
		}
	}
	export := filepath.Join(folder, "trail")
	if _, stderr, code := runs(t, "audit", "export", export, "--data", d.data); code != 0 {
		t.Fatalf("audit export: %d %s", code, stderr)
	}
	trail, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "the trail", string(trail), `"audit.export"`)
	kept("the trail", string(trail))
	d.stop()
	kept("the log", d.log.String())
	if len(finder.Find([]byte("x"+secrets["a phone"]))) == 0 {
		t.Error("the search is blind")
	}
}
