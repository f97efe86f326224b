package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/venuecode/venuecode/venue"
)

// Canaries of the shapes that the trail refuses; all fictional.
var canaries = map[string]string{
	"phone":                      "13912345678",
	"phone with country code":    "+8613912345678",
	"phone with 0086":            "008613912345678",
	"phone in groups":            "139 1234 5678",
	"phone with hyphens":         "139-1234-5678",
	"full-width phone":           "１３９１２３４５６７８",
	"phone in a sentence":        "请回电13912345678谢谢",
	"phone behind a word":        "phone13912345678",
	"phone behind a number":      "3 139-1234-5678",
	"id number":                  "110105194912310021",
	"id number with X":           "11010519491231002X",
	"id number with small x":     "11010519491231002x",
	"id number with roman ten":   "11010519491231002Ⅹ",
	"id number, check wrong":     "110105194912310029",
	"id number in groups":        "110105 19491231 0021",
	"id number of 15":            "110105491231002",
	"full-width id in sentence":  "证件１１０１０５１９４９１２３１００２１核对",
	"residence permit":           "810000199408230021",
	"two of them":                "13912345678,13912345679",
	"id number between brackets": "(110105194912310021)",
}

var harmless = []string{
	"", "138****8000", "4****************8", "2022-05-18T10:00:00.000+08:00", "2022-05-18 13:00:00 to 14:00:00",
	"1652839200000", "20220518", "91350100M0001TGQXM", "扫码 12345 次", "a1b2c3d4-2022-05",
	"0f13912345678e9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233445566778", // a hash with eleven digits in it
	"rows 15, 2026-11-22 3 days", "12:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}

func TestTextsThatLookPrivateAreRefused(t *testing.T) {
	d := newDesk(t)
	trail := d.open()
	for name, canary := range canaries {
		for field, e := range map[string]Event{
			"actor":        {Actor: canary, Action: "reveal"},
			"action":       {Actor: "a", Action: canary},
			"object id":    {Actor: "a", Action: "b", Object: Object{KindPerson, canary}},
			"purpose":      {Actor: "a", Action: "b", Purpose: canary},
			"reason":       {Actor: "a", Action: "b", Reason: canary},
			"case":         {Actor: "a", Action: "b", Case: canary},
			"outcome":      {Actor: "a", Action: "b", Outcome: canary},
			"details":      {Actor: "a", Action: "b", Details: map[string]string{"phone": canary}},
			"detail's key": {Actor: "a", Action: "b", Details: map[string]string{canary: "1"}},
		} {
			_, err := trail.Append(context.Background(), e)
			invalid := (*venue.Invalid)(nil)
			if !errors.As(err, &invalid) || invalid.Reason != "private" {
				t.Errorf("%s as %s: %v, want it refused as private", name, field, err)
			} else if strings.Contains(err.Error(), canary) {
				t.Errorf("%s as %s: the refusal repeats it", name, field)
			}
		}
	}
	for _, text := range harmless {
		if LooksPrivate(text) {
			t.Errorf("%q was taken for private", text)
		}
	}
	d.whole(nil)
}

// Whatever happens, no canary is in the folder, a log line or an error.
func TestNothingPrivateLeavesATrace(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	var log bytes.Buffer
	secret := "canary-secret-of-the-sink"
	web := WebSink{Label: "far", URL: "http://127.0.0.1:1/" + secret, Secret: []byte(secret), Timeout: time.Second}
	trail, err := Open(ctx, Options{
		Docs: d.docs, Signer: d.signer, Clock: d, Random: rand.Reader,
		Sinks: []Sink{d.fileSink("near"), web}, Log: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, canary := range canaries {
		_, err := trail.Append(ctx, Event{Actor: "a", Action: "b", Reason: "打错 " + canary, Details: map[string]string{"who": canary}})
		log.WriteString(err.Error())
		d.append(trail, 1)
	}
	if _, deferred := d.run(trail); deferred != 1 {
		t.Error("the sink that is not there was not deferred")
	}
	if err := trail.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "audit sink is away") {
		t.Error("nothing was logged: the test sees nothing")
	}
	if err := d.docs.Close(); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(d.dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	seed := strings.TrimSpace(strings.TrimPrefix(string(key), keyPrefix))
	raw, err := base64.StdEncoding.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	traces := [][]byte{[]byte(secret), []byte(seed), raw, []byte(hex.EncodeToString(raw))}
	for _, c := range canaries {
		traces = append(traces, []byte(c), []byte(base64.StdEncoding.EncodeToString([]byte(c))), []byte(hex.EncodeToString([]byte(c))))
	}
	look := func(where string, b []byte) {
		for _, trace := range traces {
			if bytes.Contains(b, trace) {
				t.Errorf("%s holds a canary", where)
			}
		}
	}
	look("the log", log.Bytes())
	err = filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == KeyFile {
			return err
		}
		b, err := os.ReadFile(path)
		look(entry.Name(), b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
