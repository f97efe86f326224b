package venue

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold turns the full-width forms of ASCII (U+FF01–U+FF5E) and the ideographic
// space into ASCII, and Kangxi radicals into the characters that they look like.
// Not NFKC, which would also rewrite characters of names.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '\uFF01' && r <= '\uFF5E':
			return r - '\uFF01' + '!'
		case r == '\u3000':
			return ' '
		case r >= firstRadical && r <= lastRadical:
			radical, _ := utf8.DecodeRuneInString(radicals[len("一")*int(r-firstRadical):])
			return radical
		}
		return r
	}, s)
}

// Kangxi radicals take the place of characters in what is copied from a PDF.
const (
	firstRadical, lastRadical = '\u2F00', '\u2FD5'

	radicals = "一丨丶丿乙亅二亠人儿入八冂冖冫几凵刀力勹匕匚匸十卜卩厂厶又口囗土士夂夊夕大女子宀寸小尢尸屮山巛工己巾干幺广廴廾弋弓彐彡彳心戈戶手支攴文斗斤方无日" +
		"曰月木欠止歹殳毋比毛氏气水火爪父爻爿片牙牛犬玄玉瓜瓦甘生用田疋疒癶白皮皿目矛矢石示禸禾穴立竹米糸缶网羊羽老而耒耳聿肉臣自至臼舌舛舟艮色艸虍虫血行" +
		"衣襾見角言谷豆豕豸貝赤走足身車辛辰辵邑酉釆里金長門阜隶隹雨靑非面革韋韭音頁風飛食首香馬骨高髟鬥鬯鬲鬼魚鳥鹵鹿麥麻黃黍黑黹黽鼎鼓鼠鼻齊齒龍龜龠"
)

// upper raises ASCII letters only: unicode.ToUpper would make an I of a
// Turkish dotless ı and an S of ſ, and let look-alikes into identifiers.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// compact folds an identifier, raises it and drops the blanks and hyphens
// that people put between its groups.
func compact(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || isHyphen(r) {
			return -1
		}
		return r
	}, upper(Fold(s)))
}

// isHyphen also knows the dashes (U+2010–U+2015) and the minus sign that word
// processors make of a hyphen.
func isHyphen(r rune) bool { return r == '-' || r >= '\u2010' && r <= '\u2015' || r == '\u2212' }

// isMiddleDot tells the dots that keyboards and word processors put where
// names and plates have a U+00B7.
func isMiddleDot(r rune) bool { return r == '·' || r == '•' || r == '‧' || r == '・' }

// invisible lists what has no place in a name: controls, bidi marks, tags,
// zero-width and other characters that print nothing. Two names that look the
// same must be the same.
var invisible = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
	unicode.Other_Default_Ignorable_Code_Point,
	unicode.Variation_Selector,
	unicode.Noncharacter_Code_Point,
}

const brailleBlank = '\u2800'

// mixed tells whether a word of s has letters of more than one of the scripts
// that have look-alikes of each other's: АTM may begin with a Cyrillic letter.
func mixed(s string) bool {
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.In(r, alike...) }) {
		first, _ := utf8.DecodeRuneInString(word)
		for _, script := range alike {
			if unicode.Is(script, first) && strings.ContainsFunc(word, func(r rune) bool { return !unicode.Is(script, r) }) {
				return true
			}
		}
	}
	return false
}

var alike = []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Cherokee}

// legible tells whether s is UTF-8 in which every character can be seen.
func legible(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || r == brailleBlank || unicode.In(r, invisible...) {
			return false
		}
	}
	return true
}
