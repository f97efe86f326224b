package poster

import (
	"fmt"
	"io"
	"testing"
)

func BenchmarkPDF(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := PDF(io.Discard, A4, ordinary); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPDFOfThousand(b *testing.B) {
	doors := many(1000)
	b.ReportAllocs()
	for b.Loop() {
		if err := PDF(io.Discard, A4, doors...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSVG(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := SVG(io.Discard, A4, ordinary); err != nil {
			b.Fatal(err)
		}
	}
}

var ordinary = Door{
	Link: "https://code.qinghe.gov.cn/v/7K3M9QX2ABCDEFGH", Serial: "7K3M-9QX2-ABCD-EFGH",
	Venue: "青禾市民中心", Short: "市民中心", Door: "地下车库入口", Division: "河南省青禾市洗月街道", Address: "文昌路1号",
	Hotline: "0398-12345", Operator: "青禾市疫情防控指挥部", Contact: "0398-6660000", KeptDays: 30, Apps: Apps{WeChat: true, Alipay: true},
}

func many(n int) (doors []Door) {
	for i := range n {
		d := ordinary
		d.Link = fmt.Sprintf("https://code.qinghe.gov.cn/v/7K3M9QX2ABCD%04d", i)
		d.Venue = fmt.Sprintf("%c%c市民中心", 0x4E00+3*i, 0x5000+i)
		doors = append(doors, d)
	}
	return doors
}
