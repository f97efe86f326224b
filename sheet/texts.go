package sheet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/venuecode/venuecode/venue"
)

// What stands in workbooks that we write.
const (
	problemHeading = "问题"
	rowHeading     = "原行号"
	notesSheet     = "填写说明"
	requiredMark   = "（必填）"
	totalText      = "共 %d 行"
)

var notesHeadings = []string{"列名", "必填", "说明", "示例"}

const (
	yes = "是"
	no  = "否"

	notesCommon = "各列顺序可以调整，列名请勿修改；表头上方可以保留标题行，表头须在前 10 行之内。\n" +
		"统一社会信用代码、证件号码、电话等请以文本格式填写，否则超过 15 位的数字会丢失。\n" +
		"示例行可以保留，不会被导入；一次最多 %d 行。"
)

var refusals = map[string]string{
	ReasonSize:      "文件过大。请只保留需要导入的内容，另存为新的 .xlsx 文件，或分成几个文件上传。",
	ReasonRows:      "超过 %d 行，未作任何处理。请分成几个文件上传。",
	ReasonColumns:   "第 %d 列之后还有内容。请删除多余的列后再上传。",
	ReasonXLS:       "这是 .xls 或 .xlsb 格式，不能读取。请在 WPS 或 Excel 中打开，另存为 .xlsx 后再上传。",
	ReasonODS:       "这是 .ods 格式，不能读取。请在 WPS 或 Excel 中打开，另存为 .xlsx 后再上传。",
	ReasonHTML:      "这个文件实际是网页，不是表格。请在 WPS 或 Excel 中打开，另存为 .xlsx 后再上传。",
	ReasonPassword:  "文件设有打开密码。请取消密码后再上传。",
	ReasonFormat:    "这不是表格文件。请上传 .xlsx 或 .csv 文件。",
	ReasonEncoding:  "文件里的文字无法识别。请在 WPS 或 Excel 中打开，另存为 .xlsx 后再上传。",
	ReasonQuotes:    "从第 %d 行起引号不成对，分不清后面的内容是哪一格的。请在 WPS 或 Excel 中打开检查，另存为 .xlsx 后再上传。",
	ReasonDamaged:   "文件已损坏或不完整，未作任何处理。请在 WPS 或 Excel 中打开检查，另存为新的 .xlsx 后再上传。",
	ReasonEmpty:     "文件里没有内容。请检查是否选错了文件。",
	ReasonMissing:   "缺少列：%s。请使用本平台的空白表格，列名不要改动，放在前 10 行之内。",
	ReasonDuplicate: "列重复：%s。请每列只保留一个。",
}

// Sentence tells a person what is wrong and what to do: about a *Refusal, or a
// cell with ReasonDigits or ReasonFormula. "" about other errors, and nil.
func Sentence(err error) string {
	var file *Refusal
	var one *venue.Invalid
	switch {
	case errors.As(err, &file):
		text := refusals[file.Reason]
		switch file.Reason {
		case ReasonRows, ReasonColumns:
			text = fmt.Sprintf(text, file.Limit)
		case ReasonQuotes:
			text = fmt.Sprintf(text, file.Row)
		case ReasonCell:
			text = fmt.Sprintf("第 %d 行有一格超过 %d 个字符。请缩短后再上传。", file.Row, file.Limit)
		case ReasonMissing, ReasonDuplicate:
			text = fmt.Sprintf(text, strings.Join(file.Headings, "、"))
			if file.Sheet != "" {
				text = "工作表“" + file.Sheet + "”" + text
			}
		}
		return text
	case errors.As(err, &one) && one.Reason == ReasonDigits:
		return "这一格按数字保存，超过 15 位的部分已经丢失。请先把这一列设为文本格式，再重新填写完整号码。"
	case errors.As(err, &one) && one.Reason == ReasonFormula:
		return "这一格是公式，没有算出结果。请直接填写内容。"
	}
	return ""
}
