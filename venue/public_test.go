package venue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestANumberOfAPersonIsNoPublicText(t *testing.T) {
	for _, s := range []string{
		"张记面馆13912345678", "13912345678", "文昌路1号 139 1234 5678", "文昌路1号（139-1234-5678）", "小李 +86 13912345678", "TEL:8613912345678",
		"电话00861391234 5678", "文昌路１３９１２３４５６７８号", "3 13912345678", "13912345678、13912345679",
		"李四11010519491231002X", "11010519491231002X店", "11010519491231002x", "11010519491231002Ⅹ", "110105 19491231 002X", "110105-19491231-002X",
		"810000199408230021的摊位", "110105194912310029、11010519491231002X", // the first is none
	} {
		_, err := ParsePublic("name", s, 1, 100)
		if invalid := new(Invalid); !errors.As(err, &invalid) || *invalid != (Invalid{Field: "name", Reason: "private"}) {
			t.Errorf("%q gives %v", s, err)
		}
	}
	for _, s := range []string{
		"110酒吧", "1912街区", "2022年国庆灯会", "文昌路139号", "文昌路1391号2345室678铺", "7天连锁酒店(0375-1234567店)", "咨询0375-13912345", "400-139-1234",
		"豫A12345D", "出租汽车 豫D·T1391", "91410482MA45CDEF1X", "12410482416812345X", "91350100M0001TGQXM超市", "第139工程队123456项目部",
		"食品经营许可证JY14104820012345", "139123456789", "1391234567", "110105194912310029", "110105194913310021", "12000119999", "G207国道K1391+2345",
		"1号楼-2单元-1301-1302", "A座13楼1391-1234", "编号6901234567892", "10086营业厅", "12345热线服务中心", "360100 20220518 1234",
	} {
		if got, err := ParsePublic("address", s, 1, 100); err != nil || got != s {
			t.Errorf("%q gives %q, %v", s, got, err)
		}
	}
	if _, err := ParsePublic("name", "1391234\n5678", 1, 100); err == nil {
		t.Error("what ParseTitle refuses is taken")
	}
}

// TestCodesOfUnitsArePublic: a USCC stands on the wall of every shop.
func TestCodesOfUnitsArePublic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		body := []string{"91", "92", "93", "52", "12", "11", "51"}[r.IntN(7)] + fmt.Sprintf("41%02d%02d", 1+r.IntN(18), 21+r.IntN(78)) // no county ends in 18–20
		for len(body) < 17 {
			body += string("0123456789"[r.IntN(10)])
		}
		for _, check := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
			code, proof, err := ParseUSCC(body + string(check))
			if err != nil || proof {
				continue
			}
			if _, err := ParsePublic("name", "单位"+string(code), 1, 100); err != nil {
				t.Fatalf("%s gives %v", code, err)
			}
		}
	}
}

// TestEveryIDNumberIsFound: whatever stands around it.
func TestEveryIDNumberIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	around := []string{"", "文昌路", "证", " ", "A", "（", "3 "}
	for range 5_000 {
		id := fmt.Sprintf("%d%05d%04d%02d%02d%03d", 1+r.IntN(8), r.IntN(100_000), 1920+r.IntN(110), 1+r.IntN(12), 1+r.IntN(28), r.IntN(1000))
		id += string(idCheck(id))
		if _, err := ParsePublic("name", around[r.IntN(len(around))]+id+around[r.IntN(len(around)-1)], 1, 100); err == nil {
			t.Fatalf("%s is taken", id)
		}
	}
}
