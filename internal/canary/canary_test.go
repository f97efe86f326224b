package canary

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding/simplifiedchinese"
)

func TestEveryFormIsFound(t *testing.T) {
	for _, value := range []string{"张三丰", "欧阳修文", "410482199003071234", "13800138000", "oABCDEFGH12345"} {
		f := NewFinder(map[string]string{"it": value})
		gb, err := simplifiedchinese.GB18030.NewEncoder().String(value)
		if err != nil {
			t.Fatal(err)
		}
		var wide []byte
		for _, u := range utf16.Encode([]rune(value)) {
			wide = append(wide, byte(u), byte(u>>8))
		}
		sum := sha256.Sum256([]byte(value))
		texts := map[string]string{
			"clear": value, "quoted": fmt.Sprintf("%+q", value), "query": url.QueryEscape(value), "GB18030": gb, "wide": string(wide),
			"hash": hex.EncodeToString(sum[:]), "raw hash": string(sum[:]),
		}
		for shift := range 7 {
			inside := append(append(make([]byte, shift), value...), "tail"...)
			texts[fmt.Sprint("base64 ", shift)] = base64.StdEncoding.EncodeToString(inside)
			texts[fmt.Sprint("base64url ", shift)] = base64.URLEncoding.EncodeToString(inside)
			texts[fmt.Sprint("hex ", shift)] = hex.EncodeToString(inside)
		}
		for name, text := range texts {
			if found := f.Find([]byte("before " + text + " after")); len(found) == 0 {
				t.Errorf("%s: not found as %s", value, name)
			}
		}
		b, _ := json.Marshal(value)
		if len(f.Find(b)) == 0 {
			t.Errorf("%s: not found in JSON", value)
		}
	}
}

// Chance must not fail anybody's test: no form is short enough to occur in
// random bytes or their encodings.
func TestChanceFindsNothing(t *testing.T) {
	f := NewFinder(map[string]string{"a": "张三丰", "b": "410482199003071234", "c": "13800138000", "d": "王五"})
	raw := make([]byte, 4<<20)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{raw, []byte(base64.StdEncoding.EncodeToString(raw)), []byte(hex.EncodeToString(raw))} {
		if found := f.Find(b); len(found) > 0 {
			t.Errorf("found %v in random bytes", found)
		}
	}
}

func TestALabelIsReportedOnce(t *testing.T) {
	f := NewFinder(map[string]string{"phone": "13800138000"})
	if found := f.Find([]byte("13800138000 13800138000")); !slices.Equal(found, []string{"phone as clear"}) {
		t.Errorf("found %v", found)
	}
}
