package configs

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// validate checks what one value's type and range cannot say, and completes the
// paths and the consent text.
func (l *loader) validate(c *Config) {
	l.addresses(c)
	l.folders(c)
	l.divisions(c)
	l.ownDivision(c)
	l.platforms(c)
	l.shapes(c)
	l.schedule(c)
	l.durations(c)
	l.texts(c)
}

// sound tells whether none of the options is faulty, so that they can be compared.
func (l *loader) sound(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { return l.faulty[k] })
}

var domain = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

func (l *loader) addresses(c *Config) {
	bare := c.Host
	if h, _, err := net.SplitHostPort(c.Host); err == nil && l.test {
		bare = h
	}
	_, err := netip.ParseAddr(bare)
	switch {
	case c.Host == "" && !l.test:
		l.fault("host", "is missing: the domain name printed in every code")
	case c.Host == "", domain.MatchString(bare), l.test && (err == nil || bare == "localhost"):
	default:
		l.fault("host", "must be a domain name in small letters, without scheme, port or path")
	}
	l.address("listen", c.Listen)
	host := l.address("ops_listen", c.OpsListen)
	if !l.test && !loopback(host) {
		l.fault("ops_listen", "must be a loopback address: what it tells is not for the outside")
	}
	if l.sound("listen", "ops_listen") && c.Listen == c.OpsListen && !strings.HasSuffix(c.Listen, ":0") {
		l.fault("ops_listen", "must differ from listen")
	}
	switch {
	case c.Division == "" && !l.test:
		l.fault("division", "is missing")
	case c.Division != "" && (len(c.Division) != 6 || !division.MatchString(c.Division)):
		l.fault("division", "must be a division's code of 6 digits")
	}
	for _, p := range c.TrustedProxies {
		l.proxy(p)
	}
	l.base("platforms_base", c.PlatformsBase, false)
	if c.PlatformsBase != "" && !l.test && l.sound("platforms_base") {
		l.fault("platforms_base", "stands for simulators; only with test: true")
	}
	l.base("alipay.gateway", c.Alipay.Gateway, true)
	l.base("health.base", c.Health.Base, !l.test)
	l.base("audit.push.url", c.Audit.Push.URL, false)
	if l.sound("audit.push.url", "audit.push.secret") && (c.Audit.Push.URL != "") != c.Audit.Push.Secret.Set() {
		l.fault("audit.push", "needs both url and secret, or neither")
	}
}

// address checks HOST:PORT and gives the host.
func (l *loader) address(key, text string) string {
	host, port, err := net.SplitHostPort(text)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil {
		l.fault(key, "must be address:port, as in 127.0.0.1:8080")
	} else if n == 0 && !l.test {
		l.fault(key, "must name a port, 1 to 65535")
	}
	return host
}

func (l *loader) proxy(text string) {
	prefix, err := netip.ParsePrefix(text)
	if addr, one := netip.ParseAddr(text); one == nil {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	widest := 8
	if prefix.Addr().Is6() {
		widest = 16
	}
	switch {
	case err != nil:
		l.fault("trusted_proxies", "must be addresses or CIDR blocks")
	case prefix.Bits() < widest:
		l.fault("trusted_proxies", "trusts nearly everybody: any client could forge its address")
	}
}

// base checks a platform's address. In production it is https and not this
// machine; simulators are for tests.
func (l *loader) base(key, text string, required bool) {
	if text == "" {
		if required {
			l.fault(key, "is missing")
		}
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		l.fault(key, "must be an https address")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		l.fault(key, "must have no user, query or fragment")
	case l.test:
	case u.Scheme != "https":
		l.fault(key, "must be https unless test is true")
	case loopback(u.Hostname()) || unspecified(u.Hostname()) || numeric(u.Hostname()):
		l.fault(key, "points at this machine, as a simulator would; only with test: true")
	}
}

// loopback tells whether only this machine can reach host.
func loopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// unspecified addresses, 0.0.0.0 and ::, lead back to this machine.
func unspecified(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsUnspecified()
}

// numeric tells of an address in a form that some resolvers take for an IP
// address (127.1, 2130706433, 0x7f.1) and netip does not.
func numeric(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	last := host[strings.LastIndex(strings.TrimSuffix(host, "."), ".")+1:]
	_, err := strconv.ParseUint(strings.TrimSuffix(last, "."), 0, 64)
	return err == nil
}

func (l *loader) folders(c *Config) {
	for key, dir := range map[string]*string{"data_dir": &c.DataDir, "keys_dir": &c.KeysDir} {
		path, err := l.rooted(*dir)
		if *dir == "" || err != nil {
			l.fault(key, "must be a folder")
			continue
		}
		*dir = path
	}
	if l.sound("data_dir", "keys_dir") && (inside(c.DataDir, c.KeysDir) || inside(c.KeysDir, c.DataDir)) {
		l.fault("keys_dir", "must lie apart from data_dir, neither inside it nor around it")
	}
	if c.Audit.Copy != "" {
		path, err := l.rooted(c.Audit.Copy)
		if err != nil || inside(path, c.DataDir) || inside(path, c.KeysDir) {
			l.fault("audit.copy", "must be a file apart from data_dir and keys_dir")
		}
		c.Audit.Copy = path
	}
	uri := c.Store.Reveal()
	if uri != embedded && !strings.HasPrefix(uri, "mongodb://") && !strings.HasPrefix(uri, "mongodb+srv://") {
		l.fault("store", "must be embedded, or a MongoDB address mongodb://… or mongodb+srv://…")
	}
}

func inside(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// part is one option of a platform's section.
type part struct {
	key string
	set bool
}

// platforms: one that has its id needs its section; one that has none has nothing.
func (l *loader) platforms(c *Config) {
	if l.test {
		return
	}
	w, s, q, a := c.WeChat, c.ServiceAccount, c.WeCom, c.Alipay
	robot := q.Robot.Token.Set() || q.Robot.EncodingAESKey.Set()
	together := func(id part, parts ...part) {
		for _, p := range parts {
			switch {
			case id.set && !p.set:
				l.fault(p.key, "is missing (%s is set)", id.key)
			case !id.set && p.set:
				l.fault(id.key, "is missing (%s is set)", p.key)
			}
		}
	}
	together(part{"wechat.app_id", w.AppID != ""},
		part{"wechat.secret", w.Secret.Set()})
	together(part{"service_account.app_id", s.AppID != ""},
		part{"service_account.secret", s.Secret.Set()},
		part{"service_account.token", s.Token.Set()},
		part{"service_account.encoding_aes_key", s.EncodingAESKey.Set()})
	together(part{"wecom.corp_id", q.CorpID != ""},
		part{"wecom.agent_id", q.AgentID != ""},
		part{"wecom.secret", q.Secret.Set()},
		part{"wecom.app.token", q.App.Token.Set()},
		part{"wecom.app.encoding_aes_key", q.App.EncodingAESKey.Set()})
	if robot {
		together(part{"wecom.corp_id", q.CorpID != ""}, part{"wecom.robot.token", true})
		together(part{"wecom.robot.token", q.Robot.Token.Set()},
			part{"wecom.robot.encoding_aes_key", q.Robot.EncodingAESKey.Set()})
	}
	together(part{"alipay.app_id", a.AppID != ""},
		part{"alipay.private_key", a.PrivateKey.Set()},
		part{"alipay.alipay_public_key", a.AlipayPublicKey.Set()})
	if a.PhoneKey.Set() && a.AppID == "" {
		l.fault("alipay.app_id", "is missing (alipay.phone_key is set)")
	}
	if w.AppID == "" && a.AppID == "" {
		l.fault("wechat.app_id", "is missing, and so is alipay.app_id: residents need one of them")
	}
	if !c.Health.Credential.Set() {
		l.fault("health.credential", "is missing")
	}
}

var (
	platformID = regexp.MustCompile(`^[0-9A-Za-z_-]{0,128}$`)
	digits     = regexp.MustCompile(`^[0-9]{0,32}$`)
	token      = regexp.MustCompile(`^[0-9A-Za-z]{3,32}$`)
	printable  = regexp.MustCompile(`^[!-~]+$`)
	version    = regexp.MustCompile(`^[0-9A-Za-z.-]{1,32}$`)
	checkFile  = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}\.txt$`)
	checkLine  = regexp.MustCompile(`^[!-~]{1,512}\n?$`)
	division   = regexp.MustCompile(`^[1-9][0-9]{5}([0-9]{3}){0,2}$`)
)

// shapes catches a value pasted into the wrong place before a platform does.
func (l *loader) shapes(c *Config) {
	for key, id := range map[string]string{
		"wechat.app_id":                      c.WeChat.AppID,
		"service_account.app_id":             c.ServiceAccount.AppID,
		"wecom.corp_id":                      c.WeCom.CorpID,
		"notify.subscribe_templates.recheck": c.Notify.SubscribeTemplates.Recheck,
	} {
		if !platformID.MatchString(id) {
			l.fault(key, "must be letters, digits, _ and -, at most 128")
		}
	}
	for key, id := range map[string]string{"wecom.agent_id": c.WeCom.AgentID, "alipay.app_id": c.Alipay.AppID} {
		if !digits.MatchString(id) {
			l.fault(key, "must be digits")
		}
	}
	secrets := func(problem string, fits func(string) bool, values map[string]Secret) {
		for key, s := range values {
			if s.Set() && !fits(s.Reveal()) {
				l.fault(key, "%s", problem)
			}
		}
	}
	secrets("must be one line without blanks", printable.MatchString, map[string]Secret{
		"wechat.secret":          c.WeChat.Secret,
		"service_account.secret": c.ServiceAccount.Secret,
		"wecom.secret":           c.WeCom.Secret,
		"health.credential":      c.Health.Credential,
	})
	secrets("must be 3 to 32 letters and digits", token.MatchString, map[string]Secret{
		"service_account.token": c.ServiceAccount.Token,
		"wecom.app.token":       c.WeCom.App.Token,
		"wecom.robot.token":     c.WeCom.Robot.Token,
	})
	secrets("must be the 43 characters of an EncodingAESKey", aesKey, map[string]Secret{
		"service_account.encoding_aes_key": c.ServiceAccount.EncodingAESKey,
		"wecom.app.encoding_aes_key":       c.WeCom.App.EncodingAESKey,
		"wecom.robot.encoding_aes_key":     c.WeCom.Robot.EncodingAESKey,
	})
	secrets("must be an RSA private key, PEM or base64", rsaPrivate, map[string]Secret{"alipay.private_key": c.Alipay.PrivateKey})
	secrets("must be an RSA public key, PEM or base64", rsaPublic, map[string]Secret{"alipay.alipay_public_key": c.Alipay.AlipayPublicKey})
	secrets("must be base64 of 16 bytes", func(s string) bool {
		b, err := base64.StdEncoding.DecodeString(s)
		return err == nil && len(b) == 16
	}, map[string]Secret{"alipay.phone_key": c.Alipay.PhoneKey})
}

// aesKey: base64 of 32 bytes without its last =. The platforms hand out keys
// whose spare last bits are set, so decoding is not strict.
func aesKey(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s + "=")
	return len(s) == 43 && err == nil && len(b) == 32
}

// der is the content of a PEM block or of bare base64.
func der(s string) []byte {
	if block, _ := pem.Decode([]byte(s)); block != nil {
		return block.Bytes
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

func rsaPrivate(s string) bool {
	if _, err := x509.ParsePKCS1PrivateKey(der(s)); err == nil {
		return true
	}
	key, err := x509.ParsePKCS8PrivateKey(der(s))
	_, ok := key.(*rsa.PrivateKey)
	return err == nil && ok
}

func rsaPublic(s string) bool {
	key, err := x509.ParsePKIXPublicKey(der(s))
	_, ok := key.(*rsa.PublicKey)
	return err == nil && ok
}

// schedule: one tap and reminders before the deadline, the digest after it, all
// of them when messages may go out.
func (l *loader) schedule(c *Config) {
	r, quiet := c.Reports, c.Notify.QuietHours
	if !l.sound("reports.deadline") {
		return
	}
	if r.Deadline == 0 {
		l.fault("reports.deadline", "must be after 00:00")
		return
	}
	if r.OneTap >= r.Deadline {
		l.fault("reports.one_tap", "must be before reports.deadline")
	}
	if r.Digest <= r.Deadline {
		l.fault("reports.digest", "must be after reports.deadline")
	}
	for i, t := range r.Reminders {
		if t >= r.Deadline {
			l.fault("reports.reminders", "must be before reports.deadline")
		}
		if i > 0 && t <= r.Reminders[i-1] {
			l.fault("reports.reminders", "must rise")
		}
	}
	if !l.sound("notify.quiet_hours.from", "notify.quiet_hours.to") {
		return
	}
	if quiet.Covers(r.OneTap) {
		l.fault("reports.one_tap", "falls into notify.quiet_hours")
	}
	if quiet.Covers(r.Digest) {
		l.fault("reports.digest", "falls into notify.quiet_hours")
	}
	if slices.ContainsFunc(r.Reminders, quiet.Covers) {
		l.fault("reports.reminders", "falls into notify.quiet_hours")
	}
}

// durations compares those of which one must outlast another.
func (l *loader) durations(c *Config) {
	order := func(longer, shorter string, ok bool) {
		if l.sound(longer, shorter) && !ok {
			l.fault(longer, "must not be less than %s", shorter)
		}
	}
	if l.sound("health.timeout", "scan.reply") && c.Health.Timeout >= c.Scan.Reply {
		l.fault("health.timeout", "must be less than scan.reply")
	}
	order("notify.retry.max", "notify.retry.first", c.Notify.Retry.Max >= c.Notify.Retry.First)
	order("notify.retry.give_up", "notify.retry.max", c.Notify.Retry.GiveUp >= c.Notify.Retry.Max)
	order("retention.vault_days", "retention.visits_days", c.Retention.VaultDays >= c.Retention.VisitsDays)
	order("retention.counts_days", "retention.visits_days", c.Retention.CountsDays >= c.Retention.VisitsDays)
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

func (l *loader) texts(c *Config) {
	l.consent(&c.Consent, c.Retention)
	for _, d := range slices.Sorted(maps.Keys(c.Advice.Divisions)) {
		key := shown("advice.divisions", d)
		if !division.MatchString(d) {
			l.fault(key, "must be a division's code of 6, 9 or 12 digits")
		}
		l.advice(key, c.Advice.Divisions[d], false)
	}
	l.advice("advice.default", c.Advice.Default, true)
	for _, name := range c.WeCom.Robot.Names {
		if strings.ContainsAny(name, "@ \n") || utf8.RuneCountInString(name) > 32 {
			l.fault("wecom.robot.names", "must be names of at most 32 characters, without @ and blanks")
		}
	}
	if line := c.Apply.Hotline; utf8.RuneCountInString(line) > 40 || strings.Contains(line, "\n") {
		l.fault("apply.hotline", "must be one line of at most 40 characters")
	}
	for _, d := range slices.Sorted(maps.Keys(c.Apply.Channels)) {
		l.channels(shown("apply.channels", d), d, c.Apply.Channels[d])
	}
	for _, name := range slices.Sorted(maps.Keys(c.DomainChecks)) {
		key := shown("domain_checks", name)
		if !checkFile.MatchString(name) {
			l.fault(key, "must be a file name of letters, digits, - and _, ending in .txt")
		}
		if !checkLine.MatchString(c.DomainChecks[name]) {
			l.fault(key, "must be one line of at most 512 letters, digits and signs")
		}
	}
}

func (l *loader) channels(key, d string, channels map[string]string) {
	if !division.MatchString(d) {
		l.fault(key, "must be a division's code of 6, 9 or 12 digits")
	}
	if len(channels) > 20 {
		l.fault(key, "must have at most 20 channels")
	}
	for name, at := range channels {
		link, err := url.Parse(at)
		switch n := utf8.RuneCountInString(at); {
		case name == "" || utf8.RuneCountInString(name) > 40 || n == 0 || n > 200 || strings.Contains(name+at, "\n"):
			l.fault(key, "must have names of 1 to 40 characters and addresses of 1 to 200, one line each")
		case strings.Contains(at, "://") && (err != nil || link.Scheme != "https" || link.Host == ""):
			l.fault(key, "must have pages that are https")
		}
	}
}

func (l *loader) consent(c *Consent, r Retention) {
	if !version.MatchString(c.Version) {
		l.fault("consent.version", "must be 1 to 32 letters, digits, . and -")
	}
	for key, text := range map[string]string{"consent.operator": c.Operator, "consent.contact": c.Contact} {
		if text == "" && !l.test {
			l.fault(key, "is missing: the law wants it in the notice")
		}
		if utf8.RuneCountInString(text) > 100 || strings.ContainsAny(text, "\n{}") {
			l.fault(key, "must be one line of at most 100 characters, without braces")
		}
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(c.Text)); n == 0 || n > 4000 {
		l.fault("consent.text", "must be 1 to 4000 characters")
	}
	fill := map[string]string{
		"{version}": c.Version, "{operator}": c.Operator, "{contact}": c.Contact,
		"{visits_days}": strconv.Itoa(r.VisitsDays),
		"{vault_days}":  strconv.Itoa(r.VaultDays),
	}
	c.Text = placeholder.ReplaceAllStringFunc(c.Text, func(p string) string {
		if _, known := fill[p]; !known {
			l.fault("consent.text", "has a placeholder other than %s", strings.Join(slices.Sorted(maps.Keys(fill)), " "))
		}
		return fill[p]
	})
}

func (l *loader) advice(key string, t Texts, all bool) {
	for _, colour := range []struct {
		name  string
		lines []string
	}{{"green", t.Green}, {"yellow", t.Yellow}, {"red", t.Red}, {"unknown", t.Unknown}} {
		at := join(key, colour.name)
		if all && len(colour.lines) == 0 {
			l.fault(at, "must have at least one sentence")
		}
		for _, line := range colour.lines {
			if utf8.RuneCountInString(line) > 100 || strings.Contains(line, "\n") {
				l.fault(at, "must be sentences of one line, at most 100 characters")
			}
		}
	}
}
