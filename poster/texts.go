package poster

import "fmt"

// Everything that is printed beside the names is here.
const (
	textHeading  = "请扫码"
	textEnter    = "进入本场所，请先扫码登记"
	textSerial   = "编号 "
	textKeep     = "请勿涂改、遮挡或移作他用"
	textVerify   = "扫码后请核对域名"
	textNoPhone  = "没有智能手机或不便扫码：请出示健康码纸质版或身份证，由工作人员代为登记。"
	textAddress  = "地址："
	textHotline  = "咨询电话："
	textIssued   = "发放地："
	textBlank    = "待启用"
	textName     = "场所名称"
	textDoor     = "出入口"
	textActivate = "启用前扫码无效。启用后在框内填写或粘贴名称"
	textIndex    = "目录.txt"
	textPosters  = "码牌" // of doors that lie in no division that has a name
)

// String names the apps as they are printed.
func (a Apps) String() string {
	switch {
	case a.WeChat && a.Alipay:
		return "微信或支付宝"
	case a.WeChat:
		return "微信"
	case a.Alipay:
		return "支付宝"
	}
	return "手机"
}

func textApps(a Apps) string { return fmt.Sprintf("请用%s“扫一扫”", a) }

// textPrivacy names the legal basis: 《个人信息保护法》第十三条第一款第三项、第四项.
func textPrivacy(operator, contact string, days int) string {
	return fmt.Sprintf("个人信息保护：%s依据《中华人民共和国传染病防治法》《突发公共卫生事件应急条例》《中华人民共和国个人信息保护法》第十三条处理扫码信息，仅用于疫情防控，到访记录保存%d天后销毁。查询、更正、撤回请联系：%s。", operator, days, contact)
}

// textPrint stands above the posters on a screen, and is not printed.
func textPrint(s Sheet) string {
	return fmt.Sprintf("请用浏览器的“打印”功能，纸张选 %s，边距选“无”，比例 100%%。手机上不能打印的，可以把本页存为 PDF，或在电脑上打开本页打印。", s)
}

func textMissing(missing []rune) string {
	if len(missing) == 0 {
		return ""
	}
	return "缺字（以〓代替）：" + string(missing)
}

func textTotal(n int) string { return fmt.Sprintf("共 %d 张", n) }

func textPage(n int) string { return fmt.Sprintf("第 %d 页", n) }
