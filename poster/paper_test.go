package poster

import (
	"io"
	"strings"
	"testing"

	"github.com/venuecode/venuecode/venue"
)

func TestWhateverIsRegisteredCanBePrinted(t *testing.T) {
	paper := Paper{Host: "code.qinghe.gov.cn", Operator: strings.Repeat("指", 100), Contact: "0398-6660000", KeptDays: 30}
	for _, c := range []struct {
		name    string
		v       venue.Venue
		d       venue.Door
		payload string
		link    string
	}{
		{"the longest of everything", venue.Venue{Name: strings.Repeat("名", 100), ShortName: "简", Address: strings.Repeat("址", 200), Zone: strings.Repeat("区", 30)}, venue.Door{Code: "7K3M9QX2ABCDEFGH", Name: strings.Repeat("门", 30)}, "", "https://code.qinghe.gov.cn/v/7K3M9QX2ABCDEFGH"},
		{"an old code keeps its payload", venue.Venue{Name: "旧店"}, venue.Door{Code: "7K3M9QX2ABCDEFGH", Name: "门"}, "QH|0042", "QH|0042"},
		{"one that is too long does not", venue.Venue{Name: "旧店"}, venue.Door{Code: "7K3M9QX2ABCDEFGH", Name: "门"}, strings.Repeat("x", 512), "https://code.qinghe.gov.cn/v/7K3M9QX2ABCDEFGH"},
		{"formulas and emoji", venue.Venue{Name: "=1+1😀𠮷\u202e", Address: "@x"}, venue.Door{Code: "7K3M9QX2ABCDEFGH", Name: "<script>"}, "", "https://code.qinghe.gov.cn/v/7K3M9QX2ABCDEFGH"},
	} {
		p := paper.Door(c.v, c.d, c.payload)
		if p.Link != c.link || p.Serial != "7K3M-9QX2-ABCD-EFGH" {
			t.Errorf("%s: %s, %s", c.name, p.Link, p.Serial)
		}
		if err := PDF(io.Discard, A4, p); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := HTML(io.Discard, A5, p); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTheTownIsNotWrittenTwice(t *testing.T) {
	list, err := (*venue.Divisions)(nil).With(venue.NamedDivision{Code: "410000", Name: "河南省"}, venue.NamedDivision{Code: "419981", Name: "青禾市"}, venue.NamedDivision{Code: "419981001", Name: "洗月街道"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{"洗月街道文昌路1号": "文昌路1号", "青禾市洗月街道文昌路1号": "文昌路1号", "文昌路1号": "文昌路1号", "洗月街道": "洗月街道"} {
		if got := (Paper{Divisions: list}).Door(venue.Venue{Division: "419981001", Address: address}, venue.Door{}, "").Address; got != want {
			t.Errorf("%s is printed as %s", address, got)
		}
	}
}
